/* SPDX-License-Identifier: Apache-2.0 */
/* followed — a followed feed that is served onward: only read, each body as its source sent it. */
#pragma once

#include "resource/resource.h"

#define RESOURCE_FOLLOWED_DELTA 7 /* the delta_function of all of them */

/* The descriptor of such a feed of that resource. */
struct resource resource_followed(const struct resource *of);

/* May its items have relations?  Of an unknown resource nobody knows. */
static inline bool
resource_has_relations(const struct resource *resource)
{
	return !resource->odata_type || (resource->relations && resource->relations[0]);
}

/*
 * The file of the item's content, in the folder of `sync --content`: it holds no slash.  The scope, which its URL and
 * its owner name in every store, is in it, so that scopes may share a folder.
 */
struct str resource_content_file(struct str url, struct str owner, struct str id, struct arena *arena);
/* As versions named it that record no name. */
struct str resource_content_file_older(struct str id, struct arena *arena);

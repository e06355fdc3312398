/* SPDX-License-Identifier: Apache-2.0 */
/* content_refs — which files of the content folder the recordings of a store refer to. */
#pragma once

#include "content/content.h"
#include "store/store.h"

struct content_refs {
	uint8_t (*ids)[CONTENT_ID_BYTES]; /* sorted */
	size_t count, size;
};

/* Called for each recording with content. `feed` and `id` name the recording. */
typedef void content_ref_fn(void *ctx, const struct store_feed *feed, struct str id, const struct content_ref *ref);

/* `each` may be NULL. Close it also after a failure. */
enum err content_refs_open(struct store *store, content_ref_fn *each, void *ctx, struct content_refs *refs_out)
	MUST_CHECK;
void content_refs_close(struct content_refs *refs);
/* A content_needed_fn whose ctx is the refs. */
bool content_refs_has(void *refs, const uint8_t id[CONTENT_ID_BYTES]);

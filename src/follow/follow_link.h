/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_link — where links may lead.  Private to the follow room.
 *
 * The first URL of a scope pins scheme, host and port.  A link is followed only if it leads there;
 * it is never mended, completed or written anew: what is sent is what was told, byte for byte.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "text/uri.h"

#define FOLLOW_LINK_MAX ((size_t)32 << 10)

struct follow_origin {                           /* views into the URL */
	struct str scheme, host;
	uint16_t   port;
};

/* https, or http on a loopback host.  False: *why_out ends the sentence "the URL …". */
bool follow_origin_of(struct str url, struct follow_origin *origin_out, const char **why_out);
/* False: *why_out ends the sentence "the link …". */
bool follow_link_is_good(const struct follow_origin *origin, struct str link, const char **why_out);
/* The same but for what stands in the query? */
bool follow_link_is_beside(struct str link, struct str other);
bool follow_link_is_local(struct str link);      /* on a loopback host */
/* "https://host:port" as it stands at the front of a URL that is good. */
struct str follow_origin_text(struct str url);
/* The last noun of a delta URL's path: "calendars", "messages"; getAllRecordings is "recordings". */
struct str follow_resource_of(struct str url);

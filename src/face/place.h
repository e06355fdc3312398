/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place — from a token to where its reader stands, and from there to the next link.
 * Private to the face room.
 */
#pragma once

#include "face/call.h"

/* What a reader of recordings asked to see in its first request. */
struct view {
	uint32_t top;                    /* items a page; 0: as the server likes */
	bool     removals;               /* wants to be told them (an extension) */
	int64_t  from_ns, until_ns;      /* from <= createdDateTime < until; INT64_MIN and INT64_MAX: no bound */
	uint8_t  meeting[16];            /* of one meeting: a hash of its id; else zero */
};

struct reader {
	bool         has_place;          /* false: a first request from the beginning */
	bool         from_now;           /* a first request that wants no more than its deltaLink: the place is told */
	struct place place;
	uint32_t     select;             /* bit per row of the resource; 0: all */
	struct view  view;               /* of recordings */
};

/*
 * The token if there is one (then no other option may stand beside it), else the options of a first request.  In place
 * of a token a first request may say where it begins: `latest`, or a moment as RFC 3339 writes it (extensions).
 */
enum err place_read(struct call *call, enum token_function function, struct reader *reader_out) MUST_CHECK;

/* The link for what is left, and its member name: @odata.nextLink or @odata.deltaLink. */
struct str  place_link(const struct call *call, enum token_function function, const struct place *rest, uint32_t select);
struct str  place_link_name(const struct place *rest);

/*
 * The same for recordings: `asked` is what the path says (window, meeting) and Prefer; $top is read here.  With a
 * token its view counts; a path that says something else than the token is refused.
 */
enum err    place_read_view(struct call *call, enum token_function function, const struct view *asked,
                            struct reader *reader_out) MUST_CHECK;
struct str  place_link_view(const struct call *call, enum token_function function, const struct place *rest,
                            const struct view *view);

/* Where a 410 sends its reader: the same path with an empty token. */
struct str place_restart_url(const struct call *call);

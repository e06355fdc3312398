/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place — from a token to where its reader stands, and from there to the next link.
 * Private to the face room.
 */
#pragma once

#include "face/call.h"

struct reader {
	bool         has_place;          /* false: a first request */
	struct place place;
	uint32_t     select;             /* bit per calendar_prop; 0: all */
};

/* The token if there is one (then no other option may stand beside it), else the options of a first request. */
enum err place_read(struct call *call, enum token_function function, struct reader *reader_out) MUST_CHECK;

/* The link for what is left, and its member name: @odata.nextLink or @odata.deltaLink. */
struct str  place_link(const struct call *call, enum token_function function, const struct place *rest, uint32_t select);
struct str  place_link_name(const struct place *rest);

/* Where a 410 sends its reader: the same path with an empty token. */
struct str place_restart_url(const struct call *call);

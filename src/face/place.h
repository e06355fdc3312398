/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place — from a token to where its reader stands, and from there to the next link.
 * Private to the face room.
 */
#pragma once

#include "face/call.h"

struct reader {
	bool         has_place;          /* false: a first request from the beginning */
	bool         has_token;          /* it came with a link of ours */
	bool         from_now;           /* a first request that wants no more than its deltaLink: the place is told */
	struct place place;
	struct str   options;            /* has_token: what place_link() was given with the round's first page */
};

/*
 * The token if there is one (then no other option may stand beside it).  In its place a first request of a delta
 * function may say where it begins: `latest`, or a moment as RFC 3339 writes it (extensions).  Options of a first
 * request are the caller's to read, and bytes without a meaning to these functions.
 */
enum err place_read(struct call *call, enum token_function function, bool delta, struct reader *reader_out) MUST_CHECK;

/* The link for what is left, and its member name: @odata.nextLink or @odata.deltaLink. */
struct str place_link(const struct call *call, enum token_function function, const struct place *rest, struct str options);
struct str place_link_name(const struct place *rest);

/* Where a 410 sends its reader: the same path with an empty token, and call->restart_options. */
struct str place_restart_url(const struct call *call);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place — from a token to where its reader stands, and from there to the next link.
 * Private to the face module.
 */
#pragma once

#include "graph/call.h"

struct reader {
	bool          has_cursor; /* false: a first request from the beginning */
	bool          has_token;  /* it came with a link of ours */
	bool          from_now;   /* a first request that wants no more than its deltaLink: the place is told */
	struct cursor cursor;
	struct str    options; /* has_token: what cursor_link() was given with the round's first page */
};

/*
 * The token if there is one (then no other option may stand beside it).  In its place a first request of a delta
 * function may say where it begins: `latest`, or a moment as RFC 3339 writes it (extensions).  Options of a first
 * request are the caller's to read, and bytes without a meaning to these functions.
 */
enum err cursor_read(struct call *call, enum token_function function, bool delta, struct reader *reader_out) MUST_CHECK;

/* The link for what is left, and its member name: @odata.nextLink or @odata.deltaLink. */
struct str cursor_link(const struct call *call, enum token_function function, const struct cursor *rest,
                       struct str options);
struct str cursor_link_name(const struct cursor *rest);

/* Where a 410 sends its reader: the same path with an empty token, and call->restart_options. */
struct str cursor_restart_url(const struct call *call);

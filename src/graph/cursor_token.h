/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor_token — from a token to its reader's cursor, and from a cursor to the next link.
 * Private to the graph module.
 */
#pragma once

#include "graph/call.h"

struct reader {
	bool          has_cursor; /* false: an initial round begins */
	bool          has_token;  /* the request has a token of ours */
	bool          from_now;   /* a first request that wants only its deltaLink: the cursor is complete */
	struct cursor cursor;
	struct str    options; /* has_token: the options that cursor_link() sealed into it */
};

/* What a token of the call's feed is bound to. */
struct token_bind cursor_bind(const struct call *call, enum token_function function);

/*
 * Reads the token, if there is one; then no other option is allowed.  Instead of a token, the first request of a delta
 * function may say where to begin: `latest`, or an RFC 3339 time (extensions).  The caller reads the options of a first
 * request.  To these functions they are opaque bytes.
 */
enum err cursor_read(struct call *call, enum token_function function, struct reader *reader_out) MUST_CHECK;

/* The link that continues at `rest`, and its member name: @odata.nextLink or @odata.deltaLink. */
struct str cursor_link(const struct call *call, enum token_function function, const struct cursor *rest,
                       struct str options);
struct str cursor_link_name(const struct cursor *rest);

/* The URL in the Location of a 410: the same path with an empty token and call->restart_options. */
struct str cursor_restart_url(const struct call *call);

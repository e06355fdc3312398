/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_source — where pages come from: libcurl in the program (follow_curl.c), a script in the tests.
 *
 * A source fetches exactly the link it is given, follows no redirect, and sends the bearer nowhere else.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct follow_position {        /* of a page, in all that was ever followed into a store */
	int64_t  sid, round_ms; /* the scope; when its round began.  round_ms 0: no page of a round */
	uint64_t page;          /* of the round, from 0 */
};

struct follow_request {
	struct follow_position position;
	struct str             link;
	struct str             bearer;    /* empty: none is sent */
	uint32_t               page_size; /* for Prefer: odata.maxpagesize; 0: not asked for */
};

struct follow_page;

struct follow_response {
	unsigned                  status;
	const struct follow_page *page; /* the body, read by follow_page_read(); NULL: it was not, or is none */
	struct str                body; /* decoded; lives until the next fetch */
	struct str                location, retry_after, date; /* raw; empty if missing */
};

struct follow_source {
	void *ctx;
	/*
	 * ERR_BUSY: no whole answer (no connection, cut, too slow); ERR_TOO_LARGE: more than FOLLOW_PAGE_MAX;
	 * ERR_UP_REFUSED: the far end's certificate or protocol is not acceptable.  why_out gets a sentence.
	 * A status of 400 and above may come with a cut body.
	 */
	enum err (*fetch)(void *ctx, const struct follow_request *request, struct arena *arena,
	                  struct follow_response *response_out, struct str *why_out);
	/*
	 * Sends what will probably be fetched next, and waits for nothing; views of the last reply end.  A fetch that
	 * asks for anything else lets it go, as let_go() does.  Both are NULL in a source that cannot.
	 */
	void (*start)(void *ctx, const struct follow_request *request, struct arena *arena);
	void (*let_go)(void *ctx);
};

struct fetch;

struct follow_source follow_http_source(struct fetch *fetch);

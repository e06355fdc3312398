/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_source — where pages come from: follow_http.c in the program, a script in the tests.
 *
 * A source requests exactly the given link, follows no redirect, and sends the bearer token nowhere else.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct follow_position {        /* identifies a page in a store */
	int64_t  sid, round_ms; /* the scope; the start of its round, 0 if it is no page of a round */
	uint64_t page;          /* of the round, from 0 */
};

struct follow_request {
	struct follow_position position;
	struct str             link;
	struct str             bearer;    /* empty: not sent */
	uint32_t               page_size; /* for Prefer: odata.maxpagesize; 0: not sent */
	bool                   skims;     /* only the shape of the page: fetch_skim.h */
};

struct follow_page;

struct follow_response {
	unsigned                  status;
	const struct follow_page *page; /* the body, if follow_page_read() has read it; else NULL */
	struct str                body; /* decoded; valid until the next fetch */
	size_t                    size; /* of the body before it was skimmed */
	struct str                location, retry_after, date, request_id, challenge; /* raw; empty if missing */
};

struct follow_source {
	void *ctx;
	/*
	 * ERR_BUSY: no whole response (no connection, cut, too slow).  ERR_TOO_LARGE: more than FOLLOW_PAGE_MAX.
	 * ERR_UP_REFUSED: the remote's certificate or protocol is not acceptable.  why_out gets a sentence.
	 * A response of status 400 or above may have a cut body.
	 */
	enum err (*fetch)(void *ctx, const struct follow_request *request, struct arena *arena,
	                  struct follow_response *response_out, struct str *why_out);
	/*
	 * Sends the request that fetch() will probably make next, without waiting; the last response ends.  A different
	 * fetch() or cancel() cancels it.  Both are NULL in a source that cannot do this.
	 */
	void (*start)(void *ctx, const struct follow_request *request, struct arena *arena);
	void (*cancel)(void *ctx);
};

#define FOLLOW_HEADERS_MAX 16

struct fetch;

struct follow_http { /* must outlive its source */
	struct fetch *fetch;
	struct str    prefer;                      /* preferences of each request, beside the page size; may be empty */
	const char   *headers[FOLLOW_HEADERS_MAX]; /* "Name: value" of each request; NULL ones are skipped */
};

struct follow_source follow_http_source(struct follow_http *http);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting — delta answers that wait for a change.  Private to the graph module.
 *
 * `Prefer: wait=N` holds the answer to a deltaLink with nothing new.  `Accept: text/event-stream` makes of the answer a
 * stream of pages: one event for each, its id is the page's link.  Whenever something may have changed, the whole
 * request is made again from its bearer token on, from where the last page ended.  So a reader who waits is checked as
 * one who polls, and between two pages the server keeps the request and a token.
 */
#pragma once

#include "graph/cursor_token.h"

/* Before the token and the feed are read. */
void waiting_begin(struct call *call);
/*
 * Prefer: tidemark.max-age.  The call pauses until the followed scope has a round that ended at most so long ago, or
 * until it has waited long enough; then it is answered with what there is.
 */
enum err waiting_freshen(struct call *call) MUST_CHECK;
/*
 * The page is in the body, with so many items and this link.  OK: it is the answer, or a part of a stream.  Else the
 * call pauses until something changes, or its bearer token has expired.
 */
enum err waiting_end(struct call *call, const struct reader *reader, const struct cursor *rest, struct str link,
                     uint32_t count) MUST_CHECK;
/* The error in the response ends a stream that has begun: makes an event of it. */
void waiting_put_error(struct call *call);

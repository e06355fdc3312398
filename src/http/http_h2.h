/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_h2 — HTTP/2 on one connection (RFC 9113), by libnghttp2.  Private to the http module.
 *
 * Many exchanges share the connection; each is answered as one of HTTP/1.1 is: a request's fields are written
 * as an HTTP/1.1 head and judged by that parser, so both protocols take and refuse the same things, and the
 * application sees no difference.  Everything but an exchange that a worker has belongs to the loop's thread.
 *
 * A peer pays for frames that cost us work and bring nothing (resets, pings, settings, empty pieces) from a token
 * bucket that time and useful bytes refill; when it is empty the connection ends with ENHANCE_YOUR_CALM.  Streams that
 * we have to reset for the peer's faults are paid from it, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct http_exchange;
struct http_h2;
struct http_peer;
struct http_pending;

#define HTTP_H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* A connection in the clear that begins like this may be one of HTTP/2, or, from the preface's length on, is one. */
bool http_h2_may_begin(struct str bytes);

struct http_h2 *http_h2_open(struct http_peer *peer);
/* No worker may have an exchange of it. */
void http_h2_close(struct http_h2 **h2);

/* Bytes that have come. False: the connection cannot go on. */
bool http_h2_take(struct http_h2 *h2, struct str bytes);
/* What is to be sent now, at most some ten KiB at a time; empty when there is nothing. */
struct str http_h2_give(struct http_h2 *h2);
void       http_h2_given(struct http_h2 *h2, size_t len); /* so much of it is out */

/* It has said its last word: when that is out the connection ends. */
bool     http_h2_is_over(const struct http_h2 *h2);
unsigned http_h2_working(const struct http_h2 *h2); /* exchanges that workers have */
/* A worker has answered. */
void http_h2_answered(struct http_exchange *exchange);
/* The worker took something of its body: the peer may send so much more. */
void http_h2_pulled(struct http_pending *pending);
/* The socket is gone: workers that wait for a body wait no longer, and answers are thrown away. */
void http_h2_break(struct http_h2 *h2);
/* Takes no new stream, ends when the present ones have. */
void http_h2_drain(struct http_h2 *h2);

/* The next moment something is overdue, as http_wheel.h counts; HTTP_WHEEL_NEVER when only workers are waited for. */
int64_t http_h2_deadline(const struct http_h2 *h2);
/* Something is overdue. False: the connection is to be closed at once. */
bool http_h2_timeout(struct http_h2 *h2);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_h2 — HTTP/2 on one connection (RFC 9113), by libnghttp2.  Private to the http module.
 *
 * Many exchanges share the connection.  Each is answered like one of HTTP/1.1: a request's fields are written
 * as an HTTP/1.1 head and checked by that parser.  So both protocols accept and refuse the same things, and the
 * application sees no difference.  Everything except an exchange that a worker has belongs to the loop's thread.
 *
 * Frames that cost us work and bring nothing (resets, pings, settings, empty pieces) take tokens from a bucket,
 * which time and useful bytes refill.  When it is empty the connection ends with ENHANCE_YOUR_CALM.  Streams that
 * we reset for the peer's faults take tokens, too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct http_exchange;
struct http_h2;
struct http_peer;

#define HTTP_H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* A connection without TLS that begins like this may be HTTP/2; when the whole preface has arrived, it is. */
bool http_h2_may_begin(struct str bytes);

struct http_h2 *http_h2_open(struct http_peer *peer);
/* No worker may have an exchange of it. */
void http_h2_close(struct http_h2 **h2);

/* Bytes that have come. False: the connection cannot go on. */
bool http_h2_take(struct http_h2 *h2, struct str bytes);
/* What is to be sent now, at most some ten KiB at a time; empty when there is nothing. */
struct str http_h2_give(struct http_h2 *h2);
void       http_h2_given(struct http_h2 *h2, size_t len); /* so much of it is out */

/* It has sent GOAWAY: when that is written the connection ends. */
bool http_h2_is_over(const struct http_h2 *h2);
/* A worker has answered, or used up a piece of a body. */
void http_h2_answered(struct http_exchange *exchange);
/* It waited, and is to be called again. */
void http_h2_resume(struct http_exchange *exchange);
/* Nobody reads its answers any more.  True: workers have exchanges of it, which come back first. */
bool http_h2_leave(struct http_h2 *h2);
/* Takes no new stream, ends when the present ones have. */
void http_h2_drain(struct http_h2 *h2);

/* The next deadline, as http_wheel.h counts; HTTP_WHEEL_NEVER when only workers are waited for. */
int64_t http_h2_deadline(const struct http_h2 *h2);
/* A deadline has passed. False: close the connection at once. */
bool http_h2_timeout(struct http_h2 *h2);

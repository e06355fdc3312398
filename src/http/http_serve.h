/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_serve — what the server does with a request, for both protocols: plan, collect the body, answer, queue, refuse.
 *
 * A connection of HTTP/1.1 and a stream of HTTP/2 call it on the loop's thread, when their protocol has read enough,
 * and send the answer in the exchange.
 */
#pragma once

#include "http/http_exchange.h"
#include "http/http_held.h"

enum http_next {
	HTTP_NEXT_ANSWER, /* http_serve_answer() */
	HTTP_NEXT_BODY,   /* http_serve_body() until it is whole, then http_serve_answer() */
	HTTP_NEXT_STREAM, /* http_serve_answer(): it comes back for each piece of the body */
	HTTP_NEXT_SEND,   /* the answer is in the exchange: http_serve_ready(), then send it */
	HTTP_NEXT_PARK,   /* it waits for a change: http_serve_park() */
	HTTP_NEXT_WAIT    /* a worker has the exchange */
};

/* Takes a head that is whole or refused, as far as it was parsed; bytes: the head. */
void http_serve_head(struct http_exchange *exchange, struct str bytes);
/* The head is whole.  more: bytes of a body follow, as far as the protocol knows.  SEND: it is refused. */
enum http_next http_serve_plan(struct http_exchange *exchange, bool more);
/*
 * Takes the body's bytes from the front of *rest. The exchange then holds `base` bytes and the body. HTTP_WHOLE:
 * *rest begins after the body, or after a piece of it. HTTP_REFUSED: the error is in the exchange.
 */
enum http_step http_serve_body(struct http_exchange *exchange, struct str *rest, size_t base);
int64_t        http_serve_body_deadline(const struct http_exchange *exchange);
/* It came back with HTTP_MORE_BODY: the piece is used up.  ANSWER: there is no more for it, else BODY. */
enum http_next http_serve_more(struct http_exchange *exchange);
/* No more of the body comes.  SEND: it is refused.  ANSWER: the answer was begun, and is told. */
enum http_next http_serve_cut(struct http_exchange *exchange, unsigned status, const char *reason);
/* SEND, PARK or WAIT; *exchange is NULL after WAIT.  A limit is SEND, too: 503, or 429 if it is the caller's. */
enum http_next http_serve_answer(struct http_exchange **exchange);
/* An answer was made.  PARK: it waits.  SEND: it is done, or a part of a stream, which is parked when that is sent. */
enum http_next http_serve_after(struct http_exchange *exchange);
/* It waits, and holds `base` bytes and its request.  The other one is for when it has waited. */
void http_serve_park(struct http_exchange *exchange, size_t base);
void http_serve_resume(struct http_exchange *exchange);

/* The answer becomes a refusal that the server itself decided on; an empty one if that cannot be sent either. */
void http_serve_refuse(struct http_exchange *exchange, unsigned status, const char *reason);
/*
 * The answer is made: what was needed to make it is given back, and what is left is counted, `base` bytes more than its
 * body.  An answer that is too large for the account becomes a 503, one that cannot be sent a 500.
 */
void http_serve_ready(struct http_exchange *exchange, size_t base);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_held — counts the memory that requests hold, before it is taken.  Private to the http module.
 *
 * An exchange reports what it holds: its body as it arrives, its answer until it is taken.  A connection adds this up
 * without a lock.  What is more than HTTP_HELD_FREE it borrows from the account of all peers (http_peers.h), in
 * steps, so
 * a small request with a small answer costs an addition.  What an answer takes while it is made (http_req_hold()) is
 * borrowed directly, by the thread that makes it.
 */
#pragma once

#include "http/http_exchange.h"
#include "http/http_peers.h"

/* What a stream of HTTP/2 costs with a small request and a small answer: the exchange, its arena, its buffers. */
#define HTTP_HELD_STREAM ((size_t)16 * 1024)
/* A small answer is always sent. */
#define HTTP_HELD_SMALL ((size_t)4 * 1024)
/* Free for each connection without borrowing, so a poll is answered whatever others hold. */
#define HTTP_HELD_FREE (HTTP_HELD_STREAM + HTTP_HELD_SMALL)

/* The reason of a 503. */
extern const char http_held_too_much[];

static inline enum http_share
http_held_share(const struct http_plan *plan)
{
	return plan->unknown ? HTTP_SHARE_HALF : HTTP_SHARE_WHOLE;
}

/* From now on the exchange holds so many bytes.  False: that is too much, and it counts what it did. */
bool http_held_set(struct http_exchange *exchange, size_t bytes, enum http_share share) MUST_CHECK;
/* It holds nothing any more. */
void http_held_end(struct http_exchange *exchange);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_body — a request's body as it comes, of both protocols.
 *
 * A body is collected by the loop (http_serve_body()), or read piece by piece by the worker that has the exchange
 * (http_req_read()): from the connection's wire with HTTP/1.1, from a pipe that the loop fills with HTTP/2.
 */
#pragma once

#include "http/http_parse.h"

/* Its end is said by frames, not by a length. */
#define HTTP_BODY_FRAMED UINT64_MAX

struct http_body {
	struct buf          bytes;   /* collected, or read and not yet handed out; its limit is the body's */
	uint64_t            left;    /* to come, unless it comes in chunks */
	uint64_t            arrived; /* bytes on the wire */
	int64_t             from_ms;
	struct http_chunked chunked;
	enum err            err;   /* of a body that a worker reads: sticky */
	bool                begun; /* … the first piece was asked for */
	bool                over;  /* … it is whole, and nothing behind it was touched */
};

/* The body must be there by then: bytes that have arrived earn time. */
static inline int64_t
http_body_deadline(const struct http_limits *limits, int64_t from_ms, uint64_t arrived)
{
	return from_ms + limits->body_ms + (int64_t)(arrived / 1024) * 1000;
}

/* So long a worker waits for more.  However much has arrived, no silence lasts longer than idle_ms. */
static inline int64_t
http_body_wait_ms(const struct http_limits *limits, int64_t from_ms, uint64_t arrived, int64_t now_ms)
{
	int64_t left_ms = http_body_deadline(limits, from_ms, arrived) - now_ms;

	return left_ms < limits->idle_ms ? left_ms : limits->idle_ms;
}

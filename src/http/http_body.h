/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_body — a request's body as it arrives, for both protocols.
 *
 * The loop collects a body (http_serve_body()), or the worker that has the exchange reads it in parts
 * (http_req_read()): from the connection's wire with HTTP/1.1, from a pipe that the loop fills with HTTP/2.
 */
#pragma once

#include "http/http_parse.h"

/* Frames mark its end, not a length. */
#define HTTP_BODY_FRAMED UINT64_MAX

struct http_body {
	struct buf          bytes;   /* collected, or read and not yet returned; its limit is the body's */
	uint64_t            left;    /* to come, unless it comes in chunks */
	uint64_t            arrived; /* bytes on the wire */
	int64_t             from_ms;
	struct http_chunked chunked;
	enum err            err;   /* of a body that a worker reads: sticky */
	bool                begun; /* … the first piece was asked for */
	bool                over;  /* … it is whole, and nothing behind it was touched */
};

/* The body must be complete by then. Bytes that have arrived extend it. */
static inline int64_t
http_body_deadline(const struct http_limits *limits, int64_t from_ms, uint64_t arrived)
{
	return from_ms + limits->body_ms + (int64_t)(arrived / 1024) * 1000;
}

/* How long a worker waits for more. However much has arrived, it waits at most idle_ms for the next bytes. */
static inline int64_t
http_body_wait_ms(const struct http_limits *limits, int64_t from_ms, uint64_t arrived, int64_t now_ms)
{
	int64_t left_ms = http_body_deadline(limits, from_ms, arrived) - now_ms;

	return left_ms < limits->idle_ms ? left_ms : limits->idle_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pipe — a streamed body of HTTP/2 on its way from the loop, which reads the socket, to the worker that wants it.
 * Private to the http module.
 *
 * It holds no more than the stream's window: the peer may send again what the worker has taken.  One end belongs to
 * the loop, the other to the worker; both ends may be used at once.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

/* How much a peer may send that the worker has not taken. */
#define HTTP_PIPE_WINDOW ((size_t)512 * 1024)

struct http_pipe;
struct http_limits;

struct http_pipe *http_pipe_open(const struct http_limits *limits, const struct clock *clock, size_t body_max);
void              http_pipe_close(struct http_pipe **pipe); /* NULL inside is fine */

/* By the loop. */
void   http_pipe_put(struct http_pipe *pipe, struct str bytes);
void   http_pipe_end(struct http_pipe *pipe, enum err err); /* the body is over; OK: it is whole */
size_t http_pipe_credit(struct http_pipe *pipe);            /* bytes taken since this was last asked */

/* By the worker; as http_req_read(). Waits with the deadlines of any other body. */
enum err http_pipe_read(struct http_pipe *pipe, void *bytes, size_t size, size_t *len_out) MUST_CHECK;

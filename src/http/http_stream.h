/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_stream — a request's body that a worker reads itself, piece by piece.  Private to the http room.
 *
 * While a worker has the exchange it also has the socket's reading side, the input buffer, the TLS link and what the
 * connection counts of the body; the loop does not touch them until the exchange comes back.
 */
#pragma once

#include "base/err.h"

struct http_conn;

struct http_stream {
	enum err err;                    /* sticky */
	bool     begun;                  /* the first piece was asked for */
	bool     over;                   /* the body is whole, and nothing behind it was touched */
};

/* By the loop, before the exchange goes to a worker, and after it came back. */
void http_stream_open(struct http_conn *conn);
void http_stream_close(struct http_conn *conn);

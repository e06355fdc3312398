/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange — one request and its response, and the arena they live in.
 *
 * It knows nothing of sockets, so a connection may carry several at a time, and a worker
 * that answers one touches nothing else.  It belongs to one thread at a time: to its loop, or
 * from http_workers_put() until http_loop_give_back() to the workers.
 */
#pragma once

#include "http/http.h"
#include "http/http_parse.h"
#include "http/http_pipe.h"

#define HTTP_RESP_FIELDS_MAX ((size_t)64 * 1024)
#define HTTP_FRONT_MAX       256
#define HTTP_DATE_LEN        29
/* What the application may take from a request's arena beside the longest response. */
#define HTTP_ARENA_EXTRA     ((size_t)192 << 20)
/* Buffers grown past this are given back when the exchange rests. */
#define HTTP_KEEP_MAX        ((size_t)16 * 1024)

struct http_conn;
struct http_h2_stream;

struct http_resp {
	unsigned   status;
	bool       broken;               /* a field was not fit to be sent */
	struct buf fields;               /* "Name: value" lines */
	struct buf body;
	bool       has_file;             /* then it is the body */
	int        file_fd;
	uint64_t   file_from, file_left;
};

struct http_exchange {
	struct http_req       req;
	struct http_resp      resp;
	struct http_plan      plan;
	struct http_head      head;
	struct http_field    *fields;    /* fields_max of them; what req.fields points to */
	struct arena         *arena;
	struct buf            body;      /* of the request */
	struct http_conn     *conn;
	size_t                held;      /* bytes counted for it (http_held.h) */
	size_t                promised;  /* bytes its answer asked for with http_req_hold() */
	struct http_h2_stream *h2_stream;        /* which carries it; NULL: HTTP/1.1 */
	struct http_pipe      *pipe;             /* of a body streamed over HTTP/2; NULL: none */
	struct http_exchange  *next_pulled;
	bool                   pulled;           /* stands in its loop's list of those that took something */
	struct http_exchange *next;      /* in a free list, a queue, or what came back to the loop */

	/* The response as it is sent: front, fields, body. */
	bool   bodiless;
	size_t front_len;
	char   front[HTTP_FRONT_MAX];
};

struct http_exchange *http_exchange_open(const struct http_limits *limits);
void                  http_exchange_reset(struct http_exchange *exchange);
void                  http_exchange_close(struct http_exchange **exchange);

/* The answer is made: gives back what only its making needed.  What the request said is gone. */
void                  http_exchange_rest(struct http_exchange *exchange);

/* Copies what was understood of the head into the arena and makes req's views of it. */
void http_exchange_take_head(struct http_exchange *exchange, struct str bytes);

/* Status line and the server's own fields; then the response is parts to write. */
void   http_exchange_seal(struct http_exchange *exchange, const char date[HTTP_DATE_LEN], bool close);
size_t http_exchange_len(const struct http_exchange *exchange);
/* A file's bytes are to follow those. */
bool http_exchange_has_file(const struct http_exchange *exchange);
/* What is left of the sealed response behind its first `sent` bytes; the number of parts. */
unsigned http_exchange_parts(const struct http_exchange *exchange, size_t sent, struct str parts_out[3]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_exchange — one request and its response, and the arena they live in.
 *
 * It knows nothing of sockets, so a connection may have several at a time, and a worker
 * that answers one touches nothing else.
 *
 * One thread at a time uses an exchange: the one that has the pointer.  The loop keeps it in its connection or stream.
 * http_shared_put() takes it out of there (the loop's pointer is NULL from then on), and http_thread_give_back() brings
 * it back.  What the loop needs in between is in struct http_pending, which stays with the loop.
 */
#pragma once

#include <stdatomic.h>

#include "http/http.h"
#include "http/http_body.h"
#include "http/http_listen.h"
#include "http/http_pipe.h"

#define HTTP_RESP_FIELDS_MAX ((size_t)64 * 1024)
#define HTTP_FRONT_MAX       256
#define HTTP_DATE_LEN        29
/* What the application may take from a request's arena beside the longest response. */
#define HTTP_ARENA_EXTRA ((size_t)192 << 20)
/* Buffers larger than this are freed when the exchange is put back. */
#define HTTP_KEEP_MAX ((size_t)16 * 1024)

struct http_thread;
struct http_wire;

struct http_resp {
	unsigned   status;
	bool       broken; /* a field had bytes that cannot be sent */
	struct buf fields; /* "Name: value" lines */
	struct buf body;
	bool       has_file; /* then it is the body */
	int        file_fd;
	uint64_t   file_from, file_left;
};

/* Who is at the other end of a connection, and what is held for them.  Part of the connection; its loop thread's. */
struct http_peer {
	struct http_thread  *thread;
	struct http_peer_key key;
	char                 address[HTTP_PEER_MAX];
	bool                 tls;
	size_t held, lent; /* bytes its exchanges hold; how much of it the account of all peers has lent */
};

enum http_presence {
	HTTP_WAITS,    /* for its answer */
	HTTP_DOUBTFUL, /* it sends no more, and the server drains: no further answer is begun */
	HTTP_LEFT      /* nobody will read an answer: none is begun */
};

/*
 * An exchange that another thread has, as its loop knows it, and all that the two share.  It is part of the connection
 * (HTTP/1.1) or the stream (HTTP/2), which are not closed before the exchange has come back.
 */
struct http_pending {
	struct http_peer    *peer;
	struct http_pipe    *pipe;        /* of a body streamed over HTTP/2; NULL: none.  Has a lock of its own */
	struct http_wire    *wire;        /* HTTP/1.1: where a streamed body comes from; the worker uses it meanwhile */
	struct buf          *in;          /* … and the bytes of it that the loop has read already */
	atomic_int           presence;    /* enum http_presence; set by the loop */
	bool                 pulled;      /* under the thread's lock: it is in the list of those that took something */
	struct http_pending *next_pulled; /* under the thread's lock */
};

struct http_exchange {
	struct http_req       req;
	struct http_resp      resp;
	struct http_plan      plan;
	struct http_head      head;
	struct http_field    *fields; /* fields_max of them; what req.fields points to */
	struct arena         *arena;
	struct http_body      body;     /* of the request */
	size_t                held;     /* bytes counted for it (http_held.h) */
	size_t                promised; /* bytes its answer asked for with http_req_hold() */
	struct http_exchange *next;     /* in a free list, a queue, or what came back to the loop */

	/* The response as it is sent: front, fields, body. */
	bool   bodiless;
	size_t front_len;
	char   front[HTTP_FRONT_MAX];
};

struct http_exchange *http_exchange_open(const struct http_limits *limits);
void                  http_exchange_reset(struct http_exchange *exchange);
void                  http_exchange_close(struct http_exchange **exchange);

/* True when nobody would read its answer; for the threads that take it from a queue. */
bool http_exchange_is_left(const struct http_exchange *exchange);
/* The answer is made: frees what only its making needed. The request is no longer readable. */
void http_exchange_rest(struct http_exchange *exchange);

/* Copies the parsed head into the arena and sets the views of req. */
void http_exchange_take_head(struct http_exchange *exchange, struct str bytes);

/* The response has a Content-Length; bytes of a body follow its head. */
bool http_exchange_has_length(const struct http_exchange *exchange);
bool http_exchange_has_bytes(const struct http_exchange *exchange);

/* Status line and the server's own fields; then the response is parts to write. */
void http_exchange_seal(struct http_exchange *exchange, const char date[HTTP_DATE_LEN], bool close);
/* The same for the interim response "100 Continue", which stands alone. */
void   http_exchange_continue(struct http_exchange *exchange);
size_t http_exchange_len(const struct http_exchange *exchange);
/* A part of a file follows those. */
bool http_exchange_has_file(const struct http_exchange *exchange);
void http_exchange_sent_file(struct http_exchange *exchange, size_t len); /* so many of them are out */
/* What is left of the sealed response after its first `sent` bytes; returns the number of parts. */
unsigned http_exchange_parts(const struct http_exchange *exchange, size_t sent, struct str parts_out[3]);

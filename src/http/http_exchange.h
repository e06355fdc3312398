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
#include "http/http_listen.h"
#include "http/http_parse.h"
#include "http/http_wheel.h"

/*
 * http_body — a request's body as it arrives, for both protocols. The loop collects it (http_serve_body()): whole, or
 * in pieces for a worker that has used the one before. A body that waits for bytes occupies no worker.
 */
/* Frames mark its end, not a length. */
#define HTTP_BODY_FRAMED UINT64_MAX
/* A worker gets a piece when so much has come, or the rest. */
#define HTTP_BODY_PIECE ((size_t)64 * 1024)

struct http_body {
	struct buf          bytes;   /* collected, or the piece; its limit is what the body may still bring */
	uint64_t            left;    /* to come, unless it comes in chunks */
	uint64_t            arrived; /* bytes on the wire */
	int64_t             from_ms; /* when it began; the time that pieces are with a worker is added */
	int64_t             last_ms; /* when bytes of it last arrived, or were asked for */
	int64_t             given_ms;
	struct http_chunked chunked;
};

#define HTTP_RESP_FIELDS_MAX ((size_t)64 * 1024)
#define HTTP_FRONT_MAX       256
#define HTTP_DATE_LEN        29
/* What the application may take from a request's arena beside the longest response. */
#define HTTP_ARENA_EXTRA ((size_t)192 << 20)
/* Buffers larger than this are freed when the exchange is put back. */
#define HTTP_KEEP_MAX ((size_t)16 * 1024)

struct http_line;
struct http_thread;

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

/*
 * An exchange that another thread has, as its loop knows it, and all that the two share.  It is part of the connection
 * (HTTP/1.1) or the stream (HTTP/2), which are not closed before the exchange has come back.
 */
struct http_pending {
	struct http_peer *peer;
	atomic_bool       left; /* nobody will read the answer; set by the loop */
};

/* Of an exchange whose answer waits (http_wait.h). */
struct http_waiter {
	struct http_link     link; /* among those that wait for a topic, or those to be called now */
	struct http_timer    timer;
	bool                 counted; /* in the limits, under this caller */
	struct http_peer_key caller;
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
	struct http_work      work;
	struct http_waiter    waiter;
	struct str            head_bytes; /* in the arena: what the views of req are made from */
	enum http_verdict     verdict;    /* of the last slice */
	struct http_line     *line;       /* it is counted in a queue (http_queue.h) until it is DONE; NULL: not */
	struct http_exchange *next;       /* in a free list, a queue, or what came back to the loop */

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
/* The answer is made: frees what only its making needed. Only of an answer that waits the request stays readable. */
void http_exchange_rest(struct http_exchange *exchange);

/* Copies the parsed head into the arena and sets the views of req. */
void http_exchange_take_head(struct http_exchange *exchange, struct str bytes);

/* The response has a Content-Length; bytes of a body follow its head. */
bool http_exchange_has_length(const struct http_exchange *exchange);
bool http_exchange_has_bytes(const struct http_exchange *exchange);

/* Status line and the server's own fields; then the response is parts to write. Of a stream that has begun: a piece. */
void http_exchange_seal(struct http_exchange *exchange, const char date[HTTP_DATE_LEN], bool close);
/* The same for the interim response "100 Continue", which stands alone. */
void   http_exchange_continue(struct http_exchange *exchange);
size_t http_exchange_len(const struct http_exchange *exchange);
/* A part of a file follows those. */
bool http_exchange_has_file(const struct http_exchange *exchange);
void http_exchange_sent_file(struct http_exchange *exchange, size_t len); /* so many of them are out */
/* What is left of the sealed response after its first `sent` bytes; returns the number of parts. */
unsigned http_exchange_parts(const struct http_exchange *exchange, size_t sent, struct str parts_out[3]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_h2_stream — one request and its answer on an HTTP/2 connection.  Private to the http module;
 * shared by http_h2.c, which has the frames, and http_h2_stream.c, which has the exchanges.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/http_h2.h"
#include "http/http_serve.h"
#include "http/http_thread.h"

/* How much a peer may send of a streamed body that no worker has used. */
#define HTTP_H2_WINDOW ((size_t)512 * 1024)

enum stream_state {
	STREAM_HEAD,     /* its fields come */
	STREAM_BODY,     /* the head is accepted, the body comes */
	STREAM_WAITING,  /* the request is whole; its answer waits until the peer has taken more bytes of others */
	STREAM_WORKING,  /* a worker has the exchange */
	STREAM_PARKED,   /* the answer waits for a change */
	STREAM_SENDING,  /* the response is nghttp2's to send */
	STREAM_LINGERING /* answered before its end: for a moment the rest is dropped */
};

struct http_h2_stream {
	struct http_link      listed;
	struct http_h2       *h2;
	struct http_exchange *exchange; /* NULL while WORKING */
	struct http_pending   pending;  /* the part of it that stays here while WORKING */
	int32_t               id;
	enum stream_state     state;
	bool                  ended;     /* the peer sends no more on it */
	bool                  dead;      /* closed while a worker had its exchange */
	bool                  streamed;  /* a worker takes its body in pieces */
	bool                  malformed; /* something in it cannot be written as a head */
	bool                  starved;   /* there is no room for its fields: 503 */
	struct buf            early;     /* of a streamed body: what came while a worker had the exchange */
	struct str            method, path, authority;
	struct buf            fields;   /* "name: value" lines */
	size_t                list_len; /* as RFC 9113 counts a field list */
	unsigned              field_count;
	size_t                sent; /* of the response's body */
	int64_t               linger_until_ms;
};

struct http_h2 {
	struct http_peer *peer;
	nghttp2_session  *session;
	struct http_link  streams;
	unsigned          stream_count, working, sending, waiting, parked;
	size_t            answers; /* bytes of the answers that are being sent */
	struct buf        out;     /* frames not yet written */
	int64_t           bucket;  /* thousandths of a token */
	int64_t           bucket_ms;
	bool              flooded, draining, broken;
	bool              gone;    /* the socket is: the session is not used any more */
	int32_t           head_id; /* the stream whose field list is incomplete; 0: none is */
	int64_t           head_from_ms;
	int64_t           out_ms;      /* when bytes of `out` were last sent, or began to wait */
	int64_t           progress_ms; /* when the peer last took bytes of an answer, or could begin to */
	int64_t           idle_from_ms;
};

static inline const struct http_limits *
http_h2_limits(const struct http_h2 *h2)
{
	return &h2->peer->thread->shared->limits;
}

static inline int64_t
http_h2_now(const struct http_h2 *h2)
{
	return h2->peer->thread->now_ms;
}

struct http_h2_stream *http_h2_stream_open(struct http_h2 *h2, int32_t id);
void                   http_h2_stream_close(struct http_h2_stream *stream);
void                   http_h2_reset(struct http_h2 *h2, int32_t id, uint32_t code);

/* The request, as it arrives. */
void http_h2_take_field(struct http_h2_stream *stream, struct str name, struct str value);
void http_h2_head_is_whole(struct http_h2_stream *stream);
void http_h2_take_body(struct http_h2_stream *stream, struct str bytes);
void http_h2_body_is_whole(struct http_h2_stream *stream);
/* A worker takes its body in pieces, and it has not come whole. */
bool http_h2_is_streamed(const struct http_h2_stream *stream);
/* The worker has used up a piece. */
void http_h2_next_piece(struct http_h2_stream *stream);
/* Nobody waits for its answer.  True: a worker has its exchange, now or again. */
bool http_h2_stream_leave(struct http_h2_stream *stream);
/* No more of its body comes. */
void http_h2_cut_body(struct http_h2_stream *stream, unsigned status, const char *reason);

/* Begins waiting answers, as far as the limit allows. */
void http_h2_begin_waiting(struct http_h2 *h2);

/* The response in the exchange is what is to be sent. */
void http_h2_respond(struct http_h2_stream *stream);
/* An answer was made: it is sent, or waits. */
void http_h2_go_on(struct http_h2_stream *stream, enum http_next next);
/* Makes the answer, as soon as the peer has taken enough of others. */
void http_h2_answer(struct http_h2_stream *stream);
void http_h2_refuse(struct http_h2_stream *stream, unsigned status, const char *reason);

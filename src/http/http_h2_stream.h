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

enum stream_state {
	STREAM_HEAD,     /* its fields come */
	STREAM_BODY,     /* the head is accepted, the body comes */
	STREAM_WAITING,  /* the request is whole; its answer waits until the peer has taken more bytes of others */
	STREAM_WORKING,  /* a worker has the exchange */
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
	bool                  ended;         /* the peer sends no more on it */
	bool                  dead;          /* closed while a worker had its exchange */
	bool                  owes_continue; /* send 100 when a worker wants the streamed body */
	bool                  malformed;     /* something in it cannot be written as a head */
	bool                  starved;       /* there is no room for its fields: 503 */
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
	unsigned          stream_count, working, sending, waiting;
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
/* A worker reads its body from a pipe. */
bool http_h2_is_streamed(const struct http_h2_stream *stream);
/* Nobody waits for the worker's answer; `why` is the error for a worker that reads the body. */
void http_h2_stream_leave(struct http_h2_stream *stream, enum err why);
void http_h2_put_continue(struct http_h2_stream *stream);

/* Begins waiting answers, as far as the limit allows. */
void http_h2_begin_waiting(struct http_h2 *h2);

/* The response in the exchange is what is to be sent. */
void http_h2_respond(struct http_h2_stream *stream);
void http_h2_refuse(struct http_h2_stream *stream, unsigned status, const char *reason);

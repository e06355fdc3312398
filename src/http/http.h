/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http — HTTP in, HTTP out, nothing about what is served (RFC 9110, 9112).
 *
 * A few loop threads wait on sockets (epoll), read and parse requests, and write responses;
 * an idle connection costs its descriptor and a small struct, no thread and no buffer.  When a
 * request's head is complete the application plans: how much body it accepts, and whether the
 * answer may block.  An answer that does not block runs on the loop thread itself; one that may
 * (a write waiting for its sync) runs on a worker thread, so an answer function reads straight
 * down and never calls back.  An answer on a loop thread that finds it must block after all says
 * HTTP_BLOCKS and is called again on a worker.
 *
 * The parser is strict: what is ambiguous is refused and the connection closed, never repaired.
 * Every wait has an absolute deadline.  A response is whole before its first byte is sent, so its
 * status may change until the answer function returns; there is never half a page under a 200.
 *
 * Everything in a request lives in its arena, which is reset when the response has been sent.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_field {
	struct str name;
	struct str value; /* blanks at the ends removed */
};

struct http_req {
	enum http_method         method;
	struct str               method_text;
	struct str               path;      /* as sent, before the '?': still percent-encoded, starts with '/' */
	struct str               query;     /* as sent, after the '?' */
	struct str               authority; /* the Host it came to */
	struct str               peer;      /* address, for the log; empty on a Unix socket */
	struct str               body;      /* whole; empty while planning */
	const struct http_field *fields;
	size_t                   field_count;
	bool                     tls;
	bool                     may_block;      /* on a worker thread */
	void                    *group;          /* the group this answer is made in; NULL: none */
	uint64_t                 body_announced; /* Content-Length; 0 if there is none */
	bool                     streamed;       /* the body is on its way: http_req_read() */
	struct http_pending     *pending;        /* the server's own; NULL: no server has read this request */
	struct arena            *arena;
	struct http_exchange    *exchange; /* for http_req_hold(); NULL: no connection carries it */
};

/* The value of the only field of that name (any case); empty view with at == NULL if there is none. */
struct str http_req_field(const struct http_req *req, const char *name);
/* The n-th field of that name, for those that may be repeated (Prefer, Accept). False when there is none. */
bool http_req_field_at(const struct http_req *req, const char *name, size_t n, struct str *value_out);

/*
 * The next bytes of a streamed body (http_plan.stream), at least one unless the body is over; waits for them, so only
 * on a worker.  "100 Continue" goes out with the first call, so an answer that refuses before has not asked for the
 * body.  Sticky: after a failure the same comes again, and the connection ends with the answer.
 * ERR_BAD_REQUEST malformed, or the peer stopped in the middle · ERR_TOO_LARGE over body_max · ERR_BUSY too slow · ERR_IO.
 */
enum err http_req_read(const struct http_req *req, void *bytes, size_t size, size_t *len_out) MUST_CHECK;

/*
 * Nobody waits for the answer any more: the client has left, or a drain has passed its time.  An answer made in several
 * steps asks between them and stops.  Cheap; on any thread.
 */
bool http_req_is_abandoned(const struct http_req *req);

/*
 * By an answer that takes much memory while it is made, before it takes it: so many bytes more.  False: it would be too
 * much for this peer or for all, so say 503.  What is not released counts until the answer is made.  An answer for which as
 * much is held as its body is long is never replaced by a 503: so hold before you change what cannot be changed back.
 */
bool http_req_hold(const struct http_req *req, size_t bytes) MUST_CHECK;
void http_req_release(const struct http_req *req, size_t bytes);

struct http_resp;

void     http_resp_status(struct http_resp *resp, unsigned status);
unsigned http_resp_get_status(const struct http_resp *resp);
/* Added to what is there; name and value are copied.  Content-Length, Date, Connection are the server's business. */
void        http_resp_field(struct http_resp *resp, const char *name, struct str value);
struct buf *http_resp_body(struct http_resp *resp); /* empty at first; limit: conf.response_max */
/* Whole lines, each with its end, that are written out in the program: they are added as they stand. */
void http_resp_constant_fields(struct http_resp *resp, struct str lines);
/*
 * The body is a stretch of a file, sent by the kernel where it can; the descriptor is the response's from here on.
 * The stretch must be there: a file that ends early ends the connection.
 */
void http_resp_file(struct http_resp *resp, int fd, uint64_t from, uint64_t len);
/* Back to status 200, no fields, no body: to replace an unfinished answer by an error. */
void http_resp_clear(struct http_resp *resp);
/* The value of the first field of that name (any case) added so far; at == NULL if there is none. */
struct str http_resp_get_field(const struct http_resp *resp, const char *name);

/* A response that no connection sends, for an answer that is made of others. */
struct http_resp *http_resp_open(size_t body_max);
void              http_resp_close(struct http_resp **resp);
/* False: it cannot be sent (too large, a broken field). */
bool http_resp_is_good(const struct http_resp *resp);
/* Takes the next field off *rest, which starts as http_resp_fields(). False at the end. */
struct str http_resp_fields(const struct http_resp *resp);
bool       http_resp_take_field(struct str *rest, struct http_field *field_out);

struct http_plan {
	size_t body_max; /* bytes of body accepted; more is 413. 0: a body is refused (400) */
	bool   unknown;  /* who asks is not known: the body must be there in head_ms */
	bool   blocks;   /* the answer may block: run it on a worker */
	bool   stream;   /* the answer reads the body itself, piece by piece; then it blocks, too */
	bool   early;    /* the answer is known without the body, which is not read: the connection ends */
	bool   grouped;  /* the answer waits for what others wait for, too: make it in a group (http_app) */
};

enum http_verdict { HTTP_DONE, HTTP_BLOCKS };

/* What is served.  Called from many threads at once. */
struct http_app {
	void *ctx;
	void (*plan)(void *ctx, const struct http_req *req, struct http_plan *plan_out);
	enum http_verdict (*answer)(void *ctx, const struct http_req *req, struct http_resp *resp);
	/* The body of a refusal the server itself decided on (status is set); req may have empty parts.
	   Retry-After of a 503 is the server's business. */
	void (*refuse)(void *ctx, const struct http_req *req, unsigned status, const char *reason,
	               struct http_resp *resp);
	/*
	 * Answers of a group are made one after the other by one thread, and none is sent before the group is settled:
	 *
	 *   group_open · answer, for each that waits · group_commit · all are sent · group_close
	 *
	 * So many writes share one sync and no thread is woken in between.  An answer may still change until
	 * group_commit() returns.  NULL, all three: nothing is grouped.
	 */
	void *(*group_open)(void *ctx);
	void (*group_commit)(void *ctx, void *group);
	void (*group_close)(void *ctx, void *group);
};

struct http_limits {                       /* zero takes the default in brackets */
	size_t   head_max;                 /* bytes of request line and fields [16 KiB]: 431 */
	size_t   target_max;               /* [8 KiB]: 414 */
	unsigned fields_max;               /* [64]: 431 */
	unsigned connections_max;          /* [descriptor limit less a reserve] */
	unsigned connections_per_peer_max; /* [4096] */
	unsigned workers_max;              /* [64] threads for answers that block */
	size_t   response_max;             /* [64 MiB] */
	/*
	 * Memory that requests hold: bodies that come, answers not yet taken, what an answer takes while it is made.  503
	 * beyond.  Who is not known may fill half of it.  What a connection costs by itself is not counted: some 20 KiB with
	 * a small request of HTTP/1.1.
	 */
	size_t  held_max;          /* [64 MiB] for all peers */
	size_t  held_per_peer_max; /* [32 MiB] */
	size_t  answers_max;       /* [4 MiB] of answers on an HTTP/2 connection; beyond it the next request waits */
	int64_t head_ms, idle_ms,
		handshake_ms; /* [5 s, 60 s, 5 s] absolute, from first byte / last response / accept */
	int64_t body_ms;      /* [10 s] plus a second per KiB that has arrived */
	int64_t write_ms;     /* [10 s] without progress */
	int64_t drain_ms;     /* [10 s] for requests under way at http_stop() */
};

struct http_conf {
	struct str          listen;    /* "HOST:PORT", "[::1]:PORT"; port 0 takes a free one */
	const char         *unix_path; /* instead of listen: a Unix socket, mode 0600; a dead one there is replaced */
	const char         *tls_cert, *tls_key; /* PEM files; both NULL: plain */
	unsigned            loops;              /* loop threads; 0: one per core, at most 16 */
	struct http_limits  limits;
	const struct clock *clock;
	const struct log   *log; /* may be NULL */
};

struct http_server;

/* ERR_IO (address in use, unreadable certificate, …), ERR_BAD_REQUEST (listen or unix_path is malformed, half of the
   certificate's pair is missing); sentence in why_out. */
enum err   http_open(const struct http_conf *conf, const struct http_app *app, struct http_server **server_out,
                     char why_out[256]) MUST_CHECK;
struct str http_address(const struct http_server *server);  /* "127.0.0.1:8443", the port really taken */
enum err   http_run(struct http_server *server) MUST_CHECK; /* returns when http_stop() was called and all is drained */
void       http_stop(struct http_server *server);           /* safe in a signal handler and from any thread */
void       http_close(struct http_server **server);

struct http_stats {
	uint64_t accepted, refused_connections, open, requests, workers_busy;
	uint64_t by_class[6]; /* responses 1xx..5xx at their index */
	uint64_t timeouts, protocol_errors, bytes_in, bytes_out;
};
void http_get_stats(const struct http_server *server, struct http_stats *stats_out);

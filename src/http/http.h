/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http — an HTTP server that knows nothing about what is served (RFC 9110, 9112).
 *
 * A few loop threads wait on sockets (epoll), read and parse requests, and write responses.
 * An idle connection costs its descriptor and a small struct, but no thread and no buffer.  When the head of a
 * request is complete the application plans it: how much body it accepts, and whether the answer may block.
 * An answer that does not block runs on the loop thread.  One that may block (a write waits for its sync) runs
 * on a worker thread, so an answer function needs no callbacks.  An answer on a loop thread that finds out it
 * must block returns HTTP_BLOCKS and is called again on a worker.  An answer that takes long is made in slices:
 * between two of them the worker is free for other callers.
 *
 * The parser is strict: it refuses what is ambiguous, and the connection is closed.
 * Every wait has an absolute deadline.  A response is complete before its first byte is sent, so its
 * status may change until the answer function returns.  A page is never cut off after a status 200.
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
const char      *http_method_name(enum http_method method); /* "" for HTTP_OTHER */
enum http_method http_method_of(struct str name);           /* in capital letters */

struct http_field {
	struct str name;
	struct str value; /* blanks at the ends removed */
};

/* An answer that waits (HTTP_WAITS): when it is called again. What the application sets stays from call to call. */
struct http_wait {
	uint32_t   topic;      /* when this changes … */
	uint32_t   moment;     /* … and http_topic_moment() gave this before the answer was made */
	uint64_t   generation; /* when http_app.generation() gives another number, within a second */
	int64_t    until_ms;   /* then, by the monotonic clock; 0: at once, when what it has put is sent */
	bool       stream;     /* the body is sent as far as it is made, and what the next calls put follows */
	bool       begun;      /* the server: the head of that stream is sent, so its status and its fields are past */
	bool       over;       /* the server: it is the last call, because the server stops */
	int64_t    end_ms, fresh_ms; /* the application's own */
	struct buf kept;             /* the same */
};

/* Belongs to the request, and is zeroed with it. */
struct http_work {
	void            *state;  /* NULL before the first slice; the application's */
	uint64_t         caller; /* who asks: a limit counts and a queue shares by it; 0: the peer */
	struct http_wait wait;
};

struct http_req {
	enum http_method         method;
	struct str               method_text;
	struct str               path;      /* as sent, before the '?': still percent-encoded, starts with '/' */
	struct str               query;     /* as sent, after the '?' */
	struct str               authority; /* the Host field, or the address of the connection */
	struct str               peer;      /* address, for the log; empty on a Unix socket */
	struct str               network;   /* what limits count it by: 16 bytes of an address or of an IPv6 network */
	struct str               body;      /* whole, or the next piece of a streamed one; empty while planning */
	const struct http_field *fields;
	size_t                   field_count;
	bool                     tls;
	bool                     may_block;      /* on a worker thread */
	void                    *group;          /* the group this answer is made in; NULL: none */
	uint64_t                 body_announced; /* Content-Length; 0 if there is none */
	bool                     streamed;       /* the body comes in pieces (HTTP_MORE_BODY) */
	bool                     body_over;      /* … and this piece is the last */
	enum err                 body_err;       /* … or there will be no more: see enum http_verdict */
	struct http_work        *work;           /* what an answer keeps from slice to slice */
	struct http_pending     *pending;        /* the server's own; NULL: no server has read this request */
	struct arena            *arena;
	struct http_exchange    *exchange; /* for http_req_hold(); NULL: no connection carries it */
};

/* The value of the only field of that name (any case); empty view with at == NULL if there is none. */
struct str http_req_field(const struct http_req *req, const char *name);
/* The n-th field of that name, for those that may be repeated (Prefer, Accept). False when there is none. */
bool http_req_field_at(const struct http_req *req, const char *name, size_t n, struct str *value_out);

/*
 * True when nobody waits for the answer: the client has left, or the time of a drain is over. An answer that is made
 * in slices asks between them and stops. Cheap; on any thread.
 */
bool http_req_is_abandoned(const struct http_req *req);

/*
 * An answer that needs much memory while it is made asks for these bytes before it takes them. False: it would be too
 * much for this peer or for all, so answer 503. What is not released counts until the answer is made. An answer that
 * holds as many bytes as its body is long is never replaced by a 503: so hold before you change anything that cannot
 * be undone.
 */
bool http_req_hold(const struct http_req *req, size_t bytes) MUST_CHECK;
void http_req_release(const struct http_req *req, size_t bytes);
/* How often it has changed; some share a count. */
uint32_t http_topic_moment(const struct http_req *req, uint32_t topic);

struct http_resp;

void     http_resp_status(struct http_resp *resp, unsigned status);
unsigned http_resp_get_status(const struct http_resp *resp);
/* Adds a field; name and value are copied. The server itself adds Content-Length, Date and Connection. */
void        http_resp_field(struct http_resp *resp, const char *name, struct str value);
struct buf *http_resp_body(struct http_resp *resp); /* empty at first; limit: conf.response_max */
/* Adds whole lines, each with its line end, as the program has them. */
void http_resp_constant_fields(struct http_resp *resp, struct str lines);
/*
 * The body is a part of a file, which the kernel sends where it can. The response owns the descriptor from now on.
 * The part must exist: a file that ends early ends the connection.
 */
void http_resp_file(struct http_resp *resp, int fd, uint64_t from, uint64_t len);
/* Resets to status 200 without fields and body, to replace an unfinished answer by an error. */
void http_resp_clear(struct http_resp *resp);
/* The value of the first field of that name (any case) added so far; at == NULL if there is none. */
struct str http_resp_get_field(const struct http_resp *resp, const char *name);

/* A response that is not sent: part of an answer that is made of several. */
struct http_resp *http_resp_open(size_t body_max);
void              http_resp_close(struct http_resp **resp);
/* False: it cannot be sent (too large, a broken field). */
bool http_resp_is_good(const struct http_resp *resp);
/* Takes the next field off *rest, which starts as http_resp_fields(). False at the end. */
struct str http_resp_fields(const struct http_resp *resp);
bool       http_resp_take_field(struct str *rest, struct http_field *field_out);

struct http_plan {
	size_t body_max; /* bytes of body accepted; more is 413. 0: a body is refused (400) */
	bool   unknown;  /* the caller is not known: the body must arrive within head_ms */
	bool   blocks;   /* the answer may block: run it on a worker */
	bool   stream;   /* the answer takes the body in pieces; it blocks, too */
	bool   early;    /* the answer is known without the body, which is not read: the connection ends */
	bool   grouped;  /* the answer can share its wait with others: make it in a group (http_app) */
};

/*
 * AGAIN and MORE_BODY only on a worker, and only with work->state set.  The answer is then called again until it is
 * DONE, also when nobody waits for it any more (http_req_is_abandoned()): it gives back what it keeps and is DONE.
 *
 * A streamed body: the first call has no piece, so an answer that is DONE then has not asked for the body, and no
 * "100 Continue" was sent.  After a body_err the answer must be DONE, and the connection ends.  ERR_BAD_REQUEST
 * malformed, or the peer stopped in the middle · ERR_TOO_LARGE over body_max · ERR_BUSY too slow · ERR_IO.
 * ERR_BUSY also tells that the body was not read (plan.early).
 *
 * HTTP_WAITS costs no thread and keeps nothing of the call but the request and work->wait: the next call is like the
 * first.  A client that leaves ends it without a call.  When wait.over is set the answer must be DONE.
 */
enum http_verdict {
	HTTP_DONE,      /* the response is made */
	HTTP_BLOCKS,    /* on a loop: nothing is made, call it on a worker */
	HTTP_AGAIN,     /* a slice is made: others come first */
	HTTP_MORE_BODY, /* the piece is used up: call it with the next one */
	HTTP_WAITS      /* there is nothing to answer yet, or a part of a stream: call it again after work->wait */
};

/* What is served.  Called from many threads at once. */
struct http_app {
	void *ctx;
	void (*plan)(void *ctx, const struct http_req *req, struct http_plan *plan_out);
	enum http_verdict (*answer)(void *ctx, const struct http_req *req, struct http_resp *resp);
	/*
	 * The body of an error that the server itself answers (status is set); req may have empty parts. The server
	 * adds the Retry-After of a 503.
	 */
	void (*refuse)(void *ctx, const struct http_req *req, unsigned status, const char *reason,
	               struct http_resp *resp);
	/*
	 * One thread makes the answers of a group one after the other, and none is sent before the group is committed:
	 *
	 *   group_open · answer, for each that waits · group_commit · all are sent · group_close
	 *
	 * So many writes share one sync, and no thread is woken in between.  An answer may still change until
	 * group_commit() returns.  NULL, all three: no groups.
	 */
	void *(*group_open)(void *ctx);
	void (*group_commit)(void *ctx, void *group);
	void (*group_close)(void *ctx, void *group);
	/* A number that rises when callers may have lost their rights: what waits is then asked again. NULL: never. */
	uint64_t (*generation)(void *ctx);
};

struct http_limits {                       /* zero takes the default in brackets */
	size_t   head_max;                 /* bytes of request line and fields [16 KiB]: 431 */
	size_t   target_max;               /* [8 KiB]: 414 */
	unsigned fields_max;               /* [64]: 431 */
	unsigned connections_max;          /* [descriptor limit less a reserve] */
	unsigned connections_per_peer_max; /* [4096] */
	unsigned workers_max;              /* [64] threads for answers that block, and a quarter more for uploads */
	/* Requests of one caller that are with a worker or wait for one: 429 beyond; of all: 503. */
	size_t waiting_per_caller_max; /* [a quarter of those of all] */
	/* Answers that wait for a change (HTTP_WAITS): of all, 503 beyond; of one caller, 429. */
	unsigned waits_max;            /* [16384] */
	unsigned waits_per_caller_max; /* [a quarter of it] */
	size_t   response_max;         /* [64 MiB] */
	/*
	 * Memory that requests hold: bodies as they arrive, answers not yet taken, memory for making an answer.
	 * Beyond it the answer is 503. Callers that are not known may use half of it. The memory of a connection
	 * itself is not counted: some 20 KiB with a small request of HTTP/1.1.
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
	struct str listen; /* "HOST:PORT", "[::1]:PORT"; port 0 takes a free one */
	const char
		*unix_path; /* instead of listen: a Unix socket, mode 0600; replaces a socket that nobody listens on */
	const char         *tls_cert, *tls_key; /* PEM files; both NULL: plain */
	unsigned            loops;              /* loop threads; 0: one per core, at most 16 */
	struct http_limits  limits;
	const struct clock *clock;
	const struct log   *log; /* may be NULL */
};

struct http_server;

/* ERR_IO (address in use, unreadable certificate, …), ERR_BAD_REQUEST (listen or unix_path is malformed, half of the
   certificate's pair is missing); sentence in why_out. */
enum err http_open(const struct http_conf *conf, const struct http_app *app, struct http_server **server_out,
                   char why_out[256]) MUST_CHECK;
/* Can that address be listened on now?  Errors as above. */
enum err   http_check_listen(struct str listen, char why_out[256]) MUST_CHECK;
struct str http_address(const struct http_server *server);  /* "127.0.0.1:8443", the port really taken */
enum err   http_run(struct http_server *server) MUST_CHECK; /* returns when http_stop() was called and all is drained */
/* Another certificate for new connections, of a server that has one. ERR_IO: the old one stays. On any thread. */
enum err http_renew_tls(struct http_server *server, const char *cert, const char *key, char why_out[256]) MUST_CHECK;
void     http_stop(struct http_server *server); /* safe in a signal handler and from any thread */
void     http_close(struct http_server **server);
/* That topic has changed: wakes the answers that wait for it. On any thread; takes no lock. */
void http_topic_changed(struct http_server *server, uint32_t topic);

struct http_stats {
	uint64_t accepted, refused_connections, open, requests, workers_busy;
	uint64_t waiting, uploads, throttled; /* for a worker; under way; answers 429 */
	uint64_t held;                        /* bytes that requests hold */
	uint64_t waits;                       /* answers that wait for a change */
	uint64_t by_class[6];                 /* responses 1xx..5xx at their index */
	uint64_t timeouts, protocol_errors, bytes_in, bytes_out;
};
void http_get_stats(const struct http_server *server, struct http_stats *stats_out);

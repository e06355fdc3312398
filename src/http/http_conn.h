/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_conn — one HTTP/1.1 connection, from accept to close.  Belongs to its loop's thread.
 *
 *        accept ----------------------> IDLE <------------------------------+
 *          | TLS                        ^ | first byte                      |
 *          v                            | v                                 |
 *      HANDSHAKE -----------------------+ HEAD ----------- refused -----+   |
 *                                          | whole: plan                |   |
 *                    expects 100           |                            |   |
 *          CONTINUE <----------------------+-- no body ---+             |   |
 *              |                           |              |             |   |
 *              +----------------------> BODY -- refused --|-------------+   |
 *                                          | whole        |             |   |
 *                                          v              |             v   |
 *                                       (answer) <--------+-> done -> SENDING
 *                                          | blocks                   ^   |
 *                                          v                          |   | to be closed
 *                                       WORKING ----------------------+   v        (a streamed body is read here)
 *                                                                      LINGER --> DEAD
 *
 * An answer that waits for a change goes from (answer), or from SENDING behind a piece of a stream, to PARKED, and
 * from there to (answer) again.
 *
 * From every state but WORKING a broken socket or a passed deadline leads to DEAD; a deadline in HEAD
 * and BODY is answered (408) first.  A connection on which HTTP/2 was agreed (ALPN), or whose first bytes
 * are HTTP/2's, goes from HANDSHAKE or HEAD to H2 and stays there up to LINGER.
 */
#pragma once

#include "http/http_exchange.h"
#include "http/http_h2.h"
#include "http/http_wheel.h"
#include "http/http_wire.h"

enum http_conn_state {
	CONN_NEW,       /* registered with a loop that has not yet seen it */
	CONN_HANDSHAKE, /* TLS handshake */
	CONN_IDLE,      /* nothing of the next request has come; holds no buffer */
	CONN_HEAD,      /* a part of a request's head has come */
	CONN_CONTINUE,  /* "100 Continue" is being written */
	CONN_BODY,      /* the head is accepted, the body comes */
	CONN_WORKING,   /* a worker has the exchange */
	CONN_PARKED,    /* the answer waits for a change (http_wait.h) */
	CONN_SENDING,   /* the response is being written */
	CONN_H2,        /* HTTP/2: see http_h2.h */
	CONN_LINGER,    /* all is written and the peer told so; what still comes is thrown away, so that
	                        the peer can read the response before the socket is gone */
	CONN_DEAD       /* closed; freed at the end of the loop's round */
};

struct http_conn {
	struct http_link      listed; /* among the connections of its loop, at the end in thread->dead */
	struct http_link      again;
	struct http_timer     timer;
	struct http_peer      peer;
	struct http_wire      wire;
	struct http_h2       *h2;       /* HTTP/2 is spoken; NULL: HTTP/1.1 */
	struct http_exchange *exchange; /* from a head's first byte to its response's last; NULL while WORKING */
	struct http_pending   pending;  /* the part of it that stays here while WORKING */
	struct buf            in;       /* bytes that have arrived and are not yet parsed */
	size_t                fed;      /* bytes of it the head parser has seen */
	size_t                sent;     /* bytes of the response that are sent */
	size_t                untaken;  /* bytes that the peer had not taken at the last check */
	enum http_conn_state  state;
	bool                  readable;    /* there may be something to read */
	bool                  hung_up;     /* the end of input was announced: a short read is not the last */
	bool                  may_probe;   /* the peer takes interim responses (HTTP/1.1), and this request sent none */
	bool                  gone;        /* the peer left while a worker was busy */
	bool                  close_after; /* this response is the last */
	bool                  begun;       /* a first request has come, so this is HTTP/1.1 for good */
};

/* The descriptor is the connection's from here on. */
struct http_conn *http_conn_open(struct http_thread *thread, int fd, const struct http_peer_key *key, const char *peer);

void http_conn_event(struct http_conn *conn, unsigned events);
void http_conn_go(struct http_conn *conn); /* as far as it can now */
void http_conn_timeout(struct http_conn *conn);
void http_conn_answered(struct http_conn *conn, struct http_exchange *exchange); /* it came back from a worker */
void http_conn_resume(struct http_conn *conn, struct http_exchange *exchange);   /* it need not wait any longer */
void http_conn_drain(struct http_conn *conn); /* closes it unless a request is under way */
void http_conn_drop(struct http_conn *conn);  /* closes it, or marks it if a worker is busy */

/* Between the two files of the connection. */
void http_conn_set_deadline(struct http_conn *conn, int64_t at_ms);
void http_conn_end_exchange(struct http_conn *conn);
void http_conn_note_left(struct http_conn *conn);
void http_conn_probe(struct http_conn *conn);
void http_conn_close(struct http_conn *conn);
void http_conn_linger(struct http_conn *conn);

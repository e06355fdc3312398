/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_loop — a thread that waits on the sockets of many connections (epoll) and moves them on.
 *
 * A socket is registered once, edge-triggered, for everything: nothing is re-armed.  The door
 * (http_server.c) gives a connection to a loop by registering it; its first event, "writable",
 * comes at once and the loop takes it over.  After that only the loop touches it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "http/http_conn.h"
#include "http/http_wheel.h"
#include "text/date.h"

#define HTTP_IN_FIRST       ((size_t)4096)       /* first size of a connection's input buffer */
#define HTTP_SPARE_MAX      64u                  /* input buffers and exchanges a loop keeps for reuse */

/* Written by the loop alone, read by anybody. */
struct http_counters {
	_Atomic uint64_t requests, by_class[6], timeouts, protocol_errors, bytes_in, bytes_out;
};

struct http_loop {
	struct http_server  *server;
	pthread_t            thread;
	int                  epoll_fd, wake_fd;
	int64_t              now_ms;             /* when this round began */
	struct http_wheel    wheel;
	struct http_link     conns;              /* all it has taken over */
	struct http_link     again;              /* those that had more to do than their turns */
	struct http_link     dead;               /* closed in this round */
	bool                 draining;
	int64_t              drain_until_ms;

	unsigned             spare_count, exchange_count;
	char                *spares[HTTP_SPARE_MAX];
	struct http_exchange *exchanges;

	char                 date[DATE_TEXT_MAX];
	int64_t              date_s;
	struct http_counters counters;

	atomic_uint          open;               /* also those just registered */
	atomic_bool          drain_asked;
	pthread_mutex_t      back_lock;
	struct http_exchange *back;              /* given back by workers, newest first */
	struct http_pending  *pulled;            /* whose workers have taken something from their pipes */
};

/* NULL: the system has no more descriptors. */
struct http_loop *http_loop_open(struct http_server *server);
void              http_loop_close(struct http_loop **loop);
bool              http_loop_start(struct http_loop *loop);
/* Finishes what is under way, then ends the thread.  No connection may be registered any more. */
void              http_loop_drain(struct http_loop *loop);
void              http_loop_join(struct http_loop *loop);

bool http_loop_register(struct http_loop *loop, struct http_conn *conn);
void http_loop_give_back(struct http_exchange *exchange);        /* by a worker */
void http_loop_give_back_all(struct http_exchange *list);        /* each to its loop, which is woken once */
void http_loop_pulled(struct http_pending *pending);     /* by a worker: its pipe has room again */

/* The rest is for the loop's own thread. */
const char           *http_loop_date(struct http_loop *loop);
struct http_exchange *http_loop_take_exchange(struct http_loop *loop);
void                  http_loop_put_exchange(struct http_loop *loop, struct http_exchange **exchange);
void                  http_loop_take_spare(struct http_loop *loop, struct buf *in);
void                  http_loop_put_spare(struct http_loop *loop, struct buf *in);

/* One writer, so a locked addition is not needed. */
static inline void
http_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

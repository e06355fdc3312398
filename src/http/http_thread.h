/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_thread — what one loop thread owns: its clock, its deadlines, spare buffers and exchanges, its counters, and
 * the list of what other threads have given back to it.  It knows no connection.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "http/http_exchange.h"
#include "http/http_shared.h"
#include "http/http_wheel.h"
#include "text/date.h"

#define HTTP_IN_FIRST  ((size_t)4096) /* first size of a connection's input buffer */
#define HTTP_SPARE_MAX 64u            /* input buffers and exchanges kept for reuse */

/* Written by the thread alone, read by anybody. */
struct http_counters {
	_Atomic uint64_t requests, by_class[6], timeouts, protocol_errors, bytes_in, bytes_out;
};

struct http_thread {
	struct http_shared *shared;
	int64_t             now_ms; /* when this round began */
	struct http_wheel   wheel;
	struct http_waits   waits;
	bool                draining;
	struct http_link    again; /* connections that had more to do than their steps */
	struct http_link    dead;  /* what was closed in this round */

	unsigned              spare_count, exchange_count;
	char                 *spares[HTTP_SPARE_MAX];
	struct http_exchange *exchanges;

	char                 date[DATE_TEXT_MAX];
	int64_t              date_s;
	struct http_counters counters;

	int                   wake_fd; /* readable when something was given back */
	pthread_mutex_t       back_lock;
	struct http_exchange *back; /* given back by workers, newest first */
};

/* False: the system has no more descriptors; close it all the same. */
bool http_thread_open(struct http_thread *thread, struct http_shared *shared);
void http_thread_close(struct http_thread *thread);

/* By any thread. */
void http_thread_wake(struct http_thread *thread);
void http_thread_give_back(
	struct http_exchange *list); /* answered, or waiting for its body; each to its thread, which is woken once */

/* The rest is for the thread itself. */
void http_thread_slept(struct http_thread *thread); /* wake_fd was readable */
/* All that was given back up to one moment. */
struct http_exchange *http_thread_take_back(struct http_thread *thread);
const char           *http_thread_date(struct http_thread *thread);
struct http_exchange *http_thread_take_exchange(struct http_thread *thread);
void                  http_thread_put_exchange(struct http_thread *thread, struct http_exchange **exchange);
void                  http_thread_take_spare(struct http_thread *thread, struct buf *in);
void                  http_thread_put_spare(struct http_thread *thread, struct buf *in);

/* One writer, so a locked addition is not needed. */
static inline void
http_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

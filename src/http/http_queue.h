/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_queue — exchanges whose answers may block, and the threads that make them.
 *
 * A thread is started when an exchange comes and none is free, up to the maximum.  Beyond that exchanges wait, and when
 * too many wait the next one is refused.  What the threads do is in http_worker.c.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "http/http_exchange.h"

struct http_queue {
	const struct http_app *app;
	void *(*work)(void *queue); /* a thread: takes until it gets NULL */
	pthread_mutex_t       lock;
	pthread_cond_t        wake;
	pthread_t            *threads;
	unsigned              threads_max, thread_count;
	unsigned              idle; /* threads that wait */
	size_t                queued;
	size_t                counted, counted_max; /* queued and, if those count, taken and not done */
	bool                  taken_count;
	struct http_exchange *first, *last;
	bool                  closing;
	atomic_uint           busy; /* threads of workers that make an answer */
};

/* app, work, threads_max, counted_max and taken_count are set, the rest is zero. */
void http_queue_open(struct http_queue *queue);
/* Answers what waits, then ends the threads.  A queue that was not opened is fine. */
void http_queue_close(struct http_queue *queue);

/* False: too many wait.  Else the exchange comes back through http_thread_give_back(). */
bool http_queue_put(struct http_queue *queue, struct http_exchange *exchange);

/*
 * By a thread: at most `max` that wait, in their order; NULL: there is none, and with `wait` the queue is closing.
 * done: how many it has answered since the last call.
 */
struct http_exchange *http_queue_take(struct http_queue *queue, size_t done, bool wait, size_t max);

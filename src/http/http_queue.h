/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_queue — exchanges whose answers may block or are made in slices, and the threads that make them.
 *
 * Each caller has a line of its own, and a thread that is free takes from one line after the other.  So whoever asks
 * much waits for itself.  A caller has a limit, and so have all together; beyond it the next exchange is refused.  An
 * exchange counts from its first put until its answer is made, also while the loop waits for a piece of its body.
 *
 * A thread is started when an exchange comes and none is free, up to the maximum.  What threads do is in http_worker.c.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "http/http_exchange.h"
#include "http/http_list.h"

struct http_line;

struct http_queue {
	const struct http_app *app;
	void *(*work)(void *queue); /* a thread: takes until it gets NULL */
	pthread_mutex_t  lock;
	pthread_cond_t   wake;
	pthread_t       *threads;
	unsigned         threads_max, thread_count;
	unsigned         idle;                         /* threads that wait */
	unsigned         running_max;                  /* of one caller: the rest is for others */
	size_t           queued;                       /* those that wait for a thread */
	size_t           count, count_max, caller_max; /* all that are not answered; of one caller */
	struct http_link lines;
	bool             closing;
	atomic_uint      busy; /* threads of workers that make an answer */
	_Atomic uint64_t throttled;
};

enum http_admission { HTTP_ADMITTED, HTTP_FULL, HTTP_THROTTLED };

/* app, work and the maxima are set, the rest is zero. */
void http_queue_open(struct http_queue *queue);
/* Answers what waits, then ends the threads.  A queue that was not opened is fine. */
void http_queue_close(struct http_queue *queue);

/*
 * Else too many wait, of all or of this caller.  The exchange comes back through http_thread_give_back().  One that
 * comes again with a piece of its body is always admitted.
 */
enum http_admission http_queue_put(struct http_queue *queue, struct http_exchange *exchange);

/* By a thread: at most `max` that wait, each from another line while there is one. NULL: there is none, or closing. */
struct http_exchange *http_queue_take(struct http_queue *queue, bool wait, size_t max);
/* A slice of each is made.  Those that go on wait again behind the others; the rest comes back, for their loops. */
struct http_exchange *http_queue_slice_over(struct http_queue *queue, struct http_exchange *chain);
/* Adds: how many wait for a thread, and how many are not answered. */
void http_queue_get_stats(struct http_queue *queue, uint64_t *waiting, uint64_t *under_way);

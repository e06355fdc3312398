/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "http/http_loop.h"

struct http_workers {
	const struct http_app *app;
	pthread_mutex_t        lock;
	pthread_cond_t         wake;
	pthread_t             *threads;
	unsigned               threads_max, thread_count;
	unsigned               idle;             /* threads that wait */
	size_t                 queued;
	size_t                 under_way;        /* queued, or with a thread */
	struct http_exchange  *first, *last;
	bool                   closing;
	atomic_uint            busy;
};

static void
lock(struct http_workers *workers)
{
	MUST(pthread_mutex_lock(&workers->lock) == 0);
}

static void
unlock(struct http_workers *workers)
{
	MUST(pthread_mutex_unlock(&workers->lock) == 0);
}

/* done: exchanges the thread has finished since the last call.  NULL: the workers are closing and nothing waits. */
static struct http_exchange *
next_exchange(struct http_workers *workers, unsigned done)
{
	struct http_exchange *exchange;

	lock(workers);
	workers->under_way -= done;
	while (!workers->first && !workers->closing) {
		workers->idle++;
		MUST(pthread_cond_wait(&workers->wake, &workers->lock) == 0);
		workers->idle--;
	}
	exchange = workers->first;
	if (exchange) {
		workers->first = exchange->next;
		workers->queued--;
	}
	unlock(workers);
	return exchange;
}

static void *
work(void *context)
{
	struct http_workers  *workers = context;
	struct http_exchange *exchange = next_exchange(workers, 0);

	while (exchange) {
		atomic_fetch_add(&workers->busy, 1);
		exchange->req.may_block = true;
		if (!http_exchange_is_left(exchange))
			MUST(workers->app->answer(workers->app->ctx, &exchange->req, &exchange->resp) == HTTP_DONE);
		atomic_fetch_sub(&workers->busy, 1);
		http_loop_give_back(exchange);
		exchange = next_exchange(workers, 1);
	}
	return NULL;
}

struct http_workers *
http_workers_open(unsigned workers_max, const struct http_app *app)
{
	struct http_workers *workers = calloc(1, sizeof(*workers));

	MUST(workers != NULL && workers_max > 0);
	workers->app = app;
	workers->threads_max = workers_max;
	workers->threads = calloc(workers_max, sizeof(*workers->threads));
	MUST(workers->threads != NULL);
	MUST(pthread_mutex_init(&workers->lock, NULL) == 0);
	MUST(pthread_cond_init(&workers->wake, NULL) == 0);
	return workers;
}

/* Threads that wait for more than is queued need no help. */
static void
start_thread(struct http_workers *workers)
{
	if (workers->queued < workers->idle || workers->thread_count == workers->threads_max)
		return;
	if (pthread_create(&workers->threads[workers->thread_count], NULL, work, workers) == 0)
		workers->thread_count++;
}

bool
http_workers_put(struct http_workers *workers, struct http_exchange *exchange)
{
	bool taken;

	lock(workers);
	start_thread(workers);
	taken = workers->thread_count > 0 &&
	        workers->under_way < (size_t)workers->threads_max * (1 + HTTP_QUEUE_PER_WORKER);
	if (taken) {
		exchange->next = NULL;
		if (workers->first)
			workers->last->next = exchange;
		else
			workers->first = exchange;
		workers->last = exchange;
		workers->queued++;
		workers->under_way++;
		MUST(pthread_cond_signal(&workers->wake) == 0);
	}
	unlock(workers);
	return taken;
}

unsigned
http_workers_busy(const struct http_workers *workers)
{
	return atomic_load(&workers->busy);
}

void
http_workers_close(struct http_workers **workers)
{
	if (!*workers)
		return;
	lock(*workers);
	(*workers)->closing = true;
	MUST(pthread_cond_broadcast(&(*workers)->wake) == 0);
	unlock(*workers);
	for (unsigned i = 0; i < (*workers)->thread_count; i++)
		MUST(pthread_join((*workers)->threads[i], NULL) == 0);
	(void)pthread_cond_destroy(&(*workers)->wake);
	(void)pthread_mutex_destroy(&(*workers)->lock);
	free((*workers)->threads);
	free(*workers);
	*workers = NULL;
}

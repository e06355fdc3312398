/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_worker.h"

#include <sys/resource.h>
#include <unistd.h>

#include "http/http_thread.h"

#define GROUP_MAX 256
/* Loops come first when all cores are busy: on Linux a thread has a nice value of its own. */
#define GIVE_WAY 5
/* Uploads under way, for each of their workers: most of them wait for bytes. */
#define UPLOADS_PER_WORKER 16u

/* One that was begun is always told of its end, so that it can give back what it keeps. */
static void
answer(const struct http_app *app, struct http_exchange *exchange)
{
	exchange->req.may_block = true;
	exchange->verdict = HTTP_DONE;
	if (http_exchange_is_left(exchange))
		exchange->req.body_err = ERR_IO;
	if (exchange->work.state || !http_exchange_is_left(exchange))
		exchange->verdict = app->answer(app->ctx, &exchange->req, &exchange->resp);
	MUST(exchange->verdict == HTTP_DONE || exchange->verdict == HTTP_WAITS ||
	     (exchange->work.state && exchange->verdict != HTTP_BLOCKS));
}

static void *
work(void *context)
{
	struct http_queue    *workers = context;
	struct http_exchange *exchange;
	id_t                  self = (id_t)gettid();

	(void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + GIVE_WAY);
	while ((exchange = http_queue_take(workers, true, 1)) != NULL) {
		atomic_fetch_add(&workers->busy, 1);
		answer(workers->app, exchange);
		atomic_fetch_sub(&workers->busy, 1);
		http_thread_give_back(http_queue_slice_over(workers, exchange));
	}
	return NULL;
}

/* Makes the answers of a chain; gives back its last, and how many there were. */
static struct http_exchange *
answer_all(const struct http_app *app, void *group, struct http_exchange *exchange, size_t *count)
{
	for (;; exchange = exchange->next) {
		exchange->req.group = group;
		answer(app, exchange);
		MUST(exchange->verdict == HTTP_DONE);
		*count += 1;
		if (!exchange->next)
			return exchange;
	}
}

/* Makes the answers of one group, those that come meanwhile too, and sends them. */
static void
make_group(struct http_queue *groups, struct http_exchange *first)
{
	const struct http_app *app = groups->app;
	void                  *group = app->group_open(app->ctx);
	size_t                 count = 0;
	struct http_exchange  *last = answer_all(app, group, first, &count);

	while (count < GROUP_MAX && (last->next = http_queue_take(groups, false, GROUP_MAX - count)) != NULL)
		last = answer_all(app, group, last->next, &count);
	app->group_commit(app->ctx, group);
	http_thread_give_back(http_queue_slice_over(groups, first));
	app->group_close(app->ctx, group);
}

static void *
work_in_groups(void *context)
{
	struct http_exchange *exchange;

	while ((exchange = http_queue_take(context, true, GROUP_MAX)) != NULL)
		make_group(context, exchange);
	return NULL;
}

static size_t
share_of_caller(const struct http_limits *limits, size_t count_max)
{
	return limits->waiting_per_caller_max ? limits->waiting_per_caller_max : (count_max + 3) / 4;
}

void
http_workers_open(struct http_queue *workers, const struct http_limits *limits, const struct http_app *app)
{
	workers->app = app;
	workers->work = work;
	workers->threads_max = limits->workers_max;
	workers->running_max = (limits->workers_max + 3) / 4;
	workers->count_max = (size_t)limits->workers_max * (1 + HTTP_QUEUE_PER_WORKER);
	workers->caller_max = share_of_caller(limits, workers->count_max);
	http_queue_open(workers);
}

void
http_uploads_open(struct http_queue *uploads, const struct http_limits *limits, const struct http_app *app)
{
	uploads->app = app;
	uploads->work = work;
	uploads->threads_max = (limits->workers_max + 3) / 4;
	uploads->running_max = (uploads->threads_max + 3) / 4;
	uploads->count_max = (size_t)uploads->threads_max * UPLOADS_PER_WORKER;
	uploads->caller_max = share_of_caller(limits, uploads->count_max);
	http_queue_open(uploads);
}

void
http_groups_open(struct http_queue *groups, const struct http_limits *limits, const struct http_app *app)
{
	if (!app->group_open)
		return;
	MUST(app->group_commit && app->group_close);
	groups->app = app;
	groups->work = work_in_groups;
	groups->threads_max = 1;
	groups->running_max = GROUP_MAX;
	groups->count_max = (size_t)limits->workers_max * (1 + HTTP_QUEUE_PER_WORKER);
	groups->caller_max = share_of_caller(limits, groups->count_max);
	http_queue_open(groups);
}

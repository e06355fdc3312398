/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_worker.h"

#include "http/http_thread.h"

#define GROUP_MAX 256

static void *
work(void *context)
{
	struct http_queue     *workers = context;
	const struct http_app *app = workers->app;
	struct http_exchange  *exchange = http_queue_take(workers, 0, true, 1);

	while (exchange) {
		atomic_fetch_add(&workers->busy, 1);
		exchange->req.may_block = true;
		if (!http_exchange_is_left(exchange))
			MUST(app->answer(app->ctx, &exchange->req, &exchange->resp) == HTTP_DONE);
		atomic_fetch_sub(&workers->busy, 1);
		http_thread_give_back(exchange);
		exchange = http_queue_take(workers, 1, true, 1);
	}
	return NULL;
}

/* Makes the answers of a chain; gives back its last, and how many there were. */
static struct http_exchange *
answer_all(const struct http_app *app, void *group, struct http_exchange *exchange, size_t *count)
{
	for (;; exchange = exchange->next) {
		exchange->req.may_block = true;
		exchange->req.group = group;
		if (!http_exchange_is_left(exchange))
			MUST(app->answer(app->ctx, &exchange->req, &exchange->resp) == HTTP_DONE);
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

	while (count < GROUP_MAX && (last->next = http_queue_take(groups, 0, false, GROUP_MAX - count)) != NULL)
		last = answer_all(app, group, last->next, &count);
	app->group_commit(app->ctx, group);
	http_thread_give_back(first);
	app->group_close(app->ctx, group);
}

static void *
work_in_groups(void *context)
{
	struct http_exchange *exchange;

	while ((exchange = http_queue_take(context, 0, true, GROUP_MAX)) != NULL)
		make_group(context, exchange);
	return NULL;
}

void
http_workers_open(struct http_queue *workers, unsigned workers_max, const struct http_app *app)
{
	workers->app = app;
	workers->work = work;
	workers->threads_max = workers_max;
	workers->counted_max = (size_t)workers_max * (1 + HTTP_QUEUE_PER_WORKER);
	workers->taken_count = true;
	http_queue_open(workers);
}

void
http_groups_open(struct http_queue *groups, unsigned workers_max, const struct http_app *app)
{
	if (!app->group_open)
		return;
	MUST(app->group_commit && app->group_close);
	groups->app = app;
	groups->work = work_in_groups;
	groups->threads_max = 1;
	groups->counted_max = (size_t)workers_max * HTTP_QUEUE_PER_WORKER;
	http_queue_open(groups);
}

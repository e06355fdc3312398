/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_group.h"

#include <pthread.h>
#include <stdlib.h>

#include "http/http_loop.h"

#define GROUP_MAX 256

struct http_groups {
	const struct http_app *app;
	pthread_mutex_t        lock;
	pthread_cond_t         wake;
	pthread_t              thread;
	bool                   started, waits, closing;
	size_t                 queued, queue_max;
	struct http_exchange  *first, *last;
};

static void
lock(struct http_groups *groups)
{
	MUST(pthread_mutex_lock(&groups->lock) == 0);
}

static void
unlock(struct http_groups *groups)
{
	MUST(pthread_mutex_unlock(&groups->lock) == 0);
}

/* At most `max` of those that wait, in their order.  NULL: none; with `wait`, the groups are closing. */
static struct http_exchange *
take(struct http_groups *groups, bool wait, size_t max)
{
	struct http_exchange *taken, **end = &taken;

	lock(groups);
	while (wait && !groups->first && !groups->closing) {
		groups->waits = true;
		MUST(pthread_cond_wait(&groups->wake, &groups->lock) == 0);
		groups->waits = false;
	}
	for (taken = groups->first; *end && max > 0; max--) {
		end = &(*end)->next;
		groups->queued--;
	}
	groups->first = *end;
	unlock(groups);
	*end = NULL;
	return taken;
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
make_group(struct http_groups *groups, struct http_exchange *first)
{
	const struct http_app *app = groups->app;
	void                  *group = app->group_open(app->ctx);
	size_t                 count = 0;
	struct http_exchange  *last = answer_all(app, group, first, &count);

	while (count < GROUP_MAX && (last->next = take(groups, false, GROUP_MAX - count)) != NULL)
		last = answer_all(app, group, last->next, &count);
	app->group_settle(app->ctx, group);
	http_loop_give_back_all(first);
	app->group_close(app->ctx, group);
}

static void *
work(void *context)
{
	struct http_groups   *groups = context;
	struct http_exchange *exchange;

	while ((exchange = take(groups, true, GROUP_MAX)) != NULL)
		make_group(groups, exchange);
	return NULL;
}

struct http_groups *
http_groups_open(size_t queue_max, const struct http_app *app)
{
	struct http_groups *groups;

	if (!app->group_open)
		return NULL;
	MUST(app->group_settle && app->group_close);
	groups = calloc(1, sizeof(*groups));
	MUST(groups != NULL);
	groups->app = app;
	groups->queue_max = queue_max;
	MUST(pthread_mutex_init(&groups->lock, NULL) == 0);
	MUST(pthread_cond_init(&groups->wake, NULL) == 0);
	return groups;
}

bool
http_groups_put(struct http_groups *groups, struct http_exchange *exchange)
{
	bool taken;

	lock(groups);
	if (!groups->started)
		groups->started = pthread_create(&groups->thread, NULL, work, groups) == 0;
	taken = groups->started && groups->queued < groups->queue_max;
	if (taken) {
		exchange->next = NULL;
		if (groups->first)
			groups->last->next = exchange;
		else
			groups->first = exchange;
		groups->last = exchange;
		groups->queued++;
		if (groups->waits)
			MUST(pthread_cond_signal(&groups->wake) == 0);
	}
	unlock(groups);
	return taken;
}

void
http_groups_close(struct http_groups **groups)
{
	struct http_groups *old = *groups;

	if (!old)
		return;
	lock(old);
	old->closing = true;
	MUST(pthread_cond_broadcast(&old->wake) == 0);
	unlock(old);
	if (old->started)
		MUST(pthread_join(old->thread, NULL) == 0);
	(void)pthread_cond_destroy(&old->wake);
	(void)pthread_mutex_destroy(&old->lock);
	free(old);
	*groups = NULL;
}

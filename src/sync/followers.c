/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/followers.h"

#include <stdlib.h>

#include "sync/round.h"

#define CONF_ARENA_MAX ((size_t)16 << 20)

struct plan { /* what a configuration says, and who follows it */
	struct arena  *arena;
	struct cmd_run run;
	struct signals signals;
	struct scopes *scopes;
};

struct followers {
	struct followers_conf conf;
	struct replica       *replica;
	pthread_rwlock_t      lock; /* over `plan`: it may be replaced */
	struct plan          *plan;
	pthread_t             thread;
	bool                  is_running;
	int                   code;
};

static void
plan_close(struct plan **plan)
{
	if (!*plan)
		return;
	scopes_close(&(*plan)->scopes);
	signals_close(&(*plan)->signals);
	arena_close(&(*plan)->arena);
	free(*plan);
	*plan = NULL;
}

/* Of the configuration as it is now. */
static int
plan_open(const struct followers *followers, struct plan **plan_out)
{
	AUTO(plan_close) struct plan *plan = handle_new(sizeof(*plan));
	const struct cmd_run         *server = followers->conf.run;
	struct scopes_conf            conf = { .run = &plan->run,
		                               .round = round_run,
		                               .signals = &plan->signals,
		                               .store = followers->conf.store,
		                               .replica = followers->replica };
	struct str                    why;
	int                           code;

	plan->arena = arena_open(CONF_ARENA_MAX);
	signals_open_inner(&plan->signals);
	plan->run = *server;
	plan->run.cmd = cmd_named(server->table, STR("sync"));
	plan->run.given_count = 0;
	plan->run.arena = plan->arena;
	plan->run.log = followers->conf.log;
	code = (int)conf_read(&server->source, plan->arena, &plan->run.conf, &why);
	if (code != EXIT_DONE)
		return console_fail((enum exit_code)code, "%.*s", STR_ARG(why));
	plan->run.conf.values[CONF_STORE] = server->conf.values[CONF_STORE];
	TRY_CODE(scopes_open(&conf, &plan->scopes));
	*plan_out = plan;
	plan = NULL;
	return EXIT_DONE;
}

int
followers_open(const struct followers_conf *conf, struct followers **followers_out)
{
	AUTO(followers_close) struct followers *followers = handle_new(sizeof(*followers));
	char                                    why[512];
	enum err                                err;

	followers->conf = *conf;
	MUST(pthread_rwlock_init(&followers->lock, NULL) == 0);
	err = replica_join(conf->store, &followers->replica, why);
	if (err != OK)
		return console_fail(exit_code_of(err), "what is followed cannot be opened: %s", why);
	TRY_CODE(plan_open(followers, &followers->plan));
	*followers_out = followers;
	followers = NULL;
	return EXIT_DONE;
}

static void *
run_plan(void *ctx)
{
	struct followers *followers = ctx;

	if (scopes_run(followers->plan->scopes) == EXIT_DAMAGED) {
		followers->code = EXIT_DAMAGED;
		followers->conf.ended(followers->conf.ended_ctx);
	}
	return NULL;
}

void
followers_start(struct followers *followers)
{
	followers->is_running = pthread_create(&followers->thread, NULL, run_plan, followers) == 0;
	if (!followers->is_running)
		console_say("no thread can be started, so nothing is followed; SIGHUP tries again");
}

int
followers_stop(struct followers *followers)
{
	if (followers->is_running) {
		signals_raise(&followers->plan->signals);
		MUST(pthread_join(followers->thread, NULL) == 0);
		followers->is_running = false;
	}
	return followers->code;
}

void
followers_close(struct followers **followers)
{
	if (!*followers)
		return;
	plan_close(&(*followers)->plan);
	replica_close(&(*followers)->replica);
	(void)pthread_rwlock_destroy(&(*followers)->lock);
	free(*followers);
	*followers = NULL;
}

void
followers_reload(struct followers *followers)
{
	AUTO(plan_close) struct plan *plan = NULL; /* the new one, then the old one */
	struct plan                  *old = followers->plan;

	if (plan_open(followers, &plan) != EXIT_DONE)
		console_say("SIGHUP: the followers go on as before");
	if (!plan || followers_stop(followers) != EXIT_DONE)
		return;
	MUST(pthread_rwlock_wrlock(&followers->lock) == 0);
	followers->plan = plan;
	plan = old;
	MUST(pthread_rwlock_unlock(&followers->lock) == 0);
	followers_start(followers);
	if (followers->is_running)
		console_say("SIGHUP: the followers begin again with the sections as they are now");
}

/* ---- orders ---------------------------------------------------------------------------------------------------- */

enum err
followers_order(void *ctx, struct str verb, struct str name, uint64_t ticket, struct json_out *json)
{
	const struct scopes_order order = { verb, name, ticket };
	struct followers         *followers = ctx;
	enum err                  err;

	MUST(pthread_rwlock_rdlock(&followers->lock) == 0);
	err = scopes_order(followers->plan->scopes, &order, json);
	MUST(pthread_rwlock_unlock(&followers->lock) == 0);
	return err;
}

static bool
ask(struct followers *followers, bool (*asked)(struct scopes *scopes, struct str scope), struct str scope)
{
	bool yes;

	MUST(pthread_rwlock_rdlock(&followers->lock) == 0);
	yes = asked(followers->plan->scopes, scope);
	MUST(pthread_rwlock_unlock(&followers->lock) == 0);
	return yes;
}

bool
followers_want(void *ctx, struct str scope)
{
	return ask(ctx, scopes_want, scope);
}

bool
followers_await(void *ctx, struct str scope)
{
	return ask(ctx, scopes_await, scope);
}

void
followers_put_metrics(void *ctx, struct buf *buf)
{
	struct followers *followers = ctx;

	MUST(pthread_rwlock_rdlock(&followers->lock) == 0);
	scopes_put_metrics(followers->plan->scopes, buf);
	MUST(pthread_rwlock_unlock(&followers->lock) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is asked about its followers. */
#include "sync/scopes_job.h"
#include "text/json_write.h"

#define SHOWN_MAX       1000 /* scopes in an answer, which stays under a MiB */
#define ORDER_ARENA_MAX ((size_t)1 << 20)

struct tour {
	struct scopes             *scopes;
	const struct scopes_order *order;
	struct json_out           *json;
	struct arena              *arena;
	int64_t                    now_ms, wait_ms; /* wait: until the first that is waited for may begin */
	uint64_t                   count, left, changes;
	int                        code;
	bool                       is_order; /* a round is asked for */
	bool                       is_paused;
};

static void
put_job(struct tour *tour, const struct job *job)
{
	static const char *const states[] = { "waiting", "running", "ended" };
	struct json_out         *json = tour->json;
	bool                     is_paused = job->section->is_paused && job->state == JOB_WAITS;
	int64_t                  due_ms = job->state == JOB_WAITS ? scopes_due_ms(job) - tour->now_ms : 0;

	json_put_object(json);
	json_put_member(json, STR("scope"), section_name(job->section, job->value, tour->arena));
	json_put_member(json, STR("state"), is_paused ? STR("paused") : str_from_c(states[job->state]));
	json_put_name(json, STR("exitCode"));
	job->ended > 0 ? json_put_int(json, job->code) : json_put_raw(json, STR("null"));
	json_put_member_int(json, STR("changes"), (int64_t)job->changes);
	json_put_member_int(json, STR("failures"), job->failures);
	json_put_member_int(json, STR("dueInMs"), due_ms > 0 ? due_ms : 0);
	json_end_object(json);
}

/* An order is done when a run that began after it has ended, and with it a round that began in it. */
static void
visit(struct tour *tour, struct job *job)
{
	bool    is_order = tour->is_order, is_waiting = job->state == JOB_WAITS;
	int64_t wait_ms;

	if (tour->count++ < SHOWN_MAX)
		put_job(tour, job);
	tour->is_paused = tour->is_paused || job->section->is_paused;
	if (job->section->is_paused || job->state == JOB_ENDED)
		return;
	if (is_order)
		job->asked = tour->scopes->last_run;
	if (is_order && is_waiting)
		job->due_ms = 0;
	if (is_order || job->answers <= tour->order->ticket) {
		wait_ms = is_waiting ? scopes_due_ms(job) - tour->now_ms : 0;
		tour->wait_ms = tour->left++ == 0 || wait_ms < tour->wait_ms ? wait_ms : tour->wait_ms;
		return;
	}
	tour->code = scopes_rank(job->code) > scopes_rank(tour->code) ? job->code : tour->code;
	tour->changes += job->changes;
}

static bool
is_named(const struct section *section, struct str value, struct str name, struct arena *arena)
{
	arena_reset(arena);
	return name.len == 0 || str_eq(name, section->conf->name) ||
	       str_eq(name, section_name(section, value, arena)) || str_eq(name, section_url(section, value, arena));
}

static enum err
set_pause(struct scopes *scopes, struct section *section, bool is_paused, struct arena *arena)
{
	struct store_txn *txn = store_begin(scopes->conf.store, NULL, arena);

	if (is_paused)
		store_put_kv(txn, SCOPES_PAUSED, section->conf->name, STR("1"));
	else
		store_remove_kv(txn, SCOPES_PAUSED, section->conf->name);
	TRY(store_commit(&txn));
	section->is_paused = is_paused;
	return OK;
}

static enum err
visit_all(struct tour *tour)
{
	struct str name = tour->order->name;
	bool       pauses = str_eq(tour->order->verb, STR("pause"));
	bool       sets = pauses || str_eq(tour->order->verb, STR("resume"));
	bool       is_found = name.len == 0;

	for (struct section *section = tour->scopes->sections; section; section = section->next) {
		bool is_meant = name.len == 0 || str_eq(name, section->conf->name);

		is_found = is_found || is_meant;
		if (is_meant && sets)
			TRY(set_pause(tour->scopes, section, pauses, tour->arena));
		for (struct job *job = section->jobs; job; job = job->next)
			if (job->is_listed && is_named(section, job->value, name, tour->arena))
				visit(tour, job);
	}
	if (tour->is_order && name.len > 0 && tour->is_paused)
		return ERR_NOT_ALLOWED;
	return is_found || (tour->count > 0 && !sets) ? OK : ERR_NOT_FOUND;
}

static enum err
obey(struct tour *tour)
{
	struct json_out *json = tour->json;
	enum err         err;

	json_put_member_int(json, STR("ticket"), (int64_t)tour->scopes->last_run);
	json_put_name(json, STR("scopes"));
	json_put_array(json);
	err = visit_all(tour);
	tour->left += !tour->scopes->is_listed; /* a server that has just begun: nothing is done yet */
	json_end_array(json);
	json_put_member_int(json, STR("count"), (int64_t)tour->count);
	json_put_member_int(json, STR("left"), (int64_t)tour->left);
	json_put_member_int(json, STR("waitMs"), tour->wait_ms > 0 ? tour->wait_ms : 0);
	json_put_member_int(json, STR("changes"), (int64_t)tour->changes);
	json_put_member_int(json, STR("exitCode"), tour->code);
	scopes_wake(tour->scopes);
	return err;
}

enum err
scopes_order(struct scopes *scopes, const struct scopes_order *order, struct json_out *json)
{
	AUTO(arena_close) struct arena *arena = arena_open(ORDER_ARENA_MAX);
	struct tour                     tour = { .scopes = scopes, .order = order, .json = json, .arena = arena };
	enum err                        err;

	tour.is_order = str_eq(order->verb, STR("now"));
	tour.now_ms = clock_mono_ms(scopes->conf.run->clock);
	scopes_lock(scopes);
	err = obey(&tour);
	scopes_unlock(scopes);
	return err;
}

/* The job that follows it; NULL: none does. */
static struct job *
find_job(struct scopes *scopes, struct str scope, struct arena *arena)
{
	for (struct section *section = scopes->sections; section; section = section->next)
		for (struct job *job = section->jobs; job && str_starts(scope, section->conf->name); job = job->next) {
			arena_reset(arena);
			if (job->is_listed && str_eq(scope, section_name(section, job->value, arena)))
				return job;
		}
	return NULL;
}

/*
 * A run that is under way is enough; one that waits for its turn begins, unless its host asked for a pause.  After a
 * failure the scope keeps its own pauses, and readers do not wait for them.
 */
static bool
want(struct scopes *scopes, struct str scope, struct arena *arena)
{
	struct job *job = find_job(scopes, scope, arena);

	if (!job || job->section->is_paused || job->state == JOB_ENDED)
		return false;
	if (job->state == JOB_WAITS && job->failures > 0)
		return false;
	if (job->state == JOB_WAITS)
		job->due_ms = 0;
	scopes_wake(scopes);
	return true;
}

bool
scopes_want(struct scopes *scopes, struct str scope)
{
	AUTO(arena_close) struct arena *arena = NULL;
	bool                            yes;

	if (pthread_mutex_trylock(&scopes->lock) != 0)
		return true;
	arena = arena_open(ORDER_ARENA_MAX);
	yes = want(scopes, scope, arena);
	scopes_unlock(scopes);
	return yes;
}

static void
put_metric(struct buf *buf, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(buf, "# HELP tidemark_follow_%s %s\n# TYPE tidemark_follow_%s %s\ntidemark_follow_%s %llu\n", name,
	           help, name, type, name, (unsigned long long)value);
}

void
scopes_put_metrics(struct scopes *scopes, struct buf *buf)
{
	uint64_t count = 0, failing = 0;

	scopes_lock(scopes);
	for (const struct section *section = scopes->sections; section; section = section->next)
		for (const struct job *job = section->jobs; job; job = job->next) {
			count += job->is_listed;
			failing += job->failures > 0;
		}
	put_metric(buf, "scopes", "gauge", "Scopes that are followed.", count);
	put_metric(buf, "scopes_failing", "gauge", "Scopes whose last round failed.", failing);
	put_metric(buf, "rounds_running", "gauge", "Rounds under way.", scopes->running);
	put_metric(buf, "rounds_total", "counter", "Rounds that caught up.", scopes->rounds);
	put_metric(buf, "failures_total", "counter", "Rounds that failed.", scopes->failures);
	put_metric(buf, "changes_total", "counter", "Items created, updated, removed or returned.", scopes->changes);
	scopes_unlock(scopes);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 *        section ----> jobs: one, or one for each value        (listed again and again)
 *                       |
 *   thread: pick one that is due, and whose host has room  --> run it  --> note its code, and when it is due again
 */
#include <poll.h>
#include <stdlib.h>

#include "base/file.h"
#include "sync/scopes_job.h"

#define RUN_ARENA_MAX ((size_t)2 << 20)
#define PAUSED_MAX    ((size_t)64 << 10)
#define IDLE_MAX_MS   60000
#define TRIM_MS       60000
#define TAKEN_MS      200
#define IS_TAKEN      (-1) /* no exit code: the job waits for another one */

/* ---- which is next ------------------------------------------------------------------------------------------- */

/* When may the job run?  Without --watch a long pause of the host ends the job instead: its run says so. */
static int64_t
ready_ms(const struct scopes *scopes, const struct job *job, int64_t now_ms)
{
	const struct host *host = job->section->host;

	if (job->state != JOB_WAITS || !job->is_listed || job->section->is_paused || host->running >= SCOPES_PER_HOST)
		return INT64_MAX;
	return !scopes->watches && host->pause.until_mono_ms - now_ms > FOLLOWING_MAX_WAIT ? job->due_ms
	                                                                                   : scopes_due_ms(job);
}

/* Of one section, in turn.  NULL: none is ready, and *first_ms is at most when one will be. */
static struct job *
pick_of(const struct scopes *scopes, struct section *section, int64_t now_ms, int64_t *first_ms)
{
	struct job *job = section->next_job;

	for (size_t i = 0; i < section->job_count; i++) {
		int64_t at_ms;

		job = job ? job : section->jobs;
		at_ms = ready_ms(scopes, job, now_ms);
		section->next_job = job->next;
		if (at_ms <= now_ms)
			return job;
		*first_ms = at_ms < *first_ms ? at_ms : *first_ms;
		job = job->next;
	}
	return NULL;
}

static struct job *
pick(struct scopes *scopes, int64_t *wait_ms_out)
{
	int64_t     now_ms = clock_mono_ms(scopes->conf.run->clock), first_ms = now_ms + IDLE_MAX_MS;
	struct job *job;

	for (struct section *section = scopes->sections; section; section = section->next) {
		if (scopes->watches && scopes_lists_file(section) && section->list_ms <= now_ms)
			scopes_list(scopes, section);
		job = pick_of(scopes, section, now_ms, &first_ms);
		if (job)
			return job;
		if (scopes->watches && scopes_lists_file(section) && section->list_ms < first_ms)
			first_ms = section->list_ms;
	}
	*wait_ms_out = first_ms - now_ms;
	return NULL;
}

/* Without --watch the end has come when nothing runs and nothing can begin. */
static bool
is_over(struct scopes *scopes)
{
	if (scopes->stop_code != EXIT_DONE || signals_came(scopes->conf.signals))
		return true;
	if (scopes->watches || scopes->running > 0)
		return false;
	for (const struct section *section = scopes->sections; section; section = section->next)
		for (const struct job *job = section->jobs; job; job = job->next)
			if (job->state == JOB_WAITS && job->is_listed)
				return false;
	return true;
}

/* ---- the threads --------------------------------------------------------------------------------------------- */

static void
rest(struct scopes *scopes, int64_t ms)
{
	struct pollfd fds[] = { { .fd = scopes->wake_fd, .events = POLLIN },
		                { .fd = scopes->conf.signals->fd, .events = POLLIN } };
	eventfd_t     one;

	scopes->idle++;
	scopes_unlock(scopes);
	(void)poll(fds, COUNT_OF(fds), ms < 1 ? 1 : (int)ms);
	(void)eventfd_read(scopes->wake_fd, &one);
	scopes_lock(scopes);
	scopes->idle--;
}

static int
open_pages(struct worker *worker, const char *ca)
{
	struct fetch_conf conf = { .ca_file = ca,
		                   .agent = "tidemark/" TIDEMARK_VERSION,
		                   .stopped = signals_came,
		                   .stopped_ctx = worker->scopes->conf.signals };

	if (worker->pages && str_eq(str_from_c(worker->ca), str_from_c(ca)))
		return EXIT_DONE;
	fetch_close(&worker->pages);
	worker->ca = ca;
	return fetch_open(&conf, &worker->pages) == OK ? EXIT_DONE
	                                               : console_fail(EXIT_OTHER, "libcurl cannot be set up");
}

/* A run ends what an earlier one has left in the midst. */
static bool
has_begun(struct scopes *scopes, const struct following *following, struct arena *arena)
{
	struct replica_scope scope;

	return replica_get_scope(scopes->replica, follow_sid(following->follow), arena, &scope) == OK &&
	       scope.phase != REPLICA_IDLE;
}

static int
follow_job(struct worker *worker, struct job *job, struct cmd_run *run, uint64_t *changes_out)
{
	struct scopes                         *scopes = worker->scopes;
	struct account                        *account = job->section->account;
	const struct following_shared          shared = { .lock = &scopes->lock,
		                                          .replica = scopes->replica,
		                                          .signals = scopes->conf.signals,
		                                          .pause = &job->section->host->pause,
		                                          .credential = account->credential ? &account->shared : NULL,
		                                          .sign_in = account->credential,
		                                          .pages = worker->pages,
		                                          .content = &job->content };
	AUTO(following_close) struct following following;
	const struct replica_tally            *tally = &following.last.tally;
	int64_t                                now_ms = clock_mono_ms(run->clock);
	int                                    code = following_join(run, &following, &shared);

	job->section->every_ms = following.every_ms;
	job->resumes = code == EXIT_DONE && has_begun(scopes, &following, run->arena);
	if (code == EXIT_DONE)
		code = scopes->conf.round(&following);
	*changes_out = tally->created + tally->updated + tally->removed + tally->returned;
	if (code != EXIT_DONE || scopes->trim_ms > now_ms)
		return code;
	scopes->trim_ms = now_ms + TRIM_MS;
	return following_trim(&following);
}

/* Two sections may lead to one URL.  The second run finds that the scope is another's, but not in the midst of it. */
static bool
is_taken(const struct scopes *scopes, const struct cmd_run *run)
{
	for (size_t i = 0; i < SCOPES_AT_ONCE; i++) {
		const struct worker *other = &scopes->workers[i];

		if (other->name && (strcmp(other->name, run->label) == 0 || strcmp(other->url, run->args[0]) == 0))
			return true;
	}
	return false;
}

static int
run_job(struct worker *worker, struct job *job, uint64_t *changes_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(RUN_ARENA_MAX);
	struct cmd_run                  run;
	struct account                 *account = job->section->account;
	int                             code = account->code;

	section_run(job->section, job->value, worker->scopes->conf.run, arena, &run);
	run.label = arena_c(arena, section_name(job->section, job->value, arena));
	if (code != EXIT_DONE && job->ended != 0)
		code = account_open(account, worker->scopes->conf.signals);
	if (code != EXIT_DONE)
		return cmd_fail(&run, (enum exit_code)code, "its credential cannot be had");
	TRY_CODE(open_pages(worker, cmd_value(&run, "ca")));
	if (is_taken(worker->scopes, &run))
		return IS_TAKEN;
	worker->name = run.label;
	worker->url = run.args[0];
	code = follow_job(worker, job, &run, changes_out);
	worker->name = worker->url = NULL;
	return code;
}

static void
begin_job(struct scopes *scopes, struct job *job)
{
	job->state = JOB_RUNS;
	job->resumes = false;
	job->began = ++scopes->last_run;
	job->section->host->running++;
	scopes->running++;
}

static void
note_run(struct scopes *scopes, struct job *job, int code, uint64_t changes)
{
	bool is_first = job->ended == 0, is_bad = scopes_rank(code) > scopes_rank(EXIT_EXCEPTIONS);

	job->ended = job->began;
	if (!job->resumes || is_bad)
		job->answers = job->began;
	job->code = code;
	job->changes = job->carried + changes;
	job->carried = job->answers == job->began ? 0 : job->changes;
	scopes->rounds += !is_bad;
	scopes->failures += is_bad;
	scopes->changes += changes;
	scopes->done += is_first;
	scopes->failed += is_first && is_bad;
	scopes_note_code(scopes, code);
}

/* A server tries again whatever it was. */
static void
end_job(struct scopes *scopes, struct job *job, int code, uint64_t changes)
{
	int64_t now_ms = clock_mono_ms(scopes->conf.run->clock);
	bool    is_hopeless = !following_goes_on(code);

	job->section->host->running--;
	scopes->running--;
	job->state = JOB_WAITS;
	job->due_ms = now_ms + TAKEN_MS;
	if (code == IS_TAKEN)
		return;
	job->failures = following_is_failure(code) || is_hopeless ? job->failures + 1 : 0;
	/* Else somebody has asked meanwhile, or it was an old round, and now the new one is due. */
	if (job->asked < job->began && (!job->resumes || job->failures > 0))
		job->due_ms = now_ms + following_pause_ms(job->section->every_ms, job->failures);
	if (!scopes->watches || (is_hopeless && !scopes->conf.store))
		job->state = JOB_ENDED;
	note_run(scopes, job, code, changes);
	if (code == EXIT_DAMAGED || scopes->conf.run->out->failed)
		scopes->stop_code = code == EXIT_DAMAGED ? EXIT_DAMAGED : EXIT_OTHER;
	for (struct section *section = scopes->sections; section; section = section->next)
		if (section->source == job->section && (changes > 0 || section->is_awaited))
			scopes_list(scopes, section);
	if (!job->is_listed) /* it has left during its run, which took the fault away */
		scopes_list(scopes, job->section);
}

static void *
work(void *ctx)
{
	struct worker *worker = ctx;
	struct scopes *scopes = worker->scopes;
	struct job    *job;
	int64_t        wait_ms;
	uint64_t       changes;
	int            code;

	scopes_lock(scopes);
	while (!is_over(scopes)) {
		job = pick(scopes, &wait_ms);
		if (!job) {
			rest(scopes, wait_ms);
			continue;
		}
		begin_job(scopes, job);
		changes = 0;
		code = run_job(worker, job, &changes);
		end_job(scopes, job, code, changes);
		scopes_wake(scopes);
	}
	scopes_wake(scopes);
	scopes_unlock(scopes);
	fetch_close(&worker->pages);
	return NULL;
}

static int
run_threads(struct scopes *scopes)
{
	size_t wanted = scopes->accounts.host_count * SCOPES_PER_HOST, started = 0;

	scopes_lock(scopes);
	for (; started < wanted && started < SCOPES_AT_ONCE; started++) {
		scopes->workers[started].scopes = scopes;
		if (pthread_create(&scopes->workers[started].thread, NULL, work, &scopes->workers[started]) != 0)
			break;
	}
	scopes_unlock(scopes);
	for (size_t i = 0; i < started; i++)
		MUST(pthread_join(scopes->workers[i].thread, NULL) == 0);
	return started > 0 ? EXIT_DONE : console_fail(EXIT_OTHER, "no thread can be started");
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

/* A pause outlives the process that was asked for it. */
static int
read_pauses(struct scopes *scopes)
{
	AUTO(arena_close) struct arena *arena = arena_open(PAUSED_MAX);
	enum err                        err = OK;
	struct str                      value;

	for (struct section *section = scopes->sections; scopes->conf.store && section; section = section->next) {
		err = store_get_kv(scopes->conf.store, SCOPES_PAUSED, section->conf->name, arena, &value);
		if (err != OK && err != ERR_NOT_FOUND)
			return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
		section->is_paused = err == OK;
		arena_reset(arena);
	}
	return EXIT_DONE;
}

int
scopes_open(const struct scopes_conf *conf, struct scopes **scopes_out)
{
	AUTO(scopes_close) struct scopes *scopes = handle_new(sizeof(*scopes));
	struct str                        file = conf->run->conf.file;

	scopes->conf = *conf;
	scopes->replica = conf->replica;
	scopes->watches = cmd_has(conf->run, "watch") || conf->store;
	scopes->code = cmd_has(conf->run, "exit-code") ? EXIT_UNCHANGED : EXIT_DONE;
	scopes->last_run = (uint64_t)clock_wall_ms(conf->run->clock);
	MUST(pthread_mutex_init(&scopes->names_lock, NULL) == 0);
	MUST(pthread_mutex_init(&scopes->lock, NULL) == 0);
	scopes->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	MUST(scopes->wake_fd >= 0);
	TRY_CODE(section_read_all(conf->run, &scopes->sections));
	if (!scopes->sections)
		return console_fail(EXIT_CONFIG,
		                    "%.*s has no [scope \"name\"] section; see `tidemark help tidemark.conf`",
		                    STR_ARG(file.len > 0 ? file : STR("the configuration file")));
	TRY_CODE(accounts_open(conf->run, conf->signals, scopes->sections, &scopes->accounts));
	*scopes_out = scopes;
	scopes = NULL;
	return EXIT_DONE;
}

void
scopes_close(struct scopes **scopes)
{
	struct scopes *closing = *scopes;

	if (!closing)
		return;
	for (struct section *section = closing->sections; section; section = section->next) {
		scopes_take_values(closing, section, &(struct section_values){ NULL, 0 });
		free(section->names);
	}
	accounts_close(&closing->accounts);
	if (!closing->conf.replica)
		replica_close(&closing->replica);
	file_close(&closing->wake_fd);
	(void)pthread_mutex_destroy(&closing->names_lock);
	(void)pthread_mutex_destroy(&closing->lock);
	free(closing);
	*scopes = NULL;
}

int
scopes_run(struct scopes *scopes)
{
	TRY_CODE(read_pauses(scopes));
	if (!scopes->replica)
		TRY_CODE(following_make(scopes->conf.run, NULL, &scopes->replica));
	scopes_lock(scopes);
	scopes_list_first(scopes);
	scopes->is_listed = true;
	scopes_unlock(scopes);
	TRY_CODE(run_threads(scopes));
	if (signals_came(scopes->conf.signals))
		return signals_code(scopes->conf.signals);
	if (scopes->stop_code != EXIT_DONE)
		return scopes->stop_code;
	console_say("%u scopes: %u caught up, %u failed", scopes->done, scopes->done - scopes->failed, scopes->failed);
	return scopes->code;
}

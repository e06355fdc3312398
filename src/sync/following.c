/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/following.h"

#include "resource/family.h"
#include "resource/resource.h"
#include "sync/owner.h"
#include "text/date.h"

#define EVERY_USUAL     ((int64_t)60 * 1000)
#define PAUSE_MIN       ((int64_t)1000)        /* before a try of --watch after a failure */
#define PAUSE_MAX       ((int64_t)1800 * 1000) /* between two tries of --watch, unless --every is longer */
#define KEEP_USUAL      ((int64_t)30 * 24 * 3600 * 1000)
#define CONTENT_USUAL   ((int64_t)3600 * 1000)
#define KEEP_ACKED      ((int64_t)24 * 3600 * 1000) /* a day, so that a reader can still go back */
#define GUARD_PERCENT   30
#define GUARD_AT_LEAST  20
#define PROGRESS_MS     30000 /* between two lines about the progress of one of many runs */
#define SCOPE_ARENA_MAX ((size_t)256 << 10)

/* Leaves *ms alone if the option is not given. */
static int
read_time(const struct cmd_run *run, const char *option, int64_t *ms)
{
	const char *text = cmd_value(run, option);
	int64_t     seconds;

	if (!text)
		return EXIT_DONE;
	if (!date_parse_duration(str_from_c(text), &seconds))
		return cmd_usage(run, "--%s: \"%s\" is not a time like 30s, 5m or 2h", option, text);
	*ms = seconds * 1000;
	return EXIT_DONE;
}

static int
read_page_size(const struct cmd_run *run, uint32_t *size)
{
	const char *text = cmd_value(run, "page-size");
	uint64_t    number;

	*size = family_of_url(str_from_c(run->args[0]))->page_size;
	if (!text)
		return EXIT_DONE;
	if (!str_to_u64(str_from_c(text), &number) || number < 1 || number > 100000)
		return cmd_usage(run, "--page-size: \"%s\" is not a number from 1 to 100000", text);
	*size = (uint32_t)number;
	return EXIT_DONE;
}

static int
read_guard(const struct cmd_run *run, struct replica_guard *guard)
{
	const char *text = cmd_value(run, "max-delete");
	struct str  number = str_from_c(text);
	uint64_t    percent;

	*guard = (struct replica_guard){ GUARD_PERCENT, GUARD_AT_LEAST };
	if (!text)
		return EXIT_DONE;
	if (str_ends(number, STR("%")))
		number.len--;
	if (!str_to_u64(number, &percent) || percent > 100)
		return cmd_usage(run, "--max-delete: \"%s\" is not a part like 30%%, at most 100%%", text);
	guard->percent = (uint32_t)percent;
	return EXIT_DONE;
}

static int
read_options(struct following *following)
{
	struct cmd_run     *run = following->run;
	struct follow_conf *conf = &following->conf;

	conf->url = str_from_c(run->args[0]);
	conf->name = str_from_c(cmd_value(run, "scope"));
	conf->from_now = cmd_has(run, "from-now");
	conf->replace = cmd_has(run, "replace");
	conf->merge = cmd_has(run, "merge");
	if (conf->replace && conf->merge)
		return cmd_usage(run, "--replace and --merge exclude each other");
	conf->resync = cmd_has(run, "resync") || (cmd_has(run, "repair") && !following->is_scratch);
	following->goes_on = cmd_has(run, "watch") || cmd_has(run, "follow");
	conf->page_size_is_fixed = cmd_has(run, "page-size");
	conf->max_wait_ms = FOLLOWING_MAX_WAIT;
	following->every_ms = EVERY_USUAL;
	following->keep_ms = KEEP_USUAL;
	following->content_ms = CONTENT_USUAL;
	MUST(conf_size(conf_get(&run->conf, CONF_MAX_CONTENT), &following->content_size));
	if (cmd_has(run, "scope") && conf->name.len == 0)
		return cmd_usage(run, "--scope: a name is needed");
	TRY_CODE(read_page_size(run, &conf->page_size));
	TRY_CODE(read_guard(run, &conf->guard));
	TRY_CODE(read_time(run, "max-wait", &conf->max_wait_ms));
	TRY_CODE(read_time(run, "every", &following->every_ms));
	TRY_CODE(read_time(run, "content-time", &following->content_ms));
	return read_time(run, "keep-changes", &following->keep_ms);
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static bool
is_unwanted(void *ctx)
{
	struct following *following = ctx;

	return atomic_load(&following->unwanted) || (following->is_alone && signals_came(following->signals));
}

static int
open_source(struct following *following)
{
	struct cmd_run *run = following->run;

	TRY_CODE(credential_fetch(run, signals_came, following->signals, &following->curl));
	TRY_CODE(credential_fetch(run, is_unwanted, following, &following->pages));
	TRY_CODE(credential_open(run, following->signals, &following->credential));
	if (!following->credential)
		return EXIT_DONE;
	following->bearer = credential_bearer(following->credential);
	following->conf.bearer = &following->bearer;
	return EXIT_DONE;
}

/* The file of fetched pages is beside the store, which this process has locked. */
static void
open_prefetch(struct following *following, const char *scratch_path)
{
	struct arena               *arena = following->run->arena;
	struct str                  store = scratch_path ? str_from_c(scratch_path)
	                                                 : str_skip(conf_get(&following->run->conf, CONF_STORE), 7);
	struct follow_prefetch_conf conf = { .url = following->conf.url,
		                             .source = &following->page_source,
		                             .unwanted = &following->unwanted,
		                             .stopped = signals_came,
		                             .stopped_ctx = following->signals };
	enum err                    err;

	conf.is_passing = scratch_path != NULL;
	conf.path = arena_c(arena, arena_printf(arena, "%.*s.ahead", STR_ARG(store)));
	following->http.fetch = following->pages;
	following->page_source = follow_http_source(&following->http);
	following->conf.source = &following->page_source;
	err = follow_prefetch_open(&conf, &following->prefetch);
	if (err == ERR_IO)
		console_say("warning: pages are fetched one by one, because %s cannot be used", conf.path);
	following->is_alone = err != OK;
	if (err != OK)
		return;
	following->source = follow_prefetch_source(following->prefetch);
	following->conf.source = &following->source;
}

static int
open_follow(struct following *following)
{
	char     why[512];
	enum err err = follow_open(&following->conf, following->replica, &following->follow, why);

	if (err == OK)
		return EXIT_DONE;
	if (err == ERR_NOT_ALLOWED)
		return cmd_fail(following->run, EXIT_REFUSED, "%s; %s, that one's data gets a scope of its own", why,
		                following->run->label ? "in a section of another name"
		                                      : "without --scope, or with another name");
	if (err == ERR_CONFLICT && following->owner_err)
		return cmd_fail(following->run, following->owner_err == ERR_BUSY ? EXIT_AGAIN : EXIT_REFUSED, "%s",
		                why);
	if (err == ERR_BAD_REQUEST || err == ERR_CONFLICT)
		return cmd_usage(following->run, "%s", why);
	return following_failed(following->run, following->replica, err);
}

/* What is given replaces what the scope has; without it the scope's own count. */
static int
keep_prefer(struct following *following)
{
	struct cmd_run       *run = following->run;
	int64_t               sid = follow_sid(following->follow);
	struct replica_asking asking;
	enum err              err;

	if (following->is_scratch && !cmd_has(run, "prefer"))
		return EXIT_DONE;
	err = replica_get_asking(following->replica, sid, run->arena, &asking);
	if (!cmd_has(run, "prefer"))
		following->http.prefer = err == OK ? asking.prefer : STR_EMPTY;
	else if (err == OK && !str_eq(asking.prefer, following->http.prefer))
		err = replica_set_prefer(following->replica, sid, following->http.prefer);
	return err == OK ? EXIT_DONE : following_failed(run, following->replica, err);
}

/* The first of many runs with the credential of a person waits until that person has signed in. */
static int
sign_in(const struct following *following)
{
	const struct following_shared *shared = following->shared;
	int                            code;

	if (!shared)
		return credential_sign_in(following->credential);
	MUST(pthread_mutex_unlock(shared->lock) == 0 && pthread_mutex_lock(&shared->credential->lock) == 0);
	code = credential_sign_in(shared->sign_in);
	MUST(pthread_mutex_unlock(&shared->credential->lock) == 0 && pthread_mutex_lock(shared->lock) == 0);
	return code;
}

/* Whose data a URL of /me means is known before its scope is chosen. */
static int
set_out(struct following *following)
{
	bool is_mine = owner_matters(following);

	if (is_mine) {
		TRY_CODE(sign_in(following));
		owner_learn(following);
	}
	TRY_CODE(open_follow(following));
	TRY_CODE(keep_prefer(following));
	owner_report(following);
	return following->conf.bearer && !is_mine ? sign_in(following) : EXIT_DONE;
}

int
following_open(struct cmd_run *run, struct following *following, const char *scratch_path)
{
	*following = (struct following){ .run = run, .is_scratch = scratch_path != NULL };
	following->conf.clock = run->clock;
	following->conf.entropy = run->entropy;
	following->signals = &following->own_signals;
	signals_open(following->signals);
	progress_open(&following->progress, run->clock);
	TRY_CODE(asking_read_url(run));
	TRY_CODE(read_options(following));
	TRY_CODE(asking_read(run, &following->http));
	TRY_CODE(open_source(following));
	TRY_CODE(following_make(run, scratch_path, &following->replica));
	open_prefetch(following, scratch_path);
	TRY_CODE(following->is_scratch ? owner_of_copied(following) : EXIT_DONE);
	return set_out(following);
}

static struct fetch_bearer *
lend_credential(struct following *following)
{
	following->bearer = follow_share_bearer(following->share);
	return &following->bearer;
}

int
following_join(struct cmd_run *run, struct following *following, const struct following_shared *shared)
{
	struct follow_share_conf conf = { .lock = shared->lock,
		                          .source = &following->page_source,
		                          .credential = shared->credential,
		                          .pause = shared->pause,
		                          .clock = run->clock,
		                          .stopped = signals_came,
		                          .stopped_ctx = shared->signals };

	*following = (struct following){ .run = run, .shared = shared, .replica = shared->replica };
	following->signals = shared->signals;
	following->progress = (struct progress){ .clock = run->clock, .started_ms = clock_mono_ms(run->clock) };
	following->shown_ms = following->progress.started_ms;
	following->trims_later = true;
	TRY_CODE(asking_read_url(run));
	TRY_CODE(read_options(following));
	conf.max_wait_ms = following->conf.max_wait_ms;
	following->curl = following->http.fetch = shared->pages;
	following->page_source = follow_http_source(&following->http);
	following->share = follow_share_open(&conf);
	following->source = follow_share_source(following->share);
	following->conf.clock = run->clock;
	following->conf.entropy = run->entropy;
	following->conf.source = &following->source;
	following->conf.pause = shared->pause;
	following->conf.bearer = shared->credential ? lend_credential(following) : NULL;
	following->conf.name = str_from_c(run->label);
	following->goes_on = true; /* `status` shows a new scope that is refused */
	TRY_CODE(asking_read(run, &following->http));
	return set_out(following);
}

/* Is a round under way that may use fetched pages? Yes, if that cannot be read. */
static bool
is_in_round(struct following *following)
{
	AUTO(arena_close) struct arena *arena = arena_open(SCOPE_ARENA_MAX);
	struct replica_scope            scope;
	enum err                        err;

	if (!following->follow)
		return true;
	err = replica_get_scope(following->replica, follow_sid(following->follow), arena, &scope);
	return err == OK ? scope.phase == REPLICA_ROUND : err != ERR_NOT_FOUND;
}

void
following_close(struct following *following)
{
	progress_close(&following->progress);
	if (following->prefetch && !is_in_round(following))
		follow_prefetch_drop(following->prefetch);
	follow_close(&following->follow);
	follow_share_close(&following->share);
	if (following->shared)
		return;
	credential_close(&following->credential);
	follow_prefetch_close(&following->prefetch);
	fetch_close(&following->pages);
	fetch_close(&following->curl);
	replica_close(&following->replica);
	signals_close(following->signals);
}

/* ---- a round ------------------------------------------------------------------------------------------- */

static void
show_progress(struct following *following, const struct follow_report *report)
{
	int64_t elapsed_ms = progress_elapsed_ms(&following->progress);
	int64_t now_ms = clock_mono_ms(following->run->clock);

	if (following->shared && now_ms - following->shown_ms >= PROGRESS_MS) {
		following->shown_ms = now_ms;
		cmd_say(following->run, "%llu items, %llu pages so far", (unsigned long long)report->items,
		        (unsigned long long)report->pages);
	}
	if (!progress_due(&following->progress))
		return;
	progress_show(&following->progress, "%llu items, %llu pages, %llu items/s, %.1f s throttled",
	              (unsigned long long)report->items, (unsigned long long)report->pages,
	              (unsigned long long)(report->items * 1000 / (uint64_t)(elapsed_ms > 0 ? elapsed_ms : 1)),
	              (double)following->throttled_ms / 1000);
}

static void
sleep_for(struct following *following, int64_t ms)
{
	if (following->shared)
		MUST(pthread_mutex_unlock(following->shared->lock) == 0);
	signals_sleep(following->signals, following->run->clock, ms);
	if (following->shared)
		MUST(pthread_mutex_lock(following->shared->lock) == 0);
}

static void
wait_out(struct following *following, const struct follow_report *report)
{
	progress_close(&following->progress);
	cmd_say(following->run, "%s; waiting %.1f s", report->why, (double)report->wait_ms / 1000);
	if (report->throttled)
		following->throttled_ms += (uint64_t)report->wait_ms;
	sleep_for(following, report->wait_ms);
}

/* A new scope that is refused, or whose host gives no answer, is removed again. Of others `status` tells. */
static enum err
drop_if_wrong(struct following *following)
{
	const struct follow_report *report = &following->last;
	bool                        is_final = report->next == FOLLOW_REFUSED || report->next == FOLLOW_BROKEN;

	return !following->goes_on && (is_final || report->unanswered) ? follow_give_up(following->follow) : OK;
}

int
following_stopped(struct following *following)
{
	enum err err = drop_if_wrong(following);

	progress_close(&following->progress);
	if (err != OK)
		return following_failed(following->run, following->replica, err);
	cmd_say(following->run, "stopped by a signal; the next run goes on from here");
	return signals_code(following->signals);
}

static int
ended(struct following *following, const struct follow_report *report)
{
	enum exit_code code = EXIT_PERMANENT;
	enum err       err;

	progress_close(&following->progress);
	if (report->next == FOLLOW_REFUSED)
		code = EXIT_REFUSED;
	else if (report->next == FOLLOW_TROUBLED)
		code = EXIT_AGAIN;
	else if (report->next == FOLLOW_GUARDED)
		code = EXIT_GUARDED;
	err = replica_note_fault(following->replica, follow_sid(following->follow), str_from_c(report->why),
	                         clock_wall_ms(following->run->clock));
	if (err == OK)
		err = drop_if_wrong(following);
	if (err != OK)
		return following_failed(following->run, following->replica, err);
	return cmd_fail(following->run, code, "%s", report->why);
}

int
following_trim(struct following *following)
{
	int64_t             now_ms = clock_wall_ms(following->run->clock);
	struct replica_keep keep = { now_ms - KEEP_ACKED, now_ms - following->keep_ms };
	bool                done = false;
	enum err            err = OK;

	while (err == OK && !done && !signals_came(following->signals))
		err = replica_trim(following->replica, &keep, &done);
	return err == OK ? EXIT_DONE : following_failed(following->run, following->replica, err);
}

/* Deletes what the round leaves behind, until a signal comes. */
static int
caught_up(struct following *following)
{
	bool     done = false;
	enum err err = replica_note_fault(following->replica, follow_sid(following->follow), STR_EMPTY, 0);

	while (err == OK && !done && !signals_came(following->signals))
		err = replica_sweep(following->replica, &done);
	progress_close(&following->progress);
	if (err != OK)
		return following_failed(following->run, following->replica, err);
	return following->trims_later ? EXIT_DONE : following_trim(following);
}

int
following_round(struct following *following)
{
	struct follow_report *report = &following->last;
	enum err              err;

	for (;;) {
		if (signals_came(following->signals))
			return following_stopped(following);
		err = follow_step(following->follow, report);
		if (err != OK) {
			progress_close(&following->progress);
			return following_failed(following->run, following->replica, err);
		}
		if (signals_came(following->signals))
			return following_stopped(following);
		switch (report->next) {
		case FOLLOW_AGAIN:
		case FOLLOW_STARTED_OVER:
			if (report->why[0]) {
				progress_close(&following->progress);
				cmd_say(following->run, "%s", report->why);
			}
			show_progress(following, report);
			break;
		case FOLLOW_WAIT:
			wait_out(following, report);
			break;
		case FOLLOW_CAUGHT_UP:
			return caught_up(following);
		case FOLLOW_REFUSED:
		case FOLLOW_TROUBLED:
		case FOLLOW_BROKEN:
		case FOLLOW_GUARDED:
			return ended(following, report);
		}
	}
}

/* After dead letters the next round is due as usual. */
bool
following_is_failure(int code)
{
	return code == EXIT_REFUSED || code == EXIT_AGAIN || code == EXIT_PERMANENT || code == EXIT_GUARDED;
}

int64_t
following_pause_ms(int64_t every_ms, unsigned failures)
{
	int64_t pause_ms = failures > 0 && every_ms < PAUSE_MIN ? PAUSE_MIN : every_ms;

	for (unsigned i = 1; i < failures && pause_ms < PAUSE_MAX; i++)
		pause_ms *= 2;
	if (pause_ms > PAUSE_MAX && pause_ms > every_ms)
		pause_ms = every_ms > PAUSE_MAX ? every_ms : PAUSE_MAX;
	return pause_ms;
}

int
following_rest(struct following *following, int last_code)
{
	int64_t pause_ms;

	following->failures = following_is_failure(last_code) ? following->failures + 1 : 0;
	pause_ms = following_pause_ms(following->every_ms, following->failures);
	if (following->failures > 0)
		cmd_say(following->run, "the next try is in %.0f s", (double)pause_ms / 1000);
	signals_sleep(following->signals, following->run->clock, pause_ms);
	return signals_came(following->signals) ? following_stopped(following) : EXIT_DONE;
}

bool
following_goes_on(int code)
{
	return code == EXIT_DONE || code == EXIT_EXCEPTIONS || code == EXIT_UNCHANGED || following_is_failure(code);
}

int
following_verdict(struct following *following)
{
	AUTO(arena_close) struct arena *arena = arena_open(SCOPE_ARENA_MAX);
	const struct replica_tally     *tally = &following->last.tally;
	struct replica_scope            scope;
	enum err                        err;

	err = replica_get_scope(following->replica, follow_sid(following->follow), arena, &scope);
	if (err != OK)
		return following_failed(following->run, following->replica, err);
	if (scope.letters > 0) {
		cmd_say(following->run,
		        "%llu items could not be stored; `tidemark status` lists them, `tidemark retry` tries again",
		        (unsigned long long)scope.letters);
		return EXIT_EXCEPTIONS;
	}
	if (following->content_refused > 0 || following->last.gap)
		return EXIT_EXCEPTIONS;
	if (cmd_has(following->run, "exit-code") &&
	    tally->created + tally->updated + tally->removed + tally->returned == 0)
		return EXIT_UNCHANGED;
	return EXIT_DONE;
}

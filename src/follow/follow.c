/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step of a follower.
 *
 *             begin_round                    the deltaLink's page
 *      IDLE ---------------> ROUND ---------------------------------> SETTLING
 *       ^                    |  ^                                        |
 *       |   a bad round:     |  | 200: a page and its link, staged       | one commit: the view, the numbers,
 *       |   dropped          |  +-- 429, 5xx, cut: wait, try again       | the link for the next round
 *       +--------------------+  +-- 401: get a new credential            |
 *       |                       +-- 410: the round again, then a RESYNC  |
 *       +----------------------------------------------------------------+
 *
 * The replica stores the phase.  This file's own state (tries, waits, the cycle check) may be lost at any moment.
 */
#include "follow/follow.h"

#include <stdarg.h>
#include <stdlib.h>

#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "fetch/fetch_wait.h"
#include "follow/follow_cycle.h"
#include "follow/follow_merge.h"
#include "follow/follow_page.h"
#include "follow/follow_scope.h"
#include "resource/family.h"
#include "resource/scope_name.h"

#define STEP_ARENA_MAX ((size_t)128 << 20)
#define CONF_ARENA_MAX ((size_t)128 << 10)
#define SHRINK_FROM    200 /* the first page size to halve if none was requested */
#define SECRET_INSIDE  "it holds the credential it was asked for with; its text is not kept"
#define RAW_KEPT_MAX   4096 /* bytes of an item that is too large for a dead letter */

struct follow {
	struct follow_conf  conf;
	struct replica     *replica;
	struct arena       *lasting, *page;
	struct fetch_origin origin;

	const struct resource *resource; /* what the URL lists */
	struct str             rule;     /* of its items: follow_scope_rule() */

	struct follow_pause own_pause;
	int64_t             sid;

	unsigned            tries;          /* failures of this page in a row */
	int64_t             since_ms;       /* monotonic; start of the first try, if tries > 0 */
	uint32_t            page_size;      /* may have shrunk */
	bool                bearer_refused; /* the last answer was 401 */
	bool                round_again;    /* this run has repeated a round from its own link … */
	bool                started_over;   /* … and has requested everything again */
	bool                warned;         /* … and has said that removals cannot be seen */
	struct follow_cycle cycle;
};

/* What the functions of one step share. */
struct step {
	struct follow        *follow;
	struct replica_scope  scope;
	struct follow_report *report;
};

static const struct fetch_secrets *
secrets_of(const struct follow *follow)
{
	return follow->conf.bearer ? follow->conf.bearer->secrets : NULL;
}

/* Every text that a step reports passes here, and secrets in it are masked. */
static enum err PRINTF_LIKE(3, 4) end_step(struct step *step, enum follow_next next, const char *fmt, ...)
{
	va_list list;

	step->report->next = next;
	va_start(list, fmt);
	(void)str_vprintf(step->report->why, sizeof(step->report->why), fmt, list);
	va_end(list);
	fetch_secrets_mask(secrets_of(step->follow), step->report->why, strlen(step->report->why));
	return OK;
}

/* Drops the round, so that the next run does not meet the same fault again. */
static enum err
drop(struct step *step, const char *what)
{
	TRY(replica_drop_round(step->follow->replica, step->scope.sid));
	return end_step(step, FOLLOW_BROKEN, "the round is dropped: %s; the view stays as it was", what);
}

/* Counts from the start of the first failed try, so slow requests count as waiting too. */
static int64_t
left_ms(const struct follow *follow)
{
	return follow->conf.max_wait_ms - (clock_mono_ms(follow->conf.clock) - follow->since_ms);
}

static enum err
wait_for(struct step *step, int64_t ms, bool throttled, const char *why)
{
	struct follow *follow = step->follow;

	if (ms > left_ms(follow))
		return end_step(step, FOLLOW_TROUBLED, "%s; waiting %.1f s more would be too long (see --max-wait)",
		                why, (double)ms / 1000);
	if (throttled)
		TRY(replica_note_pause(follow->replica, step->scope.sid, ms));
	follow->conf.pause->until_mono_ms = clock_mono_ms(follow->conf.clock) + ms;
	step->report->wait_ms = ms;
	step->report->throttled = throttled;
	return end_step(step, FOLLOW_WAIT, "%s", why);
}

/* A page that misses a deadline may arrive in time if it is smaller. */
static void
shrink_page(struct follow *follow)
{
	if (follow->tries < 2)
		return;
	if (follow->page_size == 0)
		follow->page_size = SHRINK_FROM;
	else if (follow->page_size > 1)
		follow->page_size /= 2;
}

static enum err
try_later(struct step *step, const struct follow_response *response, const char *why)
{
	struct follow *follow = step->follow;
	int64_t        requested_ms = -1, own_ms;
	bool           throttled;

	if (response)
		requested_ms = fetch_wait_requested(response->retry_after,
		                                    follow->conf.clock->wall_ns(follow->conf.clock->ctx));
	throttled = requested_ms >= 0 || (response && response->status == 429);
	follow->tries++;
	if (!throttled) {
		if (follow->tries >= follow->conf.limits.tries_max)
			return end_step(step, FOLLOW_TROUBLED, "%s; tried %u times", why, follow->tries);
		shrink_page(follow);
	}
	if (requested_ms >= FETCH_WAIT_MAX_MS)
		return end_step(step, FOLLOW_TROUBLED,
		                "%s; it asks to stay away for longer than %lld s (see --max-wait)", why,
		                (long long)FETCH_WAIT_MAX_MS / 1000);
	if (requested_ms >= 0 && requested_ms > left_ms(follow))
		return end_step(step, FOLLOW_TROUBLED,
		                "%s; it asks to stay away for %.1f s, which would be too long (see --max-wait)", why,
		                (double)requested_ms / 1000);
	/* A remote that answers "Retry-After: 0" every time still gets longer and longer pauses. */
	own_ms = fetch_wait_own(follow->tries);
	return wait_for(step, fetch_wait_jitter(requested_ms > own_ms ? requested_ms : own_ms, follow->conf.entropy),
	                throttled, why);
}

static enum err
begin(struct step *step, enum replica_kind kind, struct str link)
{
	struct follow *follow = step->follow;

	follow->cycle = (struct follow_cycle){ 0 };
	return replica_begin_round(follow->replica, step->scope.sid, kind, link, clock_wall_ms(follow->conf.clock));
}

/* A run that goes on may start over again in its next round. */
static enum err
end_start_over(struct step *step, const struct follow_response *response)
{
	step->follow->round_again = step->follow->started_over = false;
	TRY(replica_drop_round(step->follow->replica, step->scope.sid));
	return end_step(step, FOLLOW_TROUBLED, "the far end has forgotten our place twice in one run (%u)",
	                response->status);
}

/* The remote no longer knows the link of a later page; it may still know that of the first page. */
static bool
may_repeat_round(const struct step *step, const struct follow_response *response)
{
	return step->scope.kind == REPLICA_NEXT && step->scope.round_pages > 0 && response->location.len == 0 &&
	       !step->follow->round_again;
}

static enum err
repeat_round(struct step *step, const struct follow_response *response)
{
	step->follow->round_again = true;
	step->follow->tries = 0;
	TRY(begin(step, REPLICA_NEXT, step->scope.delta_link));
	return end_step(step, FOLLOW_AGAIN,
	                "the far end no longer knows a page of this round (%u): the round begins anew",
	                response->status);
}

/* A feed that lists nothing cannot be read again: what changed since the saved link stays unknown. */
static enum err
start_from_now(struct step *step, const struct follow_response *response)
{
	step->follow->started_over = true;
	step->follow->tries = 0;
	TRY(begin(step, REPLICA_GAP, step->follow->conf.url));
	return end_step(step, FOLLOW_STARTED_OVER,
	                "the far end no longer knows our place (%u): the changes since then are lost, and the scope "
	                "goes on from now; its items stay",
	                response->status);
}

static enum err
start_over(struct step *step, const struct follow_response *response)
{
	struct follow    *follow = step->follow;
	enum replica_kind kind = step->scope.rounds > 0 ? REPLICA_RESYNC : REPLICA_FIRST;
	struct str        link = follow->conf.url;
	const char       *why;

	if (may_repeat_round(step, response))
		return repeat_round(step, response);
	if (follow->started_over)
		return end_start_over(step, response);
	if (step->scope.rounds > 0 && follow_scope_lists_nothing(&step->scope, follow->resource))
		return start_from_now(step, response);
	if (response->location.len > 0) {
		link = response->location;
		if (link.len > 1 && link.at[0] == '/' && link.at[1] != '/')
			link = arena_printf(follow->page, "%.*s%.*s", STR_ARG(fetch_origin_text(follow->conf.url)),
			                    STR_ARG(link));
		why = "holds the credential; it is neither kept nor followed";
		if (fetch_secrets_stand_in_link(secrets_of(follow), link, follow->page) ||
		    !fetch_link_is_good(&follow->origin, link, &why)) {
			TRY(replica_drop_round(follow->replica, step->scope.sid));
			return end_step(step, FOLLOW_BROKEN, "the Location of the answer %u %s", response->status, why);
		}
	}
	follow->started_over = true;
	follow->tries = 0;
	TRY(begin(step, kind, link));
	return end_step(step, FOLLOW_STARTED_OVER,
	                "the far end no longer knows our place (%u): everything is asked for anew", response->status);
}

static enum err
stage(struct step *step, struct follow_page *page)
{
	struct follow     *follow = step->follow;
	struct replica    *replica = follow->replica;
	struct follow_item item;
	enum err           err;
	bool               holds_secret = fetch_secrets_stand_in(secrets_of(follow), page->body);

	replica_begin_page(replica, step->scope.sid);
	while (follow_page_next(page, follow->page, &item)) {
		if (holds_secret && fetch_secrets_stand_in(secrets_of(follow), item.body))
			replica_put_dead_letter(replica, STR_EMPTY, STR(SECRET_INSIDE),
			                        follow_page_trace(page, &item, step->scope.round_pages + 1,
			                                          secrets_of(follow), follow->page));
		else if (!item.fault)
			follow_item_put(replica, &item, follow->page);
		else
			replica_put_dead_letter(replica, item.id, str_from_c(item.fault),
			                        item.received.len <= STORE_BODY_MAX
			                                ? item.received
			                                : str_cut(item.received, RAW_KEPT_MAX));
		step->report->items++;
	}
	err = replica_end_page(replica, page->link, page->is_last);
	if (err == ERR_TOO_LARGE)
		return drop(step, "more items than the ledger of dead letters can hold cannot be stored");
	TRY(err);
	step->report->pages++;
	follow->tries = 0;
	return end_step(
		step, FOLLOW_AGAIN, "%s",
		page->is_last && follow_link_says_latest(page->link)
			? "the deltaLink says \"latest\": each round begins at its own moment, and what changes "
			  "between two rounds is not seen"
			: "");
}

/* Why the round would never end; NULL for no reason. */
static const char *
cycle_in(struct step *step, const struct follow_page *page)
{
	struct follow              *follow = step->follow;
	const struct follow_limits *limits = &follow->conf.limits;

	if (page->is_last)
		return NULL;
	if (str_eq(page->link, step->scope.round_link))
		return "a page's nextLink is the link it was fetched by";
	if (step->scope.round_pages + 1 >= limits->pages_max)
		return "it has more pages than a round may have";
	if (clock_wall_ms(follow->conf.clock) - step->scope.round_started_ms > limits->round_max_ms)
		return "it has not ended for too long";
	return follow_cycle_note(&follow->cycle, page->link, page->hash, limits->empty_pages_max);
}

static enum err
take_page(struct step *step, const struct follow_response *response)
{
	struct follow     *follow = step->follow;
	struct follow_page page;
	struct str         why;
	const char        *bad;

	if (response->page)
		page = *response->page;
	else if (follow_page_read(response->body, follow->page, &page, &why) != OK)
		return end_step(step, FOLLOW_BROKEN, "the answer is no page of a delta round: %.*s", STR_ARG(why));
	if (!fetch_link_is_good(&follow->origin, page.link, &bad))
		return end_step(step, FOLLOW_BROKEN, "the %s of the page %s; it is not followed",
		                page.is_last ? "deltaLink" : "nextLink", bad);
	if (fetch_secrets_stand_in_link(secrets_of(follow), page.link, follow->page))
		return end_step(step, FOLLOW_BROKEN,
		                "the %s of the page holds the credential; it is neither kept nor followed",
		                page.is_last ? "deltaLink" : "nextLink");
	page.resource = follow->resource;
	bad = cycle_in(step, &page);
	if (bad)
		return drop(step, bad);
	return stage(step, &page);
}

static bool
is_passing(unsigned status)
{
	return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

static enum err
take_error(struct step *step, const struct follow_response *response, struct str text)
{
	struct follow *follow = step->follow;

	if (response->status == 401 && follow->conf.bearer && !follow->bearer_refused) {
		follow->bearer_refused = true;
		return end_step(step, FOLLOW_AGAIN, "the far end refuses the credential (401): it is read once more");
	}
	follow->bearer_refused = false;
	return end_step(step, FOLLOW_REFUSED, "the far end answers %u (%s)%s%.*s", response->status,
	                response->status == 401 ? "not authenticated" : "not allowed", text.len ? ": " : "",
	                STR_ARG(text));
}

static enum err
take_response(struct step *step, const struct follow_response *response)
{
	struct follow *follow = step->follow;
	bool           has_state = !str_eq(step->scope.round_link, step->scope.url);
	struct str     text;
	const char    *why;

	if (response->status == 200) {
		follow->bearer_refused = false;
		return take_page(step, response);
	}
	text = follow_error_text(response->body, follow->page);
	if (response->status == 401 || response->status == 403)
		return take_error(step, response, text);
	if (follow_says_gone(response->status, response->body, has_state, follow->page))
		return start_over(step, response);
	why = arena_c(follow->page, arena_printf(follow->page, "the far end answers %u%s%.*s", response->status,
	                                         text.len ? ": " : "", STR_ARG(text)));
	if (is_passing(response->status))
		return try_later(step, response, why);
	if (response->status >= 300 && response->status < 400 && response->status != 304)
		return end_step(step, FOLLOW_BROKEN,
		                "%s, a redirect; those are not followed, since the credential would go along", why);
	/* The remote will always refuse this link, so the next run must not use it. */
	if (response->status == 400 && step->scope.round_pages > 0)
		return drop(step, why);
	return end_step(step, FOLLOW_BROKEN, "%s", why);
}

static enum err
send_request(struct step *step)
{
	struct follow         *follow = step->follow;
	struct follow_request  request = { .position = { step->scope.sid, step->scope.round_started_ms,
		                                         step->scope.round_pages },
		                           .link = step->scope.round_link,
		                           .bearer = STR_EMPTY,
		                           .page_size = follow->page_size };
	struct follow_response response = { 0 };
	struct str             why = STR_EMPTY;
	const char            *bad;
	enum err               err = OK;

	/* The link was checked when it arrived, but the store's file may have been changed since. */
	if (!fetch_link_is_good(&follow->origin, request.link, &bad))
		return end_step(step, FOLLOW_BROKEN, "the saved link %s", bad);
	if (follow->tries == 0)
		follow->since_ms = clock_mono_ms(follow->conf.clock);
	if (follow->conf.bearer)
		err = follow->conf.bearer->get(follow->conf.bearer->ctx, follow->bearer_refused, follow->page,
		                               &request.bearer, &why);
	if (err == ERR_BUSY)
		return try_later(step, NULL, arena_c(follow->page, why));
	if (err != OK)
		return end_step(step, err == ERR_UP_REFUSED ? FOLLOW_BROKEN : FOLLOW_REFUSED, "no credential: %.*s",
		                STR_ARG(why));
	err = follow->conf.source->fetch(follow->conf.source->ctx, &request, follow->page, &response, &why);
	if (err == OK)
		return take_response(step, &response);
	if (err == ERR_BUSY)
		return try_later(step, NULL, arena_c(follow->page, why));
	return end_step(step, FOLLOW_BROKEN, "%.*s", STR_ARG(why));
}

/* ---- settling ------------------------------------------------------------------------------- */

static enum err
settle(struct step *step)
{
	struct follow        *follow = step->follow;
	struct follow_rule    rule;
	struct replica_merger merger = follow_merger(&rule);
	bool                  done;
	enum err              err;

	step->report->gap = step->scope.kind == REPLICA_GAP;
	follow_rule_open(&rule, follow->resource, step->scope.updates);
	err = replica_settle(follow->replica, step->scope.sid, &merger, &follow->conf.guard,
	                     clock_wall_ms(follow->conf.clock), &step->report->tally, &done);
	follow_rule_close(&rule);
	if (err == ERR_NOT_ALLOWED)
		return end_step(step, FOLLOW_GUARDED,
		                "the new listing lacks %llu of %llu items, more than --max-delete %u%% allows; the "
		                "view stays as it "
		                "was. If they are really gone, run again with --max-delete 100%%",
		                (unsigned long long)step->report->tally.swept,
		                (unsigned long long)step->report->tally.items, follow->conf.guard.percent);
	TRY(err);
	if (!done)
		return end_step(step, FOLLOW_AGAIN, "%s", "");
	follow->round_again = follow->started_over = false;
	return end_step(step, FOLLOW_CAUGHT_UP, "%s", "");
}

static enum err
begin_or_sweep(struct step *step)
{
	struct follow *follow = step->follow;
	bool           done;

	TRY(replica_sweep(follow->replica, &done));
	if (!done)
		return end_step(step, FOLLOW_AGAIN, "%s", "");
	if (!follow->warned && follow_url_hides_removals(follow->conf.url, follow->resource)) {
		follow->warned = true;
		return end_step(step, FOLLOW_AGAIN,
		                "the $select of the URL leaves `deleted` out: removals are not seen");
	}
	if (step->scope.rounds == 0) {
		TRY(begin(step, REPLICA_FIRST, follow->conf.url));
	} else if (!str_eq(step->scope.rule, follow->rule) &&
	           !follow_scope_lists_nothing(&step->scope, follow->resource)) {
		TRY(begin(step, REPLICA_RESYNC, follow->conf.url));
		return end_step(step, FOLLOW_AGAIN,
		                "this version reads %s by another rule: everything is asked for anew",
		                follow->resource->collection);
	} else
		TRY(begin(step, REPLICA_NEXT, step->scope.delta_link));
	return end_step(step, FOLLOW_AGAIN, "%s", "");
}

enum err
follow_step(struct follow *follow, struct follow_report *report_out)
{
	struct step step = { .follow = follow, .report = report_out };
	int64_t     early_ms = follow->conf.pause->until_mono_ms - clock_mono_ms(follow->conf.clock);

	*report_out = (struct follow_report){ 0 };
	arena_reset(follow->page);
	TRY(replica_get_scope(follow->replica, follow->sid, follow->page, &step.scope));
	report_out->pages = step.scope.round_pages;
	report_out->items = step.scope.round_items;
	if (step.scope.phase == REPLICA_SETTLING)
		return settle(&step);
	if (step.scope.phase == REPLICA_IDLE)
		return begin_or_sweep(&step);
	if (early_ms > 0) {
		report_out->wait_ms = early_ms;
		return end_step(&step, FOLLOW_WAIT, "the pause is not over");
	}
	return send_request(&step);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void
fill_limits(struct follow_limits *limits)
{
	limits->pages_max = limits->pages_max ? limits->pages_max : 1000000;
	limits->empty_pages_max = limits->empty_pages_max ? limits->empty_pages_max : 10000;
	limits->round_max_ms = limits->round_max_ms ? limits->round_max_ms : (int64_t)24 * 3600 * 1000;
	limits->tries_max = limits->tries_max ? limits->tries_max : 8;
}

static enum err
set_up(struct follow *follow, char why_out[512])
{
	struct follow_scope scope;
	const char         *why;

	if (!fetch_origin_of(follow->conf.url, &follow->origin, &why)) {
		str_printf(why_out, 512, "the URL %s", why);
		return ERR_BAD_REQUEST;
	}
	if (follow->conf.name.len > 0 && !scope_name_is_good(follow->conf.name)) {
		str_printf(why_out, 512, SCOPE_NAME_RULE, REPLICA_NAME_MAX);
		return ERR_BAD_REQUEST;
	}
	scope = (struct follow_scope){ follow->replica, follow->conf.url, follow->conf.name, follow->conf.from_now,
		                       follow->page };
	follow->resource = family_of_url(follow->conf.url);
	follow->rule = follow_scope_rule(follow->resource, follow->lasting);
	TRY(follow_scope_find(&scope, &follow->sid, why_out));
	return follow_scope_keep_rules(&scope, follow->sid, follow->rule,
	                               follow->conf.replace ? REPLICA_COMPLETE
	                               : follow->conf.merge ? REPLICA_PARTIAL
	                                                    : REPLICA_BY_RESOURCE);
}

enum err
follow_open(const struct follow_conf *conf, struct replica *replica, struct follow **follow_out, char why_out[512])
{
	struct follow *follow = calloc(1, sizeof(*follow));
	enum err       err;

	MUST(follow != NULL && conf->clock && conf->entropy && conf->source);
	follow->conf = *conf;
	follow->replica = replica;
	follow->lasting = arena_open(CONF_ARENA_MAX);
	follow->page = arena_open(STEP_ARENA_MAX);
	follow->conf.url = conf->url.len <= FETCH_LINK_MAX ? arena_copy(follow->lasting, conf->url) : STR_EMPTY;
	follow->conf.name = arena_copy(follow->lasting, str_first(conf->name, REPLICA_NAME_MAX + 1));
	follow->page_size = conf->page_size;
	if (!conf->pause)
		follow->conf.pause = &follow->own_pause;
	fill_limits(&follow->conf.limits);
	why_out[0] = '\0';
	err = set_up(follow, why_out);
	if (err != OK) {
		if (!why_out[0])
			str_printf(why_out, 512, "%.*s", STR_ARG(replica_why(replica, follow->page)));
		follow_close(&follow);
		return err;
	}
	*follow_out = follow;
	return OK;
}

void
follow_close(struct follow **follow)
{
	if (!*follow)
		return;
	arena_close(&(*follow)->lasting);
	arena_close(&(*follow)->page);
	free(*follow);
	*follow = NULL;
}

enum err
follow_give_up(struct follow *follow)
{
	struct replica_scope scope;

	arena_reset(follow->page);
	TRY(replica_get_scope(follow->replica, follow->sid, follow->page, &scope));
	return follow_scope_is_new(&scope) ? follow_scope_forget(follow->replica, follow->sid) : OK;
}

bool
follow_url_is_good(struct str url, const char **why_out)
{
	struct fetch_origin origin;

	return fetch_origin_of(url, &origin, why_out);
}

bool
follow_page_is_good(struct str body, struct arena *arena, struct str *why_out)
{
	struct follow_page page;

	return follow_page_read(body, arena, &page, why_out) == OK;
}

int64_t
follow_sid(const struct follow *follow)
{
	return follow->sid;
}

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
 *       |                       +-- 4xx: the round again, then a RESYNC  |
 *       +----------------------------------------------------------------+
 *
 * follow_later.c waits, follow_restart.c replaces a dead link.
 */
#include "follow/follow_run.h"

#include <stdlib.h>

#include "fetch/fetch_secrets.h"
#include "follow/follow_error.h"
#include "follow/follow_merge.h"
#include "follow/follow_page.h"
#include "follow/follow_scope.h"
#include "resource/family.h"

#define LAST_IN_TURN      500 /* ms */
#define STEP_ARENA_MAX    ((size_t)128 << 20)
#define CONF_ARENA_MAX    ((size_t)128 << 10)
#define GARBLED_TRIES_MAX 4 /* an answer that is no page is asked for again so often */
#define SECRET_INSIDE     "it holds the credential it was asked for with; its text is not kept"
#define RAW_KEPT_MAX      4096 /* bytes of an item that is too large for a dead letter */

/* What is not the whole item must not look like one: `retry` would store it. */
static struct str
kept_text(const struct follow_page *page, const struct follow_item *item)
{
	size_t len = item->received.len;

	if (!page->is_skimmed && len <= STORE_BODY_MAX)
		return item->received;
	return str_cut(item->received, len > RAW_KEPT_MAX ? RAW_KEPT_MAX : len - 1);
}

static enum err
stage(struct step *step, struct follow_page *page)
{
	struct follow     *follow = step->follow;
	struct replica    *replica = follow->replica;
	struct follow_item item;
	enum err           err;
	bool               holds_secret = fetch_secrets_stand_in(follow_run_secrets(follow), page->body);

	replica_begin_page(replica, step->scope.sid);
	while (follow_page_next(page, follow->page, &item)) {
		if (page->is_skimmed)
			item.fault = FOLLOW_CUT_FAULT;
		if (holds_secret && fetch_secrets_stand_in(follow_run_secrets(follow), item.body))
			replica_put_dead_letter(replica, STR_EMPTY, STR(SECRET_INSIDE),
			                        follow_page_trace(page, &item, step->scope.round_pages + 1,
			                                          follow_run_secrets(follow), follow->page));
		else if (!item.fault)
			follow_item_put(replica, &item, follow->page);
		else
			replica_put_dead_letter(replica, item.id, str_from_c(item.fault), kept_text(page, &item));
		step->report->items++;
	}
	err = replica_end_page(replica, page->link, page->is_last);
	if (err == ERR_TOO_LARGE)
		return follow_run_drop(step, "more items than the ledger of dead letters can hold cannot be stored");
	TRY(err);
	step->report->pages++;
	follow->tries = 0;
	TRY(follow_size_settle(step, page->is_skimmed));
	return follow_run_end(
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

/* The page is not staged.  A broken answer may be whole the next time, another page of a delta round stays wrong. */
static enum err
refuse_page(struct step *step, const struct follow_response *response, enum err err, struct str what)
{
	struct arena *arena = step->follow->page;
	struct str    text = follow_error_text(response->body, arena);
	const char   *why = arena_c(arena, arena_printf(arena, "the answer is no page of a delta round: %.*s%s%.*s",
	                                                STR_ARG(what), text.len ? ": " : "", STR_ARG(text)));

	if (err == ERR_TOO_LARGE)
		return follow_size_reduce(step, why);
	if (err == ERR_UP_GARBLED)
		return follow_later(step, NULL, GARBLED_TRIES_MAX, why);
	if (follow_restart_may_leave_location(step))
		return follow_restart_leave_location(step, why);
	return follow_run_end(step, FOLLOW_BROKEN, "%s", why);
}

/* The first owner whose credential got a page is that of the scope. */
static enum err
adopt(struct step *step)
{
	const struct follow_owner *owner = step->follow->conf.owner;

	if (!owner || owner->text[0] == '\0' || step->scope.owner.len > 0)
		return OK;
	return replica_set_owner(step->follow->replica, step->scope.sid, str_from_c(owner->text));
}

static enum err
take_page(struct step *step, const struct follow_response *response)
{
	struct follow     *follow = step->follow;
	struct follow_page page;
	struct str         why;
	const char        *bad;
	enum err           err = OK;

	if (response->page)
		page = *response->page;
	else
		err = follow_page_read(response->body, follow->page, &page, &why);
	if (err != OK)
		return refuse_page(step, response, err, why);
	if (follow->skims) {
		TRY(follow_size_read(step, &page, response->size, &page.is_skimmed));
		if (!page.is_skimmed)
			return OK;
	}
	page.link = fetch_link_resolve(step->scope.round_link, page.link, follow->page);
	if (!fetch_link_is_good(&follow->origin, page.link, &bad))
		return follow_run_end(step, FOLLOW_BROKEN, "the %s of the page %s; it is not followed",
		                      page.is_last ? "deltaLink" : "nextLink", bad);
	if (fetch_secrets_stand_in_link(follow_run_secrets(follow), page.link, follow->page))
		return follow_run_end(step, FOLLOW_BROKEN,
		                      "the %s of the page holds the credential; it is neither kept nor followed",
		                      page.is_last ? "deltaLink" : "nextLink");
	page.resource = follow->resource;
	bad = cycle_in(step, &page);
	if (bad)
		return follow_run_drop(step, bad);
	err = adopt(step);
	if (err == ERR_CONFLICT)
		return follow_run_end(step, FOLLOW_REFUSED, "another scope follows this URL for %s",
		                      follow->conf.owner->text);
	return err == OK ? stage(step, &page) : err;
}

static enum err
refuse_credential(struct step *step, const struct follow_response *response, const char *why)
{
	struct follow             *follow = step->follow;
	const struct fetch_bearer *bearer = follow->conf.bearer;
	struct str                 claims;

	if (response->status == 401 && bearer && !follow->bearer_refused) {
		follow->bearer_refused = true;
		if (bearer->demand && follow_error_claims(response->challenge, follow->page, &claims))
			bearer->demand(bearer->ctx, claims);
		return follow_run_end(step, FOLLOW_AGAIN, "the remote refuses the credential (401): it is read again");
	}
	return follow_run_end(step, FOLLOW_REFUSED, "the remote answers %s%s", why,
	                      bearer ? "" : "; no credential is given, see --bearer-file");
}

static enum err
take_error(struct step *step, const struct follow_response *response)
{
	struct follow *follow = step->follow;
	const char    *text = follow_error_describe(response, follow->page);
	const char    *why = arena_c(follow->page, arena_printf(follow->page, "the remote answers %s", text));

	if (response->status == 401 || response->status == 403)
		return refuse_credential(step, response, text);
	if (follow_restart_is_due(step, response->status))
		return follow_restart(step, response, text);
	if (follow_error_is_passing(response->status))
		return follow_later(step, response,
		                    response->status < 300 ? GARBLED_TRIES_MAX : follow->conf.limits.tries_max, why);
	if (follow_restart_may_leave_location(step))
		return follow_restart_leave_location(step, text);
	if (response->status >= 300 && response->status < 400 && response->status != 304)
		return follow_run_end(step, FOLLOW_BROKEN,
		                      "%s, a redirect; those are not followed, since the credential would go along",
		                      why);
	/* The next run begins where the last whole round ended. */
	if (step->scope.rounds > 0)
		TRY(replica_drop_round(follow->replica, step->scope.sid));
	return follow_run_end(step, FOLLOW_BROKEN, "%s", why);
}

static enum err
take_response(struct step *step, const struct follow_response *response)
{
	if (response->status != 200)
		return take_error(step, response);
	step->follow->bearer_refused = false;
	return take_page(step, response);
}

static enum err
send_request(struct step *step)
{
	struct follow         *follow = step->follow;
	struct follow_request  request = { .position = { step->scope.sid, step->scope.round_started_ms,
		                                         step->scope.round_pages },
		                           .link = step->scope.round_link,
		                           .bearer = STR_EMPTY,
		                           .page_size = follow->page_size,
		                           .skims = follow->skims };
	struct follow_response response = { 0 };
	struct str             why = STR_EMPTY;
	const char            *bad;
	enum err               err = OK;

	/* The link was checked when it arrived, but the store's file may have been changed since. */
	if (!fetch_link_is_good(&follow->origin, request.link, &bad))
		return follow_restart(step, NULL,
		                      arena_c(follow->page, arena_printf(follow->page, "the saved link %s", bad)));
	follow->asks_last = false;
	if (follow->tries == 0)
		follow->since_ms = clock_mono_ms(follow->conf.clock);
	if (follow->conf.bearer)
		err = follow->conf.bearer->get(follow->conf.bearer->ctx, follow->bearer_refused, follow->page,
		                               &request.bearer, &why);
	if (err == ERR_BUSY)
		return follow_later(step,
		                    follow->conf.owner && follow->conf.owner->has_answered ? &follow->conf.owner->answer
		                                                                           : NULL,
		                    follow->conf.limits.tries_max, arena_c(follow->page, why));
	if (err != OK)
		return follow_run_end(step, err == ERR_UP_REFUSED ? FOLLOW_BROKEN : FOLLOW_REFUSED,
		                      "no credential: %.*s", STR_ARG(why));
	err = follow->conf.source->fetch(follow->conf.source->ctx, &request, follow->page, &response, &why);
	if (err == OK)
		return take_response(step, &response);
	if (err == ERR_BUSY)
		return follow_later(step, NULL, follow->conf.limits.tries_max, arena_c(follow->page, why));
	if (err == ERR_TOO_LARGE)
		return follow_size_reduce(step, arena_c(follow->page, why));
	return follow_run_end(step, FOLLOW_BROKEN, "%.*s", STR_ARG(why));
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
		return follow_run_end(
			step, FOLLOW_GUARDED,
			"the new listing lacks %llu of %llu items, more than --max-delete %u%% allows; the "
			"view stays as it "
			"was. If they are really gone, run again with --max-delete 100%%",
			(unsigned long long)step->report->tally.swept, (unsigned long long)step->report->tally.items,
			follow->conf.guard.percent);
	TRY(err);
	if (!done)
		return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
	/* What was being settled when the run began is not the resync that was asked for. */
	if (follow->conf.resync && step->scope.kind == REPLICA_NEXT)
		return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
	follow->conf.resync = false;
	return follow_run_end(step, FOLLOW_CAUGHT_UP, "%s", "");
}

/* A round under way is dropped for a resync, unless it is one, or is about to become the view. */
static bool
is_in_the_way(const struct step *step)
{
	return step->follow->conf.resync && step->scope.rounds > 0 && step->scope.phase == REPLICA_ROUND &&
	       step->scope.kind != REPLICA_RESYNC;
}

static enum err
begin_or_sweep(struct step *step)
{
	struct follow *follow = step->follow;
	bool           done;

	TRY(replica_sweep(follow->replica, &done));
	if (!done)
		return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
	if (!follow->warned && follow_url_hides_removals(follow->conf.url, follow->resource)) {
		follow->warned = true;
		return follow_run_end(step, FOLLOW_AGAIN,
		                      "the $select of the URL leaves `deleted` out: removals are not seen");
	}
	if (follow->conf.resync && step->scope.rounds > 0 &&
	    follow_scope_lists_nothing(&step->scope, follow->resource)) {
		follow->conf.resync = false;
		return follow_run_end(step, FOLLOW_AGAIN, "the remote lists nothing that could be read again");
	}
	if (step->scope.rounds == 0) {
		TRY(follow_run_begin(step, REPLICA_FIRST, follow->conf.url));
	} else if (follow->conf.resync) {
		TRY(follow_run_begin(step, REPLICA_RESYNC, follow->conf.url));
	} else if (!str_eq(step->scope.rule, follow->rule) &&
	           !follow_scope_lists_nothing(&step->scope, follow->resource)) {
		TRY(follow_run_begin(step, REPLICA_RESYNC, follow->conf.url));
		return follow_run_end(step, FOLLOW_AGAIN,
		                      "this version reads %s by another rule: everything is read again",
		                      follow->resource->collection);
	} else
		TRY(follow_run_begin(step, REPLICA_NEXT, step->scope.delta_link));
	return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
}

enum err
follow_step(struct follow *follow, struct follow_report *report_out)
{
	struct step step = { .follow = follow, .report = report_out };
	int64_t     now_ms = clock_mono_ms(follow->conf.clock);
	int64_t     early_ms = follow->own_pause.until_mono_ms - now_ms;
	int64_t     host_ms = follow->conf.pause ? follow->conf.pause->until_mono_ms - now_ms : 0;

	/* If those that were throttled are throttled again, the others have had a turn. */
	if (follow->asks_last)
		host_ms += LAST_IN_TURN;
	*report_out = (struct follow_report){ 0 };
	arena_reset(follow->page);
	TRY(replica_get_scope(follow->replica, follow->sid, follow->page, &step.scope));
	report_out->pages = step.scope.round_pages;
	report_out->items = step.scope.round_items;
	if (is_in_the_way(&step)) {
		TRY(replica_drop_round(follow->replica, follow->sid));
		return follow_run_end(&step, FOLLOW_AGAIN, "%s", "");
	}
	if (step.scope.phase == REPLICA_SETTLING)
		return settle(&step);
	if (step.scope.phase == REPLICA_IDLE)
		return begin_or_sweep(&step);
	if (host_ms > follow->conf.max_wait_ms)
		return follow_run_end(&step, FOLLOW_TROUBLED,
		                      "the remote asks all to stay away for %.1f s more, which would be too long "
		                      "(see --max-wait)",
		                      (double)host_ms / 1000);
	if (early_ms > 0 || host_ms > 0) {
		report_out->wait_ms = early_ms > host_ms ? early_ms : host_ms;
		return follow_run_end(&step, FOLLOW_WAIT, "the pause is not over");
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
	struct replica_asking asking;
	struct follow_scope   scope;
	struct replica_scope  found;
	const char           *why;

	if (!fetch_origin_of(follow->conf.url, &follow->origin, &why)) {
		str_printf(why_out, 512, "the URL %s", why);
		return ERR_BAD_REQUEST;
	}
	if (follow->conf.name.len > 0 && !scope_name_is_good(follow->conf.name)) {
		str_printf(why_out, 512, SCOPE_NAME_RULE, REPLICA_NAME_MAX);
		return ERR_BAD_REQUEST;
	}
	scope = (struct follow_scope){ .replica = follow->replica,
		                       .url = follow->conf.url,
		                       .name = follow->conf.name,
		                       .owner = follow->conf.owner ? str_from_c(follow->conf.owner->text) : STR_EMPTY,
		                       .from_now = follow->conf.from_now,
		                       .arena = follow->page };
	follow->resource = family_of_url(follow->conf.url);
	follow->rule = follow_scope_rule(follow->resource, follow->lasting);
	TRY(follow_scope_find(&scope, &follow->sid, why_out));
	TRY(replica_get_scope(follow->replica, follow->sid, follow->page, &found));
	if (follow->conf.owner && found.owner.len > 0)
		(void)str_printf(follow->conf.owner->text, REPLICA_OWNER_MAX + 1, "%.*s", STR_ARG(found.owner));
	TRY(follow_scope_keep_rules(&scope, follow->sid, follow->rule,
	                            follow->conf.replace ? REPLICA_COMPLETE
	                            : follow->conf.merge ? REPLICA_PARTIAL
	                                                 : REPLICA_BY_RESOURCE));
	TRY(replica_get_asking(follow->replica, follow->sid, follow->page, &asking));
	if (!follow->conf.page_size_is_fixed && asking.page_size > 0 && asking.page_size < follow->page_size)
		follow->page_size = asking.page_size;
	return OK;
}

enum err
follow_open(const struct follow_conf *conf, struct replica *replica, struct follow **follow_out, char why_out[512])
{
	struct follow *follow = handle_new(sizeof(*follow));
	enum err       err;

	MUST(conf->clock && conf->entropy && conf->source);
	follow->conf = *conf;
	follow->replica = replica;
	follow->lasting = arena_open(CONF_ARENA_MAX);
	follow->page = arena_open(STEP_ARENA_MAX);
	follow->conf.url = conf->url.len <= FETCH_LINK_MAX ? arena_copy(follow->lasting, conf->url) : STR_EMPTY;
	follow->conf.name = arena_copy(follow->lasting, str_first(conf->name, REPLICA_NAME_MAX + 1));
	follow->page_size = conf->page_size;
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries dead letters again.  A good one becomes a round of one page with one item, so it changes the view like any
 * other item.  An item of which the ledger holds only the beginning is asked for by its own URL: what comes is at least
 * as new as the view, since a later report would have replaced the dead letter.
 */
#include "follow/follow.h"

#include "fetch/fetch_secrets.h"
#include "follow/follow_error.h"
#include "follow/follow_item.h"
#include "follow/follow_merge.h"
#include "follow/follow_scope.h"
#include "resource/family.h"

#define ARENA_MAX ((size_t)96 << 20)

static enum err
apply(struct replica *replica, const struct replica_scope *scope, const struct follow_item *item, int64_t now_ms,
      struct arena *arena)
{
	struct follow_rule    rule;
	struct replica_merger merger = follow_merger(&rule);
	struct replica_guard  guard = { 100, 1 };
	struct replica_tally  tally;
	bool                  done = false;
	enum err              err = OK;

	TRY(replica_begin_round(replica, scope->sid, REPLICA_NEXT, scope->delta_link, now_ms));
	replica_begin_page(replica, scope->sid);
	follow_item_put(replica, item, arena);
	TRY(replica_end_page(replica, scope->delta_link, true));
	follow_rule_open(&rule, family_of_url(scope->url), scope->updates);
	while (err == OK && !done)
		err = replica_settle(replica, scope->sid, &merger, &guard, now_ms, &tally, &done);
	follow_rule_close(&rule);
	return err;
}

static const char *
fetch_text(const struct follow_retrying *retrying, const struct replica_scope *scope, struct str id,
           struct arena *arena, struct str *text_out)
{
	struct follow_request  request = { .bearer = STR_EMPTY };
	struct follow_response response;
	struct str             why = STR_EMPTY;

	if (!family_item_url(scope->url, id, arena, &request.link))
		return follow_scope_lists_nothing(scope, family_of_url(scope->url))
		               ? "only its beginning is kept, it has no URL of its own, and its feed lists nothing: it "
		                 "comes again when it changes; `tidemark retry --forget` drops it"
		               : "only its beginning is kept, and it has no URL of its own; `tidemark sync --resync` "
		                 "reads it";
	if (!retrying->source)
		return "only its beginning is kept; `tidemark retry --scope NAME` asks for the whole";
	if (retrying->bearer && retrying->bearer->get(retrying->bearer->ctx, false, arena, &request.bearer, &why) != OK)
		return arena_c(arena, arena_printf(arena, "no credential: %.*s", STR_ARG(why)));
	if (retrying->source->fetch(retrying->source->ctx, &request, arena, &response, &why) != OK)
		return arena_c(arena, why);
	if (response.status != 200)
		return arena_c(arena, arena_printf(arena, "asked for by itself, the remote answers %s",
		                                   follow_error_describe(&response, arena)));
	if (retrying->bearer && retrying->bearer->secrets &&
	    fetch_secrets_stand_in(retrying->bearer->secrets, response.body))
		return "it holds the credential it was asked for with";
	*text_out = response.body;
	return NULL;
}

/* The whole item, or its fault. */
static void
read_whole(const struct follow_retrying *retrying, const struct replica_scope *scope,
           const struct replica_dead_letter *letter, struct arena *arena, struct follow_item *item)
{
	struct str  text;
	const char *fault = fetch_text(retrying, scope, letter->id, arena, &text);

	if (!fault) {
		follow_item_read(text, family_of_url(scope->url), arena, item);
		if (!item->fault && (!str_eq(item->id, letter->id) || item->life != REPLICA_LIVE))
			fault = "asked for by itself, the remote answers with another item";
	}
	if (fault)
		item->fault = fault;
}

static enum err
retry_dead_letter(const struct follow_retrying *retrying, const struct replica_dead_letter *letter, int64_t now_ms,
                  struct arena *arena, struct follow_retried *retried)
{
	struct replica      *replica = retrying->replica;
	struct replica_scope scope;
	struct follow_item   item = { .fault = NULL };
	bool                 is_held = false;

	TRY(replica_find_scope(replica, letter->scope, arena, &scope));
	follow_item_read(letter->raw, family_of_url(scope.url), arena, &item);
	if (scope.phase != REPLICA_IDLE || scope.rounds == 0)
		item.fault = "the scope is in the middle of a round; sync first";
	else if (item.fault && item.id.len == 0 && letter->id.len > 0) /* only the beginning of its text is there */
		read_whole(retrying, &scope, letter, arena, &item);
	/* A dead letter of an older version names no item, so a later report of it has not replaced it. */
	if (!item.fault && letter->id.len == 0)
		TRY(replica_has_item(replica, scope.sid, item.id, &is_held));
	if (!item.fault && is_held)
		item.fault = "the view holds that item, perhaps in a newer state";
	if (item.fault) {
		retried->left++;
		return replica_retried_dead_letter(replica, letter->lid, str_from_c(item.fault));
	}
	TRY(apply(replica, &scope, &item, now_ms, arena));
	retried->mended++;
	return replica_drop_dead_letter(replica, letter->lid);
}

enum err
follow_retry(const struct follow_retrying *retrying, struct follow_retried *retried_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	struct follow_retried           retried = { 0 };
	struct replica_dead_letter      letter = { 0 };
	enum err                        err;

	while ((err = replica_next_dead_letter(retrying->replica, retrying->sid, letter.lid, arena, &letter)) == OK) {
		int64_t lid = letter.lid;

		TRY(retry_dead_letter(retrying, &letter, clock_wall_ms(retrying->clock), arena, &retried));
		arena_reset(arena);
		letter.lid = lid;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	*retried_out = retried;
	return OK;
}

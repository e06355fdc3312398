/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tries dead letters again.  A good one becomes a round of one page with one item, so it changes the view like any
 * other item.
 */
#include "follow/follow.h"

#include "follow/follow_merge.h"
#include "follow/follow_item.h"
#include "resource/family.h"

#define ARENA_MAX ((size_t)16 << 20)

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

static enum err
retry_dead_letter(struct replica *replica, const struct replica_dead_letter *letter, int64_t now_ms,
                  struct arena *arena, struct follow_retried *retried)
{
	struct replica_scope scope;
	struct follow_item   item = { .fault = NULL };
	bool                 is_held = false;

	TRY(replica_find_scope(replica, letter->scope, arena, &scope));
	follow_item_read(letter->raw, family_of_url(scope.url), arena, &item);
	if (!item.fault && (scope.phase != REPLICA_IDLE || scope.rounds == 0))
		item.fault = "the scope is in the middle of a round; sync first";
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
follow_retry(struct replica *replica, int64_t sid, const struct clock *clock, struct follow_retried *retried_out)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	struct follow_retried           retried = { 0 };
	struct replica_dead_letter      letter = { 0 };
	enum err                        err;

	while ((err = replica_next_dead_letter(replica, sid, letter.lid, arena, &letter)) == OK) {
		int64_t lid = letter.lid;

		TRY(retry_dead_letter(replica, &letter, clock_wall_ms(clock), arena, &retried));
		arena_reset(arena);
		letter.lid = lid;
	}
	if (err != ERR_NOT_FOUND)
		return err;
	*retried_out = retried;
	return OK;
}

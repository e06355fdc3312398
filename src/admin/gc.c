/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/gc.h"

#include "store/store_followed.h"

#define PURGE_MAX 1000 /* tombstones a transaction */
#define PAGE      1000
#define ARENA_MAX (PAGE * (STORE_BODY_MAX + ((size_t)64 << 10)))

static enum err
purge_feed(struct gc *gc, const struct store_feed *feed, struct arena *arena)
{
	uint32_t purged = PURGE_MAX;

	while (purged == PURGE_MAX) {
		AUTO(store_abort) struct store_txn *txn = store_begin(gc->store, NULL, arena);

		purged = 0;
		store_purge(txn, feed, gc->until_ms, PURGE_MAX, &purged);
		TRY(store_commit(&txn));
		gc->purged += purged;
		arena_reset(arena);
	}
	return OK;
}

/*
 * Everything at or below the seq that was newest at the moment is older than the retention.  Of a followed feed a lower
 * seq may be all that is known.
 */
static enum err
count_feed(struct gc *gc, const struct store_feed *feed, struct arena *arena)
{
	struct feed_state  state;
	struct store_range range = { .limit = PAGE };
	bool               more = true;

	TRY(store_seq_at(gc->store, feed, gc->until_ms, &state, &range.until));
	if (feed->collection == STORE_FOLLOWED)
		range.until = STORE_TO_HEAD;
	while (more) {
		AUTO(store_scan_abort) struct store_scan *scan = store_scan_open(gc->store, feed, &range, arena);
		struct item                               item;

		more = false;
		while (store_scan_next(scan, &item)) {
			more = true;
			range.after = item.seq;
			gc->purged += item.life == ITEM_REMOVED && item.changed_ms <= gc->until_ms;
		}
		TRY(store_scan_close(&scan));
		arena_reset(arena);
	}
	return OK;
}

static enum err
forget_ops(struct gc *gc, struct arena *arena)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(gc->store, NULL, arena);

	store_forget_ops(txn, clock_wall_ms(gc->clock) - GC_OPS_KEPT_MS);
	return store_commit(&txn);
}

/* First all that are written here, then all that are followed. */
static enum err
next_feed(const struct gc *gc, struct store_feed *feed_out, struct feed_state *state_out)
{
	enum err err = ERR_NOT_FOUND;

	if (gc->after.collection != STORE_FOLLOWED)
		err = store_next_feed(gc->store, &gc->after, feed_out, state_out);
	return err == ERR_NOT_FOUND ? store_next_followed(gc->store, &gc->after, feed_out, state_out) : err;
}

enum err
gc_step(struct gc *gc, uint64_t max)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	uint64_t                        start = gc->purged, looked = 0;

	while (!gc->done && gc->purged - start < max && looked < max) {
		struct store_feed feed;
		struct feed_state state;
		enum err          err = next_feed(gc, &feed, &state);

		if (err == ERR_NOT_FOUND) {
			gc->done = true;
			return gc->dry_run ? OK : forget_ops(gc, arena);
		}
		TRY(err);
		if (state.tombstones > 0)
			TRY(gc->dry_run ? count_feed(gc, &feed, arena) : purge_feed(gc, &feed, arena));
		gc->after = feed;
		gc->feeds++;
		looked++;
	}
	return OK;
}

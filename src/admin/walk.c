/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/walk.h"

#define PAGE      256
#define ARENA_MAX (PAGE * (STORE_BODY_MAX + ((size_t)64 << 10)))

enum err
walk_feed(struct store *store, const struct store_feed *feed, walk_fn *each, void *ctx)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	uint32_t                        count = PAGE;
	struct store_range range = { .until = STORE_TO_HEAD, .limit = PAGE, .live_only = true, .by_made = true };

	while (count == PAGE) {
		AUTO(store_scan_abort) struct store_scan *scan = store_scan_open(store, feed, &range, arena);
		struct item                               item;

		for (count = 0; store_scan_next(scan, &item); count++) {
			range.after = item.made;
			TRY(each(ctx, feed, &item));
		}
		TRY(store_scan_close(&scan));
		arena_reset(arena);
	}
	return OK;
}

enum err
walk_feeds(struct store *store, uint8_t collection, walk_fn *each, void *ctx)
{
	struct store_feed feed = { .collection = 0 }, next;
	struct feed_state state;
	enum err          err;

	while ((err = store_next_feed(store, &feed, &next, &state)) == OK) {
		feed = next;
		if (collection == 0 || feed.collection == collection)
			TRY(walk_feed(store, &feed, each, ctx));
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

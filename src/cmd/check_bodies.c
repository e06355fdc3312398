/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/check_bodies.h"

#include "resource/resource.h"

#define PAGE_ROWS   1000
#define ARENA_BYTES ((size_t)64 << 20)

struct check {
	struct store   *store;
	struct arena   *arena;           /* for one body at a time */
	store_fault_fn *found;
	void           *ctx;
};

/* One page from *after on; *more_out says whether there may be another. */
static enum err
check_page(struct check *check, const struct store_feed *feed, uint64_t *after, bool *more_out)
{
	struct store_range range = { .after = *after, .until = STORE_TO_HEAD, .limit = PAGE_ROWS, .live_only = true };
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_BYTES);
	struct store_scan              *scan = store_scan_open(check->store, feed, &range, arena);
	struct item                     item;
	uint32_t                        rows = 0;

	for (; store_scan_next(scan, &item); rows++) {
		*after = item.seq;
		if (!resource_body_is_sound(resource_of_feed(feed), item.body, item.id, check->arena))
			check->found(check->ctx, arena_printf(check->arena, "%.*s: the body of item '%.*s' is damaged",
			                                      STR_ARG(feed_name(feed, check->arena)), STR_ARG(item.id)));
		arena_reset(check->arena);
	}
	*more_out = rows == PAGE_ROWS;
	return store_scan_close(&scan);
}

enum err
check_bodies(struct store *store, store_fault_fn *found, void *ctx)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_BYTES);
	struct check      check = { store, arena, found, ctx };
	struct store_feed feed = { .collection = 0 }, next;
	struct store_mark mark;
	enum err          err;

	while ((err = store_next_feed(store, &feed, &next, &mark)) == OK) {
		uint64_t after = 0;
		bool     more = true;

		while (more)
			TRY(check_page(&check, &next, &after, &more));
		feed = next;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include "admin/walk.h"
#include "resource/resource.h"

#define ARENA_BYTES ((size_t)64 << 20)

struct check {
	struct arena   *arena; /* for one body at a time */
	store_fault_fn *found;
	void           *ctx;
};

static enum err
check_item(void *ctx, const struct store_feed *feed, const struct item *item)
{
	struct check *check = ctx;

	if (!resource_body_is_sound(resource_of_feed(feed), item->body, item->id, check->arena))
		check->found(check->ctx, arena_printf(check->arena, "%.*s: the body of item '%.*s' is damaged",
		                                      STR_ARG(feed_name(feed, check->arena)), STR_ARG(item->id)));
	arena_reset(check->arena);
	return OK;
}

enum err
check_bodies(struct store *store, store_fault_fn *found, void *ctx)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_BYTES);
	struct check                    check = { arena, found, ctx };

	return walk_feeds(store, 0, check_item, &check);
}

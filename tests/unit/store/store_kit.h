/* SPDX-License-Identifier: Apache-2.0 */
/* What every test of the store needs: a directory of its own, a clock it owns, and short ways to write and read. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "support/pg_test.h"
#include "support/runs.h"

struct kit {
	char          dir[64], path[128], url[256];
	int64_t       now_ms; /* what the clock says; wall and monotonic alike */
	struct clock  clock;
	struct arena *arena;
	struct store *store;
	char          why[512];
};

static const struct store_feed kit_feed = { .tenant = { { 1 } }, .owner = { { 2 } }, .collection = 1 };

static inline int64_t
kit_ns(void *ctx)
{
	return ((struct kit *)ctx)->now_ms * 1000000;
}

static inline struct store_conf
kit_conf(struct kit *kit, enum store_access access)
{
	return (struct store_conf){
		.url = str_from_c(kit->url),
		.access = access,
		.create = access == STORE_SERVE,
		.clock = &kit->clock,
		.entropy = &entropy_system,
	};
}

static inline enum err
kit_try_open(struct kit *kit, enum store_access access, struct store **store_out)
{
	struct store_conf conf = kit_conf(kit, access);

	return store_open(&conf, store_out, kit->why);
}

static inline void
kit_open(struct kit *kit)
{
	enum err err = kit_try_open(kit, STORE_SERVE, &kit->store);

	if (err != OK)
		print_error("open: %s: %s\n", err_text(err), kit->why);
	assert_int_equal(err, OK);
}

static inline int
kit_begin(void **state)
{
	struct kit *kit = calloc(1, sizeof(*kit));

	assert_non_null(kit);
	(void)snprintf(kit->dir, sizeof(kit->dir), "%s/tidemark-store-XXXXXX", runs_folder());
	assert_non_null(mkdtemp(kit->dir));
	(void)snprintf(kit->path, sizeof(kit->path), "%s/deep/down/x.db", kit->dir);
	(void)snprintf(kit->url, sizeof(kit->url), "sqlite:%s", kit->path);
	if (pg_test_database())
		pg_test_make(kit->url, sizeof(kit->url));
	kit->now_ms = 1000000;
	kit->clock = (struct clock){ kit, kit_ns, kit_ns };
	kit->arena = arena_open((size_t)64 << 20);
	*state = kit;
	return 0;
}

static inline int
kit_end(void **state)
{
	struct kit *kit = *state;
	char        command[128];

	store_close(&kit->store);
	arena_close(&kit->arena);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", kit->dir);
	assert_int_equal(system(command), 0);
	free(kit);
	return 0;
}

static inline enum err
kit_put(struct store *store, struct arena *arena, const char *id, const char *body)
{
	struct store_txn *txn = store_begin(store, NULL, arena);
	struct item       item = { .id = str_from_c(id), .body = str_from_c(body) };

	store_put(txn, &kit_feed, &item);
	return store_commit(&txn);
}

static inline enum err
kit_remove(struct store *store, struct arena *arena, const char *id)
{
	struct store_txn *txn = store_begin(store, NULL, arena);

	(void)store_remove(txn, &kit_feed, str_from_c(id));
	return store_commit(&txn);
}

/* The feed as text: "a1 b2 -c3" is item a at seq 1, b at 2, and a tombstone of c at 3. */
static inline const char *
kit_changes(struct store *store, struct arena *arena, uint64_t after, bool live_only, struct feed_state *state_out)
{
	struct store_range range = {
		.after = after,
		.until = STORE_TO_HEAD,
		.epoch = 1,
		.limit = 1000,
		.live_only = live_only,
	};
	struct store_scan *scan = store_scan_open(store, &kit_feed, &range, arena);
	struct str         seen = STR_EMPTY;
	struct item        item;

	if (state_out)
		*state_out = *store_scan_state(scan);
	while (store_scan_next(scan, &item))
		seen = arena_printf(arena, "%.*s%s%s%.*s%llu", STR_ARG(seen), seen.len ? " " : "",
		                    item.life == ITEM_LIVE ? "" : "-", STR_ARG(item.id), (unsigned long long)item.seq);
	assert_int_equal(store_scan_close(&scan), OK);
	return arena_c(arena, seen);
}

static inline void
kit_count_fault(void *ctx, struct str sentence)
{
	int *faults = ctx;

	if ((*faults)++ < 0)
		print_error("fault: %.*s\n", STR_ARG(sentence));
}

static inline int
kit_faults(struct store *store)
{
	int faults = 0;

	assert_int_equal(store_check(store, kit_count_fault, &faults), OK);
	return faults;
}

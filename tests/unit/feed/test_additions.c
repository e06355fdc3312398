/* SPDX-License-Identifier: Apache-2.0 */
/* Readers that get no removals: they get each item once, they miss nothing, and no purge makes them too late. */
#include <stdlib.h>

#include "feed/feed.h"
#include "support/store_bench.h"

static const struct store_feed feed = { { { 1 } }, { { 2 } }, 2 };

static void
write_item(struct store_bench *bench, unsigned n, bool removes)
{
	struct store_txn *txn = store_bench_begin(bench);
	struct item       item = { .id = arena_printf(bench->arena, "i%u", n), .key = STR("k"), .body = STR("{}") };

	if (removes)
		assert_true(store_remove(txn, &feed, item.id));
	else
		store_put(txn, &feed, &item);
	assert_int_equal(store_commit(&txn), OK);
}

static void
purge_all(struct store_bench *bench)
{
	struct store_txn *txn = store_bench_begin(bench);
	uint32_t          purged;

	store_purge(txn, &feed, INT64_MAX, 1000, &purged);
	assert_int_equal(store_commit(&txn), OK);
}

/* Reads one page and returns the number of its items.  They must be live; `seen` counts each. */
static unsigned
read_page(struct store_bench *bench, struct cursor *cursor, bool *has_cursor, uint32_t limit, unsigned *seen)
{
	struct feed_page page = { .additions = true };
	struct item      item;
	unsigned         count = 0;

	assert_int_equal(feed_open(&page, bench->store, &feed, *has_cursor ? cursor : NULL, limit, bench->arena), OK);
	while (feed_next(&page, &item)) {
		assert_int_equal(item.life, ITEM_LIVE);
		seen[strtoul(item.id.at + 1, NULL, 10)]++;
		count++;
	}
	assert_int_equal(feed_close(&page, cursor), OK);
	*has_cursor = true;
	assert_true(count <= limit);
	return count;
}

static void
test_additions__a_page_is_full_whatever_lies_between(void **state)
{
	struct store_bench bench;
	struct cursor      cursor;
	bool               has_cursor = false;
	unsigned           seen[100] = { 0 };

	(void)state;
	store_bench_open(&bench);
	assert_int_equal(read_page(&bench, &cursor, &has_cursor, 5, seen), 0);
	assert_true(cursor_is_complete(&cursor));
	for (unsigned n = 0; n < 40; n++)
		write_item(&bench, n, false);
	for (unsigned n = 0; n < 40; n++)
		if (n % 4 != 0)
			write_item(&bench, n, true);
	for (unsigned n = 40; n < 42; n++)
		write_item(&bench, n, false);
	assert_int_equal(read_page(&bench, &cursor, &has_cursor, 5, seen), 5);
	assert_int_equal(read_page(&bench, &cursor, &has_cursor, 5, seen), 5);
	assert_false(cursor_is_complete(&cursor));
	assert_int_equal(read_page(&bench, &cursor, &has_cursor, 5, seen), 2);
	assert_true(cursor_is_complete(&cursor));
	for (unsigned n = 0; n < 42; n++)
		assert_int_equal(seen[n], n >= 40 || n % 4 == 0);
	store_bench_close(&bench);
}

static void
test_additions__no_purge_makes_a_reader_late(void **state)
{
	struct store_bench bench;
	struct cursor      first, later, plain;
	struct feed_page   page = { 0 };
	bool               has_first = false, has_later = false;
	unsigned           seen[100] = { 0 };

	(void)state;
	store_bench_open(&bench);
	for (unsigned n = 0; n < 10; n++)
		write_item(&bench, n, false);
	assert_int_equal(read_page(&bench, &first, &has_first, 4, seen), 4);
	assert_int_equal(read_page(&bench, &later, &has_later, 10, seen), 10);
	plain = later;
	for (unsigned n = 0; n < 10; n += 2)
		write_item(&bench, n, true);
	write_item(&bench, 20, false);
	purge_all(&bench);
	assert_int_equal(feed_open(&page, bench.store, &feed, &plain, 10, bench.arena), ERR_GONE);
	assert_int_equal(read_page(&bench, &later, &has_later, 10, seen), 1);
	assert_int_equal(read_page(&bench, &first, &has_first, 10, seen), 3);
	assert_true(cursor_is_complete(&first) && cursor_is_complete(&later));
	assert_int_equal(read_page(&bench, &first, &has_first, 10, seen), 1);
	assert_int_equal(seen[20], 2);
	store_bench_close(&bench);
}

/* Random writes between pages: every reader gets each remaining item once, whatever the size of its pages. */
static void
test_additions__what_stays_is_reported_once(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct store_bench bench;
		struct cursor      cursor;
		bool               has_cursor = false, live[400] = { false };
		unsigned           seen[400] = { 0 }, count = 0, limit = 1 + seed % 7;

		srandom(seed);
		store_bench_open(&bench);
		for (int step = 0; step < 150; step++) {
			unsigned old = count ? (unsigned)random() % count : 0;

			if (random() % 3 == 0 && count && live[old]) {
				write_item(&bench, old, true);
				live[old] = false;
			} else if (random() % 2) {
				write_item(&bench, count, false);
				live[count++] = true;
			} else {
				(void)read_page(&bench, &cursor, &has_cursor, limit, seen);
			}
			if (random() % 20 == 0)
				purge_all(&bench);
		}
		while (read_page(&bench, &cursor, &has_cursor, limit, seen) > 0 || !cursor_is_complete(&cursor))
			;
		for (unsigned n = 0; n < count; n++)
			if (seen[n] > 1 || (live[n] && seen[n] != 1))
				fail_msg("seed %u: item %u was reported %u times", seed, n, seen[n]);
		store_bench_close(&bench);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_additions__a_page_is_full_whatever_lies_between),
		cmocka_unit_test(test_additions__no_purge_makes_a_reader_late),
		cmocka_unit_test(test_additions__what_stays_is_reported_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

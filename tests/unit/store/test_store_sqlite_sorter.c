/* SPDX-License-Identifier: Apache-2.0 */
/* Records come in order, whole, and with many runs as with one. */
#include "store/store_sqlite_sorter.h"

#include <signal.h>
#include <sys/resource.h>

#include "unit/store/store_kit.h"

#define MANY     100003 /* more than one run has; a prime, so that steps of any length come to each key */
#define STEP     31337
#define LONG_LEN 3000

/* Of some keys a long one. */
static struct str
bytes_of(int64_t key, char bytes[LONG_LEN])
{
	int len = snprintf(bytes, LONG_LEN, "record %lld", (long long)key);

	assert_true(len > 0);
	if (key % 16 != 0)
		return str_of(bytes, (size_t)len);
	memset(bytes + len, 'x', (size_t)(LONG_LEN - len));
	return str_of(bytes, LONG_LEN);
}

static struct sorter *
sorted(int64_t count)
{
	struct sorter *sorter = sorter_open();
	char           bytes[LONG_LEN];

	for (int64_t i = 0; i < count; i++)
		sorter_put(sorter, i * STEP % count * 2, bytes_of(i * STEP % count * 2, bytes));
	sorter_sort(sorter);
	return sorter;
}

static void
test_store_sqlite_sorter__records_come_whole_and_in_order(void **state)
{
	static const int64_t counts[] = { 1, 2, 1009, MANY };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		AUTO(sorter_close) struct sorter *sorter = sorted(counts[i]);
		char                              bytes[LONG_LEN];
		struct str                        found;
		int64_t                           key;

		for (int64_t at = 0; at < counts[i]; at++) {
			assert_true(sorter_next(sorter, &key, &found));
			assert_int_equal(key, at * 2);
			assert_true(str_eq(found, bytes_of(key, bytes)));
			sorter_pass(sorter);
		}
		assert_false(sorter_next(sorter, &key, &found));
	}
}

static void
test_store_sqlite_sorter__finds_what_is_there(void **state)
{
	AUTO(sorter_close) struct sorter *sorter = sorted(MANY);
	char                              bytes[LONG_LEN];
	struct str                        found;

	(void)state;
	for (int64_t key = 0; key < (int64_t)2 * MANY; key += 7) {
		assert_int_equal(sorter_find(sorter, key, &found), key % 2 == 0);
		if (key % 2 == 0)
			assert_true(str_eq(found, bytes_of(key, bytes)));
	}
	assert_false(sorter_find(sorter, (int64_t)2 * MANY, &found));
}

static void
test_store_sqlite_sorter__loses_what_is_too_long_and_nothing_else(void **state)
{
	static char                       bytes[5000];
	AUTO(sorter_close) struct sorter *sorter = sorter_open();
	struct str                        found;

	(void)state;
	sorter_put(sorter, 3, STR_EMPTY);
	sorter_put(sorter, 2, str_of(bytes, sizeof(bytes)));
	sorter_put(sorter, 1, STR("a"));
	sorter_sort(sorter);
	assert_true(sorter_find(sorter, 1, &found));
	assert_false(sorter_find(sorter, 2, &found));
	assert_true(sorter_find(sorter, 3, &found));
	assert_int_equal(found.len, 0);
}

static void
test_store_sqlite_sorter__without_records_it_is_at_its_end(void **state)
{
	AUTO(sorter_close) struct sorter *sorter = sorter_open();
	struct str                        found;

	(void)state;
	sorter_sort(sorter);
	assert_false(sorter_find(sorter, 1, &found));
	sorter_pass(sorter);
}

static void
test_store_sqlite_sorter__on_a_full_disk_records_are_lost_and_nothing_fails(void **state)
{
	struct rlimit was, small;
	struct str    found;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = was.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

	AUTO(sorter_close) struct sorter *sorter = sorted(MANY);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_false(sorter_find(sorter, 0, &found));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_sqlite_sorter__records_come_whole_and_in_order),
		cmocka_unit_test(test_store_sqlite_sorter__finds_what_is_there),
		cmocka_unit_test(test_store_sqlite_sorter__loses_what_is_too_long_and_nothing_else),
		cmocka_unit_test(test_store_sqlite_sorter__on_a_full_disk_records_are_lost_and_nothing_fails),
		cmocka_unit_test(test_store_sqlite_sorter__without_records_it_is_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Backups, restores and time travel: what a copy of a store is worth, and how a lost history is noticed. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "unit/store/store_files.h"

static void
test_store_sqlite__a_restored_backup_has_a_new_epoch_and_tells_the_bases(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	const char       *copy = beside(kit, ".backup");
	struct stat       st;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_int_equal(store_backup(kit->store, copy, kit->why), OK);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(store_backup(kit->store, copy, kit->why), ERR_CONFLICT);
	assert_int_equal(kit_put(kit->store, kit->arena, "lost", "1"), OK);
	assert_int_equal(state_for_epoch(kit, 1).base, UINT64_MAX);
	assert_int_equal(store_restore(&conf, copy, kit->why), ERR_LOCKED);
	store_close(&kit->store);

	assert_int_equal(store_restore(&conf, copy, kit->why), OK);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1000); /* the kit's clock says so */
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2");
	assert_int_equal(state_for_epoch(kit, 1).base, 2); /* untouched: its head */
	assert_int_equal(state_for_epoch(kit, 1000).base, UINT64_MAX);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "d", "1"), OK);
	assert_int_equal(state_for_epoch(kit, 1).base, 2); /* written down by the first change */
	assert_int_equal(state_for_epoch(kit, 1000).base, UINT64_MAX);
	store_close(&kit->store);

	assert_int_equal(store_restore(&conf, copy, kit->why), OK);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1001); /* above whatever stood here */
	assert_int_equal(state_for_epoch(kit, 1000).base, 2);
	assert_int_equal(kit_faults(kit->store), 0);
	assert_int_equal(kit_put(kit->store, kit->arena, "e", "1"), OK);
	reopen(kit);
	assert_int_equal(store_epoch(kit->store), 1001);
}

static void
test_store_sqlite__restoring_refuses_what_is_not_a_sound_store(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	const char       *copy = beside(kit, ".backup");

	kit_open(kit);
	fill(kit, 300);
	assert_int_equal(store_backup(kit->store, copy, kit->why), OK);
	store_close(&kit->store);
	assert_int_equal(store_restore(&conf, beside(kit, ".none"), kit->why), ERR_NOT_FOUND);
	run_sql(beside(kit, ".other"), "CREATE TABLE other(x)");
	assert_int_equal(store_restore(&conf, beside(kit, ".other"), kit->why), ERR_FOREIGN);
	scribble(copy, 5 * 4096, 4096);
	assert_int_equal(store_restore(&conf, copy, kit->why), ERR_CORRUPT);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1);
	assert_int_equal(kit_faults(kit->store), 0);
}

static void
test_store_sqlite__a_damaged_store_can_be_replaced_by_its_backup(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(store_backup(kit->store, beside(kit, ".backup"), kit->why), OK);
	store_close(&kit->store);
	scribble(kit->path, 0, 4096);
	assert_int_equal(store_restore(&conf, beside(kit, ".backup"), kit->why), OK);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1000); /* the kit's clock says so */
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
}

static void *
backup_main(void *arg)
{
	struct kit *kit = arg;

	return store_backup(kit->store, beside(kit, ".backup"), kit->why) == OK ? arg : NULL;
}

static void
test_store_sqlite__a_backup_is_of_one_moment_while_writers_go_on(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	struct arena     *arena = arena_open((size_t)8 << 20);
	struct store     *looking;
	struct feed_state now_state;
	pthread_t         thread;
	void             *result;

	kit_open(kit);
	fill(kit, 3000);
	assert_int_equal(pthread_create(&thread, NULL, backup_main, kit), 0);
	for (int i = 0; i < 200; i++) {
		struct store_txn *txn = store_begin(kit->store, NULL, arena);
		struct item       item = { .id = arena_printf(arena, "item-%d", i), .body = STR("new") };

		store_put(txn, &kit_feed, &item);
		item.id = STR("twin");
		store_put(txn, &kit_feed, &item);
		assert_int_equal(store_commit(&txn), OK);
		arena_reset(arena);
	}
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	conf.access = STORE_LOOK;
	conf.create = false;
	conf.url = arena_printf(kit->arena, "sqlite:%s.backup", kit->path);
	assert_int_equal(store_open(&conf, &looking, kit->why), OK);
	assert_int_equal(kit_faults(looking), 0);
	(void)kit_changes(looking, arena, UINT64_MAX, false, &now_state);
	assert_int_equal(now_state.head % 2, 0);
	store_close(&looking);
	arena_close(&arena);
}

static void
test_store_sqlite__an_older_copy_put_back_by_hand_is_noticed(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	store_close(&kit->store);
	copy_file(kit->path, beside(kit, ".old"));
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	reopen(kit);
	assert_int_equal(store_epoch(kit->store), 1);
	store_close(&kit->store);

	copy_file(beside(kit, ".old"), kit->path);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1000); /* the kit's clock says so */
	assert_int_equal(state_for_epoch(kit, 1).base, 1);
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	assert_int_equal(state_for_epoch(kit, 1).base, 1);
	reopen(kit);
	assert_int_equal(store_epoch(kit->store), 1000); /* the kit's clock says so */
	store_close(&kit->store);

	scribble(beside(kit, ".witness"), 30, 8);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1001); /* unreadable: when in doubt, rise */
}

/*
 * Restored twice from one copy, to places that know nothing of each other: the two histories must not share an epoch.
 */
static void
test_store_sqlite__two_restores_of_one_copy_have_epochs_of_their_own(void **state)
{
	struct kit       *kit = *state;
	struct store_conf conf = kit_conf(kit, STORE_SERVE);
	uint32_t          first;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(store_backup(kit->store, beside(kit, ".copy"), kit->why), OK);
	store_close(&kit->store);
	assert_int_equal(store_restore(&conf, beside(kit, ".copy"), kit->why), OK);
	kit_open(kit);
	first = store_epoch(kit->store);
	store_close(&kit->store);

	assert_int_equal(unlink(kit->path), 0);
	assert_int_equal(unlink(beside(kit, ".witness")), 0);
	kit->now_ms += 5000;
	assert_int_equal(store_restore(&conf, beside(kit, ".copy"), kit->why), OK);
	kit_open(kit);
	assert_true(store_epoch(kit->store) > first);
}

static void
test_store_sqlite__a_written_store_without_its_guard_may_be_any_copy(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	store_close(&kit->store);
	assert_int_equal(unlink(beside(kit, ".witness")), 0);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1000);
	assert_int_equal(state_for_epoch(kit, 1).base, 1);
}

static void
test_store_sqlite__the_guard_of_another_store_means_nothing(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
		reopen(kit);
	}
	store_close(&kit->store);
	assert_int_equal(unlink(kit->path), 0);
	kit_open(kit);
	assert_int_equal(store_epoch(kit->store), 1);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, kit_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_sqlite__a_restored_backup_has_a_new_epoch_and_tells_the_bases),
		ALONE(test_store_sqlite__restoring_refuses_what_is_not_a_sound_store),
		ALONE(test_store_sqlite__a_damaged_store_can_be_replaced_by_its_backup),
		ALONE(test_store_sqlite__a_backup_is_of_one_moment_while_writers_go_on),
		ALONE(test_store_sqlite__an_older_copy_put_back_by_hand_is_noticed),
		ALONE(test_store_sqlite__two_restores_of_one_copy_have_epochs_of_their_own),
		ALONE(test_store_sqlite__a_written_store_without_its_guard_may_be_any_copy),
		ALONE(test_store_sqlite__the_guard_of_another_store_means_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

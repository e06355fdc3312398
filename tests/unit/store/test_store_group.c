/* SPDX-License-Identifier: Apache-2.0 */
/* Many writers at once, and writers that are killed. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "store/store_group.h"
#include "unit/store/store_kit.h"

#define WRITERS 8
#define ROUNDS  60

struct crew {
	struct kit *kit;
	atomic_int  next_writer, writers_left;
	atomic_uint acknowledged, harmed, gaps;
};

static void
write_one(struct crew *crew, struct arena *arena, int writer, int round)
{
	struct store_txn *txn = store_begin(crew->kit->store, NULL, arena);
	struct item       item = { .id = arena_printf(arena, "w%d-%d", writer, round), .body = STR("body") };
	struct item       hot = { .id = STR("hot"), .body = item.id };

	store_put(txn, &kit_feed, &item);
	store_put(txn, &kit_feed, &hot);
	if (round % 7 == 3) {
		store_abort(&txn);
		return;
	}
	if (round % 7 == 5)
		store_fail(txn, ERR_STALE);
	if (store_commit(&txn) == (round % 7 == 5 ? ERR_STALE : OK))
		atomic_fetch_add(&crew->acknowledged, round % 7 == 5 ? 0 : 1);
	else
		atomic_fetch_add(&crew->harmed, 1);
}

static void *
writer_main(void *arg)
{
	struct crew  *crew = arg;
	struct arena *arena = arena_open((size_t)1 << 20);
	int           writer = atomic_fetch_add(&crew->next_writer, 1);

	for (int round = 0; round < ROUNDS; round++) {
		write_one(crew, arena, writer, round);
		arena_reset(arena);
	}
	arena_close(&arena);
	atomic_fetch_sub(&crew->writers_left, 1);
	return NULL;
}

/* Law 1, from outside: a reader that has seen N never finds a new line at or below N, and heads are whole pairs. */
static void *
reader_main(void *arg)
{
	struct crew  *crew = arg;
	struct arena *arena = arena_open((size_t)1 << 20);
	uint64_t      seen = 0;

	while (atomic_load(&crew->writers_left) > 0) {
		struct store_range range = { .after = seen, .until = STORE_TO_HEAD, .limit = 100000, .epoch = 1 };
		struct store_scan *scan = store_scan_open(crew->kit->store, &kit_feed, &range, arena);
		uint64_t           head = store_scan_state(scan)->head, last = seen, count = 0;
		struct item        item;

		while (store_scan_next(scan, &item)) {
			last = item.seq;
			count++;
		}
		/* Two lines a transaction, of which the hot one moves on: half of (seen, head] and the last remain. */
		if (store_scan_close(&scan) != OK || head % 2 != 0 || last != head ||
		    (head > seen && count != (head - seen) / 2 + 1))
			atomic_fetch_add(&crew->gaps, 1);
		seen = head;
		arena_reset(arena);
	}
	arena_close(&arena);
	return NULL;
}

static void
run_crew(struct crew *crew)
{
	pthread_t threads[WRITERS + 1];

	atomic_store(&crew->writers_left, WRITERS);
	assert_int_equal(pthread_create(&threads[WRITERS], NULL, reader_main, crew), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, writer_main, crew), 0);
	for (int i = 0; i <= WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void
assert_all_there(struct kit *kit, uint64_t acknowledged)
{
	struct feed_state now_state;
	struct item       item;

	(void)kit_changes(kit->store, kit->arena, UINT64_MAX, false, &now_state);
	assert_int_equal(now_state.head, acknowledged * 2);
	for (int writer = 0; writer < WRITERS; writer++)
		for (int round = 0; round < ROUNDS; round++) {
			struct str id = arena_printf(kit->arena, "w%d-%d", writer, round);
			bool       is_kept = round % 7 != 3 && round % 7 != 5;

			assert_int_equal(store_get(kit->store, &kit_feed, id, kit->arena, &item),
			                 is_kept ? OK : ERR_NOT_FOUND);
		}
}

static void
test_store_group__writers_share_syncs_and_lose_nothing(void **state)
{
	struct kit       *kit = *state;
	struct crew       crew = { .kit = kit };
	struct store_info info;

	kit_open(kit);
	run_crew(&crew);
	assert_int_equal(atomic_load(&crew.harmed), 0);
	assert_int_equal(atomic_load(&crew.gaps), 0);
	assert_int_equal(store_get_info(kit->store, &info), OK);
	assert_int_equal(info.commits, atomic_load(&crew.acknowledged));
	assert_true(info.syncs < info.commits);
	print_message("%llu commits in %llu syncs\n", (unsigned long long)info.commits, (unsigned long long)info.syncs);
	assert_all_there(kit, atomic_load(&crew.acknowledged));
	store_close(&kit->store);
	kit_open(kit);
	assert_all_there(kit, atomic_load(&crew.acknowledged));
	assert_int_equal(kit_faults(kit->store), 0);
}

static void
test_store_group__writers_in_memory_lose_nothing(void **state)
{
	struct kit *kit = *state;
	struct crew crew = { .kit = kit };

	(void)snprintf(kit->url, sizeof(kit->url), "memory:");
	kit_open(kit);
	run_crew(&crew);
	assert_int_equal(atomic_load(&crew.harmed), 0);
	assert_int_equal(atomic_load(&crew.gaps), 0);
	assert_all_there(kit, atomic_load(&crew.acknowledged));
	assert_int_equal(kit_faults(kit->store), 0);
}

static void *
begin_and_commit(void *arg)
{
	struct kit   *kit = arg;
	struct arena *arena = arena_open((size_t)1 << 20);
	bool          is_ok = kit_put(kit->store, arena, "late", "1") == OK;

	arena_close(&arena);
	return is_ok ? arg : NULL;
}

static void
test_store_group__readers_go_on_while_a_transaction_stands_open(void **state)
{
	struct kit       *kit = *state;
	struct store_txn *txn;
	struct item       item = { .id = STR("b"), .body = STR("1") };
	pthread_t         thread;
	void             *result;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	txn = store_begin(kit->store, NULL, kit->arena);
	store_put(txn, &kit_feed, &item);
	assert_int_equal(pthread_create(&thread, NULL, begin_and_commit, kit), 0);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	assert_int_equal(store_get(kit->store, &kit_feed, STR("b"), kit->arena, &item), ERR_NOT_FOUND);
	assert_int_equal(store_commit(&txn), OK);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_non_null(result);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2 late3");
}

/* ---- groups of one thread ---------------------------------------------------------------------- */

static enum err
put_in(struct store_group *group, struct arena *arena, const char *id, const char *body)
{
	struct store_txn *txn = store_group_begin(group, NULL, arena);
	struct item       item = { .id = str_from_c(id), .body = str_from_c(body) };

	store_put(txn, &kit_feed, &item);
	return store_commit(&txn);
}

static void
test_store_group__nobody_sees_a_group_before_its_commit(void **state)
{
	struct kit         *kit = *state;
	struct store_group *group;
	struct store_info   before, after;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(store_get_info(kit->store, &before), OK);
	group = store_group_open(kit->store);
	assert_int_equal(put_in(group, kit->arena, "b", "1"), OK);
	assert_int_equal(put_in(group, kit->arena, "c", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1");
	assert_int_equal(store_group_commit(group), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2 c3");
	store_group_close(&group);
	assert_null(group);
	assert_int_equal(store_get_info(kit->store, &after), OK);
	assert_int_equal(after.commits - before.commits, 2);
	assert_int_equal(after.syncs - before.syncs, 1);
	assert_int_equal(kit_put(kit->store, kit->arena, "d", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2 c3 d4");
}

/* The second transaction writes, looks at what it wrote, and gives up: the ones around it stand. */
static void
test_store_group__one_of_a_group_is_undone_alone(void **state)
{
	struct kit         *kit = *state;
	struct store_group *group;
	struct store_txn   *txn;
	struct feed_state   now_state;
	struct item         item = { .id = STR("x"), .body = STR("2") };

	kit_open(kit);
	group = store_group_open(kit->store);
	assert_int_equal(put_in(group, kit->arena, "a", "1"), OK);
	txn = store_group_begin(group, NULL, kit->arena);
	store_put(txn, &kit_feed, &item);
	assert_true(store_txn_state(txn, &kit_feed, &now_state));
	assert_int_equal(now_state.head, 2);
	assert_true(store_txn_get(txn, &kit_feed, STR("x"), &item));
	assert_true(store_remove(txn, &kit_feed, STR("a")));
	store_abort(&txn);
	txn = store_group_begin(group, NULL, kit->arena);
	assert_false(store_txn_get(txn, &kit_feed, STR("x"), &item));
	assert_true(store_txn_get(txn, &kit_feed, STR("a"), &item));
	store_fail(txn, ERR_STALE);
	assert_int_equal(store_commit(&txn), ERR_STALE);
	assert_int_equal(put_in(group, kit->arena, "b", "1"), OK);
	assert_int_equal(store_group_commit(group), OK);
	store_group_close(&group);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 b2");
	assert_int_equal(kit_faults(kit->store), 0);
}

static void
test_store_group__a_group_that_is_only_closed_leaves_nothing(void **state)
{
	struct kit         *kit = *state;
	struct store_group *group;

	kit_open(kit);
	group = store_group_open(kit->store);
	store_group_close(&group);
	group = store_group_open(kit->store);
	assert_int_equal(store_group_commit(group), OK);
	store_group_close(&group);
	group = store_group_open(kit->store);
	assert_int_equal(put_in(group, kit->arena, "a", "1"), OK);
	store_group_close(&group);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "");
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "b1");
	assert_int_equal(kit_faults(kit->store), 0);
}

struct trio {
	struct kit *kit;
	atomic_int  step; /* 1 the first has begun, 2 the second comes, 3 is in the middle, 4 may end */
	atomic_int  good;
};

static void
await_step(struct trio *trio, int step)
{
	while (atomic_load(&trio->step) < step)
		(void)usleep(1000);
}

static void *
first_of_trio(void *arg)
{
	struct trio      *trio = arg;
	struct arena     *arena = arena_open((size_t)1 << 20);
	struct store_txn *txn = store_begin(trio->kit->store, NULL, arena);
	struct item       item = { .id = STR("a"), .body = STR("1") };

	store_put(txn, &kit_feed, &item);
	atomic_store(&trio->step, 1);
	await_step(trio, 2);
	(void)usleep(50000); /* so the second stands in line */
	atomic_fetch_add(&trio->good, store_commit(&txn) == OK);
	arena_close(&arena);
	return NULL;
}

static void *
second_of_trio(void *arg)
{
	struct trio      *trio = arg;
	struct arena     *arena = arena_open((size_t)1 << 20);
	struct store_txn *txn;
	struct item       item = { .id = STR("b"), .body = STR("1") };

	await_step(trio, 1);
	atomic_store(&trio->step, 2);
	txn = store_begin(trio->kit->store, NULL, arena);
	store_put(txn, &kit_feed, &item);
	atomic_store(&trio->step, 3);
	await_step(trio, 4);
	item.id = STR("c");
	store_put(txn, &kit_feed, &item);
	atomic_fetch_add(&trio->good, store_commit(&txn) == OK);
	arena_close(&arena);
	return NULL;
}

/* All of its calls were refused before they wrote: what others are in the middle of is none of its business. */
static void
test_store_group__an_empty_group_commits_nothing_of_others(void **state)
{
	struct kit         *kit = *state;
	struct trio         trio = { .kit = kit };
	struct store_group *group;
	pthread_t           threads[2];

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "0", "1"), OK);
	assert_int_equal(pthread_create(&threads[0], NULL, first_of_trio, &trio), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, second_of_trio, &trio), 0);
	await_step(&trio, 3);
	group = store_group_open(kit->store);
	assert_int_equal(store_group_commit(group), OK);
	store_group_close(&group);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "01");
	atomic_store(&trio.step, 4);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&trio.good), 2);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "01 a2 b3 c4");
}

/* Members of the one commit come from groups and from single writers. */
static void *
group_writer_main(void *arg)
{
	struct crew  *crew = arg;
	struct arena *arena = arena_open((size_t)1 << 20);
	int           writer = atomic_fetch_add(&crew->next_writer, 1);

	for (int round = 0; round < ROUNDS; round += 5) {
		struct store_group *group = store_group_open(crew->kit->store);
		unsigned            stand = 0;

		for (int at = round; at < round + 5; at++) {
			struct store_txn *txn = store_group_begin(group, NULL, arena);
			struct item item = { .id = arena_printf(arena, "w%d-%d", writer, at), .body = STR("body") };
			struct item hot = { .id = STR("hot"), .body = item.id };

			store_put(txn, &kit_feed, &item);
			store_put(txn, &kit_feed, &hot);
			if (at % 7 == 3 || at % 7 == 5)
				store_abort(&txn);
			else if (store_commit(&txn) == OK)
				stand++;
		}
		if (store_group_commit(group) == OK)
			atomic_fetch_add(&crew->acknowledged, stand);
		else
			atomic_fetch_add(&crew->harmed, 1);
		store_group_close(&group);
		arena_reset(arena);
	}
	arena_close(&arena);
	atomic_fetch_sub(&crew->writers_left, 1);
	return NULL;
}

static void
test_store_group__groups_and_single_writers_share_the_write_lock(void **state)
{
	struct kit *kit = *state;
	struct crew crew = { .kit = kit };
	pthread_t   threads[WRITERS + 1];

	kit_open(kit);
	atomic_store(&crew.writers_left, WRITERS);
	assert_int_equal(pthread_create(&threads[WRITERS], NULL, reader_main, &crew), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? group_writer_main : writer_main, &crew), 0);
	for (int i = 0; i <= WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&crew.harmed), 0);
	assert_int_equal(atomic_load(&crew.gaps), 0);
	assert_all_there(kit, atomic_load(&crew.acknowledged));
	assert_int_equal(kit_faults(kit->store), 0);
}

/* ---- killed writers ------------------------------------------------------------------------- */

/* Writes, removes and purges until it is killed; `acknowledged` is memory shared with the one who kills. */
static void
write_in_groups_until_killed(struct kit *kit, atomic_ulong *acknowledged)
{
	char id[32];

	for (unsigned long n = atomic_load(acknowledged);; n += 4) {
		struct store_group *group = store_group_open(kit->store);

		for (unsigned long i = n; i < n + 4; i++) {
			(void)snprintf(id, sizeof(id), "k%lu", i);
			if (put_in(group, kit->arena, id, "x") != OK)
				_exit(2);
		}
		if (store_group_commit(group) != OK)
			_exit(2);
		atomic_store(acknowledged, n + 4);
		store_group_close(&group);
		arena_reset(kit->arena);
	}
}

static void
write_until_killed(struct kit *kit, atomic_ulong *acknowledged, bool in_groups)
{
	struct store_txn *txn;
	uint32_t          purged;
	char              id[32];

	if (kit_try_open(kit, STORE_SERVE, &kit->store) != OK)
		_exit(1);
	if (in_groups)
		write_in_groups_until_killed(kit, acknowledged);
	for (unsigned long n = atomic_load(acknowledged);; n++) {
		struct item item = { .id = str_of(id, (size_t)snprintf(id, sizeof(id), "k%lu", n)), .body = STR("x") };
		struct item temporary = { .id = STR("temporary"), .body = STR("x") };

		txn = store_begin(kit->store, NULL, kit->arena);
		store_put(txn, &kit_feed, &item);
		store_put(txn, &kit_feed, &temporary);
		(void)store_remove(txn, &kit_feed, temporary.id);
		(void)snprintf(id, sizeof(id), "k%lu", n / 2);
		if (n % 2)
			(void)store_remove(txn, &kit_feed, str_from_c(id));
		if (n % 3 == 0)
			store_purge(txn, &kit_feed, INT64_MAX, 3, &purged);
		if (store_commit(&txn) != OK)
			_exit(2);
		atomic_store(acknowledged, n + 1);
		arena_reset(kit->arena);
	}
}

/* Every other writer is killed at work, the rest wherever they are: opening, recovering, writing. */
static void
let_it_work(const atomic_ulong *acknowledged, bool until_it_writes)
{
	unsigned long before = atomic_load(acknowledged);

	for (int i = 0; until_it_writes && i < 10000 && atomic_load(acknowledged) == before; i++)
		(void)usleep(1000);
	(void)usleep((useconds_t)(rand() % 20000));
}

static void
test_store_group__killed_writers_lose_nothing_acknowledged(void **state)
{
	struct kit   *kit = *state;
	atomic_ulong *acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct item   item;
	int           status;

	assert_ptr_not_equal(acknowledged, MAP_FAILED);
	for (int kill_nr = 0; kill_nr < 50; kill_nr++) {
		struct store *looking;
		unsigned long sure;
		pid_t         child = fork();

		assert_true(child >= 0);
		if (child == 0)
			write_until_killed(kit, acknowledged, kill_nr % 3 == 2);
		let_it_work(acknowledged, kill_nr % 2 == 0);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		sure = atomic_load(acknowledged);

		/* A store just killed can be looked at as it lies; then it is opened, and checked. */
		if (sure > 0) {
			assert_int_equal(kit_try_open(kit, STORE_LOOK, &looking), OK);
			assert_int_equal(kit_faults(looking), 0);
			store_close(&looking);
		}
		kit_open(kit);
		assert_int_equal(store_epoch(kit->store), 1);
		assert_int_equal(kit_faults(kit->store), 0);
		for (unsigned long n = sure / 2 + 1; n < sure; n++) {
			struct str id = arena_printf(kit->arena, "k%lu", n);

			assert_int_equal(store_get(kit->store, &kit_feed, id, kit->arena, &item), OK);
		}
		store_close(&kit->store);
		arena_reset(kit->arena);
	}
	print_message("%lu transactions acknowledged over 50 kills\n", atomic_load(acknowledged));
	assert_true(atomic_load(acknowledged) >= 25);
	(void)munmap(acknowledged, 4096);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, kit_begin, kit_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(test_store_group__writers_share_syncs_and_lose_nothing),
		ALONE(test_store_group__writers_in_memory_lose_nothing),
		ALONE(test_store_group__readers_go_on_while_a_transaction_stands_open),
		ALONE(test_store_group__nobody_sees_a_group_before_its_commit),
		ALONE(test_store_group__one_of_a_group_is_undone_alone),
		ALONE(test_store_group__a_group_that_is_only_closed_leaves_nothing),
		ALONE(test_store_group__an_empty_group_commits_nothing_of_others),
		ALONE(test_store_group__groups_and_single_writers_share_the_write_lock),
		ALONE(test_store_group__killed_writers_lose_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

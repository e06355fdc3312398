/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold when a scope is forgotten and the process is killed at any of its writes: the scope is listed, whole
 * or empty, or it is gone; the same call brings it to its end; a sync makes it whole; no other scope notices.
 */
#include "../unit/follow/follow_test.h"

#include <sys/wait.h>

#include "support/last_write.h"

#define ITEMS             8
#define OTHER_URL         STR("https://graph.example.com/v1.0/others/delta")
#define FORGOTTEN_CHANGES 10 /* eight items, and one of them was removed and came back */

static void
run_command(const char *command, const char *dir)
{
	assert_int_equal(setenv("DIR", dir, 1), 0);
	assert_int_equal(system(command), 0);
}

/* False when the scope was gone before its nth write. */
static bool
forget_until_write(struct kit *kit, unsigned long nth)
{
	int   status = 0;
	pid_t child = fork();

	if (child == 0) {
		bool done = false;

		kit_open_replica(kit);
		writes_left = nth;
		while (!done && replica_forget_scope(kit->replica, kit_sid(kit), &done) == OK)
			;
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status) == 9;
}

static uint64_t
changes_after(struct kit *kit, int64_t sid, uint64_t n)
{
	struct replica_change change = { .n = n };
	uint64_t              count = 0;

	while (replica_next_change(kit->replica, sid, change.n, &change) == OK)
		count++;
	replica_end_read(kit->replica);
	return count;
}

/* To the end of a round, as a person or a timer would. */
static void
sync_well(struct kit *kit)
{
	assert_int_equal(kit_sync(kit).next, FOLLOW_CAUGHT_UP);
	assert_true(kit_is_equal(kit));
}

static void
expect_whole_or_empty(struct kit *kit, const struct replica_scope *scope)
{
	if (scope->rounds > 0)
		assert_true(kit_is_equal(kit) && changes_after(kit, scope->sid, 0) == FORGOTTEN_CHANGES);
	else
		assert_true(scope->items == 0 && scope->delta_link.len == 0);
}

/*
 * From the store as it was saved: killed at a write, then what is seen; then the rest of the forgetting or none, and
 * a sync.
 */
static bool
one_forgetting(struct kit *kit, unsigned long nth)
{
	struct replica_scope scope = { 0 };
	uint64_t             head;
	bool                 died, done, is_there;

	run_command("rm -f $DIR/f.db*", kit->dir);
	run_command("cp $DIR/saved/f.db* $DIR/ 2>/dev/null; true", kit->dir);
	died = forget_until_write(kit, nth);
	kit_open_replica(kit);
	arena_reset(kit->arena);
	is_there = replica_find_url(kit->replica, FAR_URL, kit->arena, &scope) == OK;
	assert_true(is_there || !died);
	if (is_there)
		expect_whole_or_empty(kit, &scope);
	for (done = !is_there || nth % 2 == 1; !done;)
		assert_int_equal(replica_forget_scope(kit->replica, scope.sid, &done), OK);
	is_there = replica_find_url(kit->replica, FAR_URL, kit->arena, &scope) == OK && scope.rounds > 0;
	assert_int_equal(replica_head(kit->replica, &head), OK);
	sync_well(kit);
	assert_int_equal(changes_after(kit, kit_sid(kit), head), is_there ? 0 : ITEMS);
	/* Nothing of what was forgotten is told as its successor's. */
	assert_int_equal(changes_after(kit, kit_sid(kit), 0), is_there ? FORGOTTEN_CHANGES : ITEMS);
	kit->conf.url = OTHER_URL;
	assert_true(kit_is_equal(kit) && changes_after(kit, kit_sid(kit), 0) == ITEMS);
	kit->conf.url = FAR_URL;
	replica_close(&kit->replica);
	return died;
}

static void
test_forget__a_scope_killed_at_any_write_of_its_forgetting_is_whole_or_empty(void **state)
{
	struct kit    kit;
	unsigned long nth = 1;

	(void)state;
	kit_open(&kit, 17);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < ITEMS; i++)
		far_put(&kit.far, i, i, i * i);
	kit.conf.url = OTHER_URL;
	sync_well(&kit);
	kit.conf.url = FAR_URL;
	sync_well(&kit);
	/* The same items by another order of change: what the other scope holds stays what the remote has. */
	far_remove(&kit.far, 3);
	sync_well(&kit);
	far_put(&kit.far, 3, 3, 9);
	sync_well(&kit);
	replica_close(&kit.replica);
	run_command("mkdir $DIR/saved && cp $DIR/f.db* $DIR/saved/", kit.dir);
	while (one_forgetting(&kit, nth))
		nth++;
	print_message("killed at %lu writes of a forgetting\n", nth);
	assert_true(nth > 10);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forget__a_scope_killed_at_any_write_of_its_forgetting_is_whole_or_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

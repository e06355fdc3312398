/* SPDX-License-Identifier: Apache-2.0 */
/* Settling a round in parts, when the process ends between two of them. */
#include "unit/store/followed_kit.h"

static void
open_replica(struct kit *kit, struct replica **replica)
{
	kit_open(kit);
	assert_int_equal(replica_join(kit->store, replica, kit->why), OK);
	replica_limit_commits(*replica, 1);
}

/* "1" and then "2" is "1+2". */
static enum err
add_received(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	if (!str_starts(received, held))
		buf_printf(merged_out, "%.*s+", STR_ARG(held));
	buf_put(merged_out, received);
	return OK;
}

static bool
settle_part(struct replica *replica, int64_t sid)
{
	struct replica_merger merger = { .merge = add_received, .differ = bodies_differ, .show = show_body };

	return replica_settle_part(replica, sid, &merger, 200);
}

/* Settles that many parts, and the rest after the store was opened again.  False: there are not so many. */
static bool
settle_with_a_break(struct kit *kit, struct replica **replica, int64_t sid, unsigned parts)
{
	while (parts-- > 0)
		if (settle_part(*replica, sid))
			return false;
	replica_close(replica);
	store_close(&kit->store);
	open_replica(kit, replica);
	while (!settle_part(*replica, sid))
		;
	return true;
}

struct rounds {
	const char       *first, *later;
	enum replica_kind kind; /* of the later one */
	const char       *seen; /* in the end: seqs and bodies */
};

/* The later round is broken off between any two parts, each time of another scope. */
static void
expect_the_same_with_any_break(struct kit *kit, const struct rounds *rounds)
{
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = 1, .limit = 100, .bodies_only = true };
	struct replica    *replica = NULL;
	bool               is_broken = true;
	const char        *seen;
	unsigned           parts;

	open_replica(kit, &replica);
	for (parts = 0; is_broken; parts++) {
		char              name[16];
		struct store_feed feed;
		int64_t           sid;

		(void)snprintf(name, sizeof(name), "s%u", parts);
		sid = replica_scope_add(replica, name);
		replica_round(replica, sid, REPLICA_FIRST, rounds->first, 100);
		replica_stage(replica, sid, rounds->kind, rounds->later, 200);
		is_broken = settle_with_a_break(kit, &replica, sid, parts);
		feed = feed_of(kit, name);
		seen = read_range(kit, &feed, &range, NULL);
		if (strcmp(seen, rounds->seen) != 0)
			replica_close(&replica); /* or the store cannot be closed */
		assert_string_equal(seen, rounds->seen);
		assert_int_equal(kit_faults(kit->store), 0);
	}
	assert_true(parts > 10);
	replica_close(&replica);
}

static void
test_store_sqlite_replica_settle__a_listing_that_is_settled_again_keeps_what_it_names(void **state)
{
	static const struct rounds rounds = {
		.first = "a b c d e", .kind = REPLICA_RESYNC, .later = "a b d e f", .seen = "a1 b2 d4 e5 f10 -c11.0"
	};

	expect_the_same_with_any_break(*state, &rounds);
}

/* An item that was removed and is back in one round is not a part on top of what was held. */
static void
test_store_sqlite_replica_settle__an_item_anew_that_is_settled_again_stays_as_it_was_received(void **state)
{
	static const struct rounds rounds = {
		.first = "a=1 b=1", .kind = REPLICA_NEXT, .later = "-a a=2 b=2 c", .seen = "24 1+25 c6"
	};

	expect_the_same_with_any_break(*state, &rounds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_store_sqlite_replica_settle__a_listing_that_is_settled_again_keeps_what_it_names,
			kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(
			test_store_sqlite_replica_settle__an_item_anew_that_is_settled_again_stays_as_it_was_received,
			kit_begin, kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

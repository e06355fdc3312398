/* SPDX-License-Identifier: Apache-2.0 */
/* Followed feeds: what store check finds in them. */
#include "unit/store/followed_kit.h"

struct hunt {
	const char *sentence;
	bool        found;
};

static void
hunt_fault(void *ctx, struct str sentence)
{
	struct hunt *hunt = ctx;
	char         text[600];

	str_printf(text, sizeof(text), "%.*s", STR_ARG(str_cut(sentence, 500)));
	hunt->found = hunt->found || strstr(text, hunt->sentence);
}

struct fault {
	const char *sql, *sentence;
};

static void
expect_fault(struct kit *kit, const char *more, const struct fault *fault)
{
	struct hunt hunt = { .sentence = fault->sentence };

	write_sql(kit, scene);
	write_sql(kit, more);
	write_sql(kit, fault->sql);
	assert_int_equal(store_check(kit->store, hunt_fault, &hunt), OK);
	if (!hunt.found)
		fail_msg("not found: %s (%s)", fault->sentence, fault->sql);
}

static void
test_store_followed__check_finds_every_broken_rule(void **state)
{
	static const struct fault faults[] = {
		{ "DELETE FROM feed", "it has no feed" },
		{ "UPDATE feed SET gen = 2", "shows another view" },
		{ "UPDATE follow_scope SET ord = 5", "the head 6 of its feed is not 5" },
		{ "UPDATE follow_scope SET top = 5", "the head 6 is beyond the top 5" },
		{ "UPDATE feed SET moving = 1", "do not agree" },
		{ "UPDATE follow_scope SET moving = 2", "do not agree" },
		{ "DELETE FROM follow_scope", "no scope has this feed" },
		{ "UPDATE feed SET gen = 0", "no scope has this feed" },
		{ "UPDATE feed SET live = 5", "counts 5 items, and there are 4" },
		{ "UPDATE follow_scope SET items = 5", "items, and there are 4" },
		{ "UPDATE feed SET tombs = 1", "counts 1 tombstones, and there are 2" },
		{ "DELETE FROM follow_entry WHERE id = 'b'", "the item at seq 2 is not what its entry names" },
		{ "UPDATE follow_entry SET place = @1 WHERE id = 'b'", "the item at seq 2 is not what" },
		{ "UPDATE follow_entry SET place = @1 WHERE id = 'b'", "the entry of 'b' names no row" },
		{ "UPDATE follow_item SET life = 1 WHERE id = 'b'", "the entry of 'b' names no row" },
		{ "DELETE FROM follow_item WHERE id = 'b'", "the entry of 'b' names no row" },
		{ "DELETE FROM follow_entry WHERE id = 'c'", "the tombstone at seq 3 is not what its entry names" },
		{ "UPDATE follow_tomb SET life = 3 WHERE id = 'c'", "the tombstone at seq 3 has the reason 3" },
		{ "UPDATE feed SET horizon = 3", "the tombstone at seq 3 should have been purged" },
		{ "INSERT INTO follow_item VALUES(@3, 'c', 0, '', NULL)", "the tombstone at seq 3 is an item, too" },
		{ "DELETE FROM follow_tomb WHERE id = 'e'", "the entry of 'e' names no row" },
		{ "UPDATE follow_entry SET was = place, place = @7 WHERE id = 'b'", "is of a later round" },
		{ "UPDATE follow_entry SET was = @8, place = @7 WHERE id = 'b'; UPDATE follow_scope SET moving = 1",
		  "the entry of 'b' names a row that is not in the feed" },
		{ "UPDATE follow_entry SET place = 5 WHERE id = 'b'", "names a row that is not in the feed" },
		{ "UPDATE feed SET moving = 1; UPDATE follow_scope SET moving = 2;"
		  "INSERT INTO follow_dead VALUES(@2, @2)",
		  "the entry of 'b' names a dead row" },
		{ "INSERT INTO follow_tomb VALUES((9 << 36) + 1, 'x', 0, 0)", "rows of view 9 belong to no scope" },
		{ "INSERT INTO follow_detail VALUES((9 << 36) + 1, 1, 0, '', 'x')", "rows of view 9 belong" },
		{ "INSERT INTO follow_dead VALUES((9 << 36) + 1, (9 << 36) + 1)", "rows of view 9 belong" },
		{ "INSERT INTO follow_dead VALUES(@2, @4), (@4, @4)", "from 2 of view 3 is not one" },
		{ "INSERT INTO follow_dead VALUES(@4, @3)", "from 4 of view 3 is not one" },
		{ "INSERT INTO follow_dead VALUES(@4, (4 << 36) + 5)", "from 4 of view 3 is not one" },
	};
	struct kit *kit = *state;

	for (size_t i = 0; i < COUNT_OF(faults); i++)
		expect_fault(kit, "", &faults[i]);
	write_sql(kit, scene);
	write_sql(kit, "INSERT INTO follow_tomb VALUES((9 << 36) + 1, 'x', 0, 0); INSERT INTO follow_old VALUES(9);"
	               "UPDATE feed SET tombs = 1, horizon = 3; DELETE FROM follow_tomb WHERE id = 'c'");
	assert_int_equal(kit_faults(kit->store), 0);
}

/* b has the member m and had n; c had o. */
static const char with_members[] =
	"INSERT INTO follow_member(gen, id, relation, member, life, type, value, place) VALUES"
	" (3, 'b', 'r', 'm', 0, '', '', @7), (3, 'b', 'r', 'n', 1, '', '', @8), (3, 'c', 'r', 'o', 2, '', '', @3);"
	"UPDATE follow_scope SET ord = 8, top = 8; UPDATE feed SET head = 8, tombs = 3, relates = 1";

static void
test_store_followed__check_finds_every_broken_rule_of_members(void **state)
{
	static const struct fault faults[] = {
		{ "UPDATE follow_member SET gen = 9 WHERE member = 'm'", "rows of view 9 belong" },
		{ "UPDATE feed SET tombs = 2", "counts 2 tombstones, and there are 3" },
		{ "UPDATE follow_member SET life = 3 WHERE member = 'm'", "is neither there nor" },
		{ "UPDATE follow_member SET life = 2 WHERE member = 'm'", "has lost the tombstone of the item" },
		{ "INSERT INTO follow_member(gen, id, relation, member, slot, life, type, value, place) VALUES"
		  " (3, 'b', 'r', 'm', 1, 0, '', '', @6)",
		  "'m' of 'b' is there twice" },
		{ "INSERT INTO follow_member(gen, id, relation, member, slot, life, type, value, place) VALUES"
		  " (3, 'b', 'r', 'm', 1, 0, '', '', @9)",
		  "'m' of 'b' has no seq of the feed" },
		{ "INSERT INTO follow_detail_member VALUES((9 << 36) + 1, 'r', 0, 'm')", "rows of view 9 belong" },
		{ "UPDATE follow_member SET place = NULL WHERE member = 'm'", "has no seq of the feed" },
		{ "UPDATE follow_member SET place = @10 WHERE member = 'm'", "has no seq of the feed" },
		{ "UPDATE follow_member SET place = 7 WHERE member = 'm'", "has no seq of the feed" },
		{ "DELETE FROM follow_tomb WHERE id = 'c'", "has lost the tombstone of the item" },
		{ "DELETE FROM follow_item WHERE id = 'b'", "'m' of 'b' is a row without the item" },
		{ "DELETE FROM follow_item WHERE id = 'b'", "'n' of 'b' is a row without the item" },
		{ "UPDATE feed SET relates = 0", "is not expected by the feed" },
		{ "UPDATE feed SET horizon = 8", "'n' of 'b' should have been purged" },
		{ "UPDATE follow_member SET place = @8 WHERE member = 'm'", "has the seq of another row" },
		{ "UPDATE follow_member SET place = @6 WHERE member = 'm'", "has the seq of another row" },
		{ "UPDATE follow_member SET place = @5 WHERE member = 'm'", "has the seq of another row" },
	};
	struct kit *kit = *state;

	write_sql(kit, with_members);
	assert_int_equal(kit_faults(kit->store), 0);
	for (size_t i = 0; i < COUNT_OF(faults); i++)
		expect_fault(kit, with_members, &faults[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store_followed__check_finds_every_broken_rule, scene_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_followed__check_finds_every_broken_rule_of_members,
		                                scene_begin, kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

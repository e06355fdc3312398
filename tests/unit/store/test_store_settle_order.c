/* SPDX-License-Identifier: Apache-2.0 */
/* A later round whose rows lie in another order than those they replace. */
#include "store/replica.h"
#include "unit/store/store_files.h"

#define ITEMS   101
#define STEP    37
#define LONG    6000 /* bytes: more than the bodies have that are sorted in a file */
#define ID_SIZE 8

static enum err
join(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	buf_put(merged_out, held);
	buf_put(merged_out, received);
	return buf_err(merged_out);
}

static bool
differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	(void)ctx;
	(void)fields_out;
	return !str_eq(a, b);
}

static bool
show(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	(void)body;
	(void)shown_out;
	return false;
}

/* Every third is a long one. */
static struct str
body_of(unsigned item, char bytes[LONG])
{
	size_t len = item % 3 == 0 ? LONG : 10 + item % 7;

	memset(bytes, 'a' + (int)(item % 26), len);
	return str_of(bytes, len);
}

static void
stage_item(struct replica *replica, unsigned item, struct str body)
{
	char id[ID_SIZE];

	(void)snprintf(id, sizeof(id), "%04u", item);
	replica_put_item(replica, str_from_c(id), REPLICA_LIVE, body);
}

static void
take_round(struct replica *replica, int64_t sid, bool is_first)
{
	static const struct replica_merger merger = { .merge = join, .differ = differ, .show = show };
	const struct replica_guard         guard = { 100, 1 };
	struct replica_tally               tally;
	char                               bytes[LONG];
	bool                               done = false;

	assert_int_equal(
		replica_begin_round(replica, sid, is_first ? REPLICA_FIRST : REPLICA_NEXT, STR("http://x/1"), 5), OK);
	replica_begin_page(replica, sid);
	for (unsigned i = 0; i < ITEMS; i++)
		stage_item(replica, is_first ? i : i * STEP % ITEMS, is_first ? body_of(i, bytes) : STR("!"));
	/* Of an item that is new there is no earlier row. */
	if (!is_first)
		stage_item(replica, ITEMS, STR("!"));
	assert_int_equal(replica_end_page(replica, STR("http://x/2"), true), OK);
	while (!done)
		assert_int_equal(replica_settle(replica, sid, &merger, &guard, 7, &tally, &done), OK);
	assert_int_equal(tally.created, is_first ? ITEMS : 1);
	assert_int_equal(tally.updated, is_first ? 0 : ITEMS);
}

static void
expect_merged(struct replica *replica, int64_t sid)
{
	struct str id = STR_EMPTY, body;
	char       bytes[LONG];

	for (unsigned i = 0; i < ITEMS; i++) {
		struct str held = body_of(i, bytes);

		assert_int_equal(replica_next_item(replica, sid, id, &id, &body), OK);
		assert_true(str_eq(str_first(body, held.len), held));
		assert_true(str_eq(str_skip(body, held.len), STR("!")));
	}
	assert_int_equal(replica_next_item(replica, sid, id, &id, &body), OK);
	assert_true(str_eq(body, STR("!")));
	replica_end_read(replica);
}

static void
test_store_settle_order__each_row_is_merged_with_the_one_that_it_replaces(void **state)
{
	struct kit          *kit = *state;
	struct store_conf    conf = kit_conf(kit, STORE_SERVE);
	struct replica_scope scope = { .name = STR("s"), .url = STR("http://x/s"), .resource = STR("things") };
	struct replica      *replica;
	int64_t              sid;

	assert_int_equal(replica_open(&conf, &replica, kit->why), OK);
	replica_limit_commits(replica, 10);
	assert_int_equal(replica_add_scope(replica, &scope, &sid), OK);
	take_round(replica, sid, true);
	take_round(replica, sid, false);
	expect_merged(replica, sid);
	replica_close(&replica);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_store_settle_order__each_row_is_merged_with_the_one_that_it_replaces, kit_begin, kit_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

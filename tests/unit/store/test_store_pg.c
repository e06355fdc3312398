/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the properties cannot say of the PostgreSQL engine: two servers on one database, other histories, the schema,
 * and a commit whose answer does not say what happened.  Run by tests/support/postgresql.py.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "unit/store/store_kit.h"

#include "store/store_group.h"
#include "store/store_pg_sql.h"

static struct store *
second_server(struct kit *kit)
{
	struct store *store = NULL;

	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), OK);
	return store;
}

static void
sql(struct kit *kit, const char *text)
{
	pg_test_sql(kit->url, text, NULL);
}

static int64_t
sql_number(struct kit *kit, const char *text)
{
	char value[64];

	pg_test_sql(kit->url, text, value);
	return strtoll(value, NULL, 10);
}

static struct feed_state
state_for(struct kit *kit, uint32_t epoch)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1, .epoch = epoch };
	struct store_scan *scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena);
	struct feed_state  state = *store_scan_state(scan);

	assert_int_equal(store_scan_close(&scan), OK);
	return state;
}

/* ---- two servers --------------------------------------------------------------------------------- */

static void
test_store_pg__what_one_server_commits_the_other_sees_at_once(void **state)
{
	struct kit       *kit = *state;
	struct store     *other;
	struct store_txn *txn;
	uint64_t          generation;
	struct str        value;

	kit_open(kit);
	other = second_server(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_string_equal(kit_changes(other, kit->arena, 0, false, NULL), "a1");
	assert_int_equal(kit_remove(other, kit->arena, "a"), OK);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "-a2");

	generation = store_kv_generation(kit->store);
	txn = store_begin(other, NULL, kit->arena);
	store_put_kv(txn, "space", STR("name"), STR("value"));
	assert_int_equal(store_kv_generation(kit->store), generation);
	assert_int_equal(store_commit(&txn), OK);
	assert_int_not_equal(store_kv_generation(kit->store), generation);
	assert_int_equal(store_get_kv(kit->store, "space", STR("name"), kit->arena, &value), OK);
	store_close(&other);
}

struct claim {
	struct store *store;
	bool          is_taken;
	atomic_bool   has_looked;
};

/* Is the name taken?  As users and their UPNs are made: who finds it free takes it. */
static void *
look_at_name(void *ctx)
{
	struct claim     *claim = ctx;
	struct arena     *arena = arena_open((size_t)1 << 20);
	struct store_txn *txn = store_begin(claim->store, NULL, arena);
	struct str        value;

	claim->is_taken = store_txn_get_kv(txn, "names", STR("ann"), &value);
	atomic_store(&claim->has_looked, true);
	MUST(store_commit(&txn) == OK);
	arena_close(&arena);
	return NULL;
}

static void
test_store_pg__two_servers_never_promise_the_same_name(void **state)
{
	struct kit       *kit = *state;
	struct claim      claim = { .is_taken = false };
	struct store_txn *txn;
	struct str        value;
	pthread_t         thread;

	kit_open(kit);
	claim.store = second_server(kit);
	txn = store_begin(kit->store, NULL, kit->arena);
	assert_false(store_txn_get_kv(txn, "names", STR("ann"), &value));
	assert_int_equal(pthread_create(&thread, NULL, look_at_name, &claim), 0);
	while (!atomic_load(&claim.has_looked) &&
	       sql_number(kit, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)
		continue;
	store_put_kv(txn, "names", STR("ann"), STR("taken"));
	assert_int_equal(store_commit(&txn), OK);
	pthread_join(thread, NULL);
	store_close(&claim.store);
	assert_true(claim.is_taken);
}

struct pusher {
	struct store *store;
	struct arena *arena;
	bool          is_down; /* the feeds in the other order */
	uint32_t      done;
};

static void *
push_both(void *ctx)
{
	struct pusher *pusher = ctx;

	for (int i = 0; i < 40; i++) {
		struct store_txn *txn = store_begin(pusher->store, NULL, pusher->arena);
		struct item       item = { .id = STR("x"), .body = STR("{}") };

		for (int j = 0; j < 2; j++) {
			struct store_feed feed = kit_feed;

			feed.collection = (uint8_t)(pusher->is_down ? 2 - j : 1 + j);
			store_put(txn, &feed, &item);
		}
		pusher->done += store_commit(&txn) == OK;
		arena_reset(pusher->arena);
	}
	return NULL;
}

/* One that is out of the order of the keys gives up soon, and then nothing of it is stored. */
static void
test_store_pg__transactions_that_lock_in_both_orders_all_end(void **state)
{
	struct kit       *kit = *state;
	struct pusher     pushers[2];
	pthread_t         threads[2];
	struct feed_state state_now;

	kit_open(kit);
	for (int i = 0; i < 2; i++) {
		pushers[i] = (struct pusher){ i ? second_server(kit) : kit->store, arena_open((size_t)1 << 20), i == 1,
			                      0 };
		assert_int_equal(pthread_create(&threads[i], NULL, push_both, &pushers[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		arena_close(&pushers[i].arena);
	}
	store_close(&pushers[1].store);
	state_now = state_for(kit, 1);
	assert_int_equal(state_now.head, pushers[0].done + pushers[1].done);
	assert_int_equal(sql_number(kit, "SELECT sum(head) FROM feed"), 2 * state_now.head);
	assert_true(state_now.head >= 40); /* those in the order of the keys */
	assert_int_equal(kit_faults(kit->store), 0);
}

static void
test_store_pg__a_failed_transaction_of_a_group_drops_out_alone(void **state)
{
	struct kit         *kit = *state;
	struct item         items[] = { { .id = STR("a") }, { .id = STR("b") }, { .id = STR("c") } };
	struct store_group *group;
	struct store_txn   *txn;
	struct str          value;

	kit_open(kit);
	group = store_group_open(kit->store);
	for (int i = 0; i < 3; i++) {
		txn = store_group_begin(group, NULL, kit->arena);
		(void)store_txn_get_kv(txn, "space", STR("name"), &value);
		store_put(txn, &kit_feed, &items[i]);
		if (i == 1)
			store_fail(txn, ERR_STALE);
		assert_int_equal(store_commit(&txn), i == 1 ? ERR_STALE : OK);
	}
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "");
	assert_int_equal(store_group_commit(group), OK);
	store_group_close(&group);
	assert_string_equal(kit_changes(kit->store, kit->arena, 0, false, NULL), "a1 c2");
	assert_int_equal(kit_faults(kit->store), 0);
}

/* ---- other histories ----------------------------------------------------------------------------- */

static void
test_store_pg__the_first_writer_in_another_history_raises_the_feeds_epoch(void **state)
{
	struct kit       *kit = *state;
	struct feed_state before, after;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	before = state_for(kit, 1);
	assert_int_equal(before.epoch, 1);

	/* What a standby finds that has become the primary: it writes in another timeline than the feed's. */
	sql(kit, "UPDATE feed SET timeline = timeline + 1");
	assert_int_equal(kit_put(kit->store, kit->arena, "c", "1"), OK);
	after = state_for(kit, 1);
	assert_true(after.epoch > 1);
	assert_int_equal(after.base, 2); /* who has seen a third change has seen one that is lost */
	assert_int_equal(state_for(kit, after.epoch).base, UINT64_MAX);
	/* An epoch that only the lost part had. */
	assert_int_equal(state_for(kit, after.epoch - 1).base, 0);
	assert_int_equal(kit_put(kit->store, kit->arena, "d", "1"), OK);
	assert_int_equal(state_for(kit, 1).epoch, after.epoch);
	assert_int_equal(kit_faults(kit->store), 0);
}

/* As pg_restore does: the tables are made anew, and the old data put in. */
static void
test_store_pg__a_restored_dump_is_another_history(void **state)
{
	struct kit *kit = *state;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(state_for(kit, 1).epoch, 1);
	store_close(&kit->store);
	sql(kit, "CREATE TABLE copy AS TABLE feed; DROP TABLE feed; ALTER TABLE copy RENAME TO feed;"
	         " ALTER TABLE feed ADD PRIMARY KEY (fk)");
	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_true(state_for(kit, 1).epoch > 1);
	assert_int_equal(state_for(kit, 1).base, 1);
}

/* ---- commits whose answer does not tell ------------------------------------------------------------ */

static void *
cut_the_wait(void *ctx)
{
	static const struct timespec wait = { .tv_nsec = 20000000 };
	struct kit                  *kit = ctx;

	while (sql_number(kit,
	                  "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") ==
	       0)
		nanosleep(&wait, NULL);
	return NULL;
}

static void
test_store_pg__a_commit_cut_off_while_it_waits_for_a_standby_is_unsure(void **state)
{
	struct kit *kit = *state;
	pthread_t   thread;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	sql(kit, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	sql(kit, "SELECT pg_reload_conf()");
	while (sql_number(
		       kit,
		       "SELECT count(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting <> ''") ==
	       0)
		continue;
	assert_int_equal(pthread_create(&thread, NULL, cut_the_wait, kit), 0);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), ERR_UNSURE);
	pthread_join(thread, NULL);
	sql(kit, "ALTER SYSTEM RESET synchronous_standby_names");
	sql(kit, "SELECT pg_reload_conf()");
}

static void
test_store_pg__while_the_database_is_away_calls_do_not_wait_for_it(void **state)
{
	struct kit        *kit = *state;
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1 };
	struct store_scan *scan;
	struct item        item;
	pid_t              postmaster;

	(void)str_printf(kit->url + strlen(kit->url), sizeof(kit->url) - strlen(kit->url), "&connect_timeout=2");
	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	postmaster = (pid_t)sql_number(kit, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
	scan = store_scan_open(kit->store, &kit_feed, &range, kit->arena); /* has the one connection there is */
	assert_int_equal(kill(postmaster, SIGSTOP), 0);
	assert_int_equal(store_get(kit->store, &kit_feed, STR("a"), kit->arena, &item), ERR_BUSY);
	assert_int_equal(kill(postmaster, SIGCONT), 0);
	/* It could be reached now, but nobody looks yet. */
	assert_int_equal(store_get(kit->store, &kit_feed, STR("a"), kit->arena, &item), ERR_BUSY);
	kit->now_ms += 1000;
	assert_int_equal(store_get(kit->store, &kit_feed, STR("a"), kit->arena, &item), OK);
	assert_int_equal(store_scan_close(&scan), OK);
}

/* ---- the schema ---------------------------------------------------------------------------------- */

static void
test_store_pg__a_newer_schema_is_used_if_it_allows_that(void **state)
{
	struct kit   *kit = *state;
	struct store *store = NULL;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	store_close(&kit->store);
	sql(kit, "UPDATE store SET schema = 2; ALTER TABLE feed ADD COLUMN more int DEFAULT 7;"
	         " ALTER TABLE item ADD COLUMN more int DEFAULT 7");
	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	store_close(&kit->store);
	sql(kit, "UPDATE store SET min_schema = 2");
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	assert_non_null(strstr(kit->why, "use a newer one"));
}

static void
test_store_pg__what_is_not_a_store_is_left_alone(void **state)
{
	struct kit       *kit = *state;
	struct store     *store = NULL;
	struct store_conf conf = kit_conf(kit, STORE_LOOK);

	assert_int_equal(store_open(&conf, &store, kit->why), ERR_NOT_FOUND);
	sql(kit, "CREATE TABLE store(shelf int)");
	assert_int_equal(kit_try_open(kit, STORE_SERVE, &store), ERR_FOREIGN);
	conf.url = STR("postgresql://ann:secret@[");
	assert_int_equal(store_open(&conf, &store, kit->why), ERR_BAD_REQUEST);
	assert_null(strstr(kit->why, "secret"));
	conf.url = STR("postgres://ann:secret@127.0.0.1:1/x?sslmode=disable");
	assert_int_equal(store_open(&conf, &store, kit->why), ERR_BUSY);
	assert_null(strstr(kit->why, "secret"));
}

/* ---- plans --------------------------------------------------------------------------------------- */

/* "EXECUTE s(NULL, …)" for as many parameters as the statement has: at most nine, or it sets all of a feed's row. */
static void
execute_text(const char *text, char execute_out[128])
{
	size_t count = strstr(text, "$11") ? 11 : 0, len;

	for (const char *at = strchr(text, '$'); at && count < 11; at = strchr(at + 1, '$'))
		count = (size_t)(at[1] - '0') > count ? (size_t)(at[1] - '0') : count;
	len = str_printf(execute_out, 128, "EXPLAIN (COSTS OFF) EXECUTE s%s", count ? "(NULL" : "");
	for (size_t i = 1; i < count; i++)
		len += str_printf(execute_out + len, 128 - len, ", NULL");
	(void)str_printf(execute_out + len, 128 - len, "%s", count ? ")" : "");
}

static bool
is_by_key(const PGresult *plan, int line)
{
	const char *below = line + 1 < PQntuples(plan) ? PQgetvalue(plan, line + 1, 0) : "";

	return strstr(below, "Cond: ((fk = ") || strstr(below, "Cond: (fk = ");
}

/* A row of a table is found by an index; of the large tables its first condition is the feed's key. */
static void
check_plan(const char *name, const PGresult *plan)
{
	for (int i = 0; i < PQntuples(plan); i++) {
		const char *line = PQgetvalue(plan, i, 0), *arrow = strstr(line, "->  "),
			   *node = arrow ? arrow + 4 : line;
		bool is_large = strstr(line, " on item") || strstr(line, " on tomb");

		if (strstr(node, "Seq Scan") == node || strcmp(node, "Sort") == 0 || strstr(node, "Bitmap") == node)
			fail_msg("%s: %s", name, line);
		if (is_large && strstr(node, "Index") == node && !is_by_key(plan, i))
			fail_msg("%s: %s", name, line);
	}
}

static void
test_store_pg__statements_find_a_feeds_rows_by_its_key_and_sort_nothing(void **state)
{
	static const struct {
		const char *name, *text;
	} statements[] = {
#define X(name, text) { #name, text },
		PG_TABLE(X)
#undef X
	};
	struct kit *kit = *state;
	PGconn     *conn;
	char        text[8192], execute[128];

	kit_open(kit);
	conn = PQconnectdb(kit->url);
	PQclear(PQexec(conn,
	               "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_sort = off;"
	               " SET enable_bitmapscan = off"));
	for (size_t i = 0; i < COUNT_OF(statements); i++) {
		PGresult *plan;

		/* They read all there is, or one row. */
		if (strstr(statements[i].name, "CHECK") || strcmp(statements[i].name, "PG_INFO") == 0)
			continue;
		(void)snprintf(text, sizeof(text), "PREPARE s AS %s", statements[i].text);
		execute_text(statements[i].text, execute);
		PQclear(PQexec(conn, text));
		plan = PQexec(conn, execute);
		if (PQresultStatus(plan) != PGRES_TUPLES_OK)
			fail_msg("%s: %s", statements[i].name, PQerrorMessage(conn));
		check_plan(statements[i].name, plan);
		PQclear(plan);
		PQclear(PQexec(conn, "DEALLOCATE s"));
	}
	PQfinish(conn);
}

/* ---- integrity ----------------------------------------------------------------------------------- */

static void
test_store_pg__check_finds_each_fault(void **state)
{
	static const char *const faults[][2] = {
		{ "UPDATE feed SET head = head + 1", "UPDATE feed SET head = head - 1" },
		{ "UPDATE feed SET live = live + 1", "UPDATE feed SET live = live - 1" },
		{ "UPDATE feed SET tombs = tombs + 1", "UPDATE feed SET tombs = tombs - 1" },
		{ "UPDATE feed SET purged_through = head", "UPDATE feed SET purged_through = 0" },
		{ "UPDATE feed SET default_item = 'z'", "UPDATE feed SET default_item = NULL" },
		{ "UPDATE feed SET owner = tenant", "UPDATE feed SET owner = '02000000-0000-0000-0000-000000000000'" },
		{ "UPDATE item SET made = 9", "UPDATE item SET made = seq" },
		{ "UPDATE item SET changed_ms = 2000000", "UPDATE item SET changed_ms = 1000000" },
		{ "INSERT INTO feed_epoch SELECT fk, 9, 0 FROM feed", "DELETE FROM feed_epoch" },
		{ "INSERT INTO tomb SELECT gen_random_uuid(), id, seq, changed_ms FROM tomb",
		  "DELETE FROM tomb WHERE fk NOT IN (SELECT fk FROM feed)" },
	};
	struct kit *kit = *state;

	kit_open(kit);
	assert_int_equal(kit_put(kit->store, kit->arena, "a", "1"), OK);
	assert_int_equal(kit_put(kit->store, kit->arena, "b", "1"), OK);
	assert_int_equal(kit_remove(kit->store, kit->arena, "a"), OK);
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		sql(kit, faults[i][0]);
		if (kit_faults(kit->store) == 0)
			fail_msg("not found: %s", faults[i][0]);
		sql(kit, faults[i][1]);
		assert_int_equal(kit_faults(kit->store), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store_pg__what_one_server_commits_the_other_sees_at_once,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__two_servers_never_promise_the_same_name, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__transactions_that_lock_in_both_orders_all_end, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__a_failed_transaction_of_a_group_drops_out_alone,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(
			test_store_pg__the_first_writer_in_another_history_raises_the_feeds_epoch, kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__a_restored_dump_is_another_history, kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__a_commit_cut_off_while_it_waits_for_a_standby_is_unsure,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__while_the_database_is_away_calls_do_not_wait_for_it,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__a_newer_schema_is_used_if_it_allows_that, kit_begin,
		                                kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__what_is_not_a_store_is_left_alone, kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__statements_find_a_feeds_rows_by_its_key_and_sort_nothing,
		                                kit_begin, kit_end),
		cmocka_unit_test_setup_teardown(test_store_pg__check_finds_each_fault, kit_begin, kit_end),
	};

	if (!pg_test_database()) {
		print_message("[  SKIPPED ] 0 test(s): run by tests/support/postgresql.py\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

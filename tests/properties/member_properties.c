/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of relations in any history of rounds that are settled in parts of one to seven rows.
 *
 * A round names items and removals, adds and removes members, and often names the same one several times.  Between
 * any two commits the process is killed, tombstones are purged, dead rows are deleted, the round is dropped.  At each
 * moment every way to read the view gives that of the model, before the round or after it.  Who reads the feed in
 * small pages, and who reads changes, holds the same members in the end.
 *
 * TIDEMARK_SEED replays one history, TIDEMARK_RUNS says how many.
 */
#include "support/rng.h"
#include "unit/store/followed_kit.h"

#define ITEMS   4
#define MEMBERS 5
#define STEPS   220

enum word { NOT_SAID, ADDED, ADDED_OTHERWISE, REMOVED };

struct thing {
	bool    live;
	char    value;
	uint8_t in[MEMBERS]; /* ADDED: as "{}"; ADDED_OTHERWISE: as "{ }" */
};

struct view {
	struct thing things[ITEMS];
};

struct staged { /* of an item */
	enum { UNNAMED, LIVE, GONE } last;
	bool    is_cleared;
	char    value;
	uint8_t said[MEMBERS];
};

struct cursor {
	bool        in_round, initial;
	uint64_t    after, until;
	struct view mirror;
};

struct world {
	struct kit        *kit;
	struct replica    *replica;
	int64_t            sid;
	struct rng         rng;
	enum replica_phase phase;
	enum replica_kind  kind;
	struct staged      staged[ITEMS];
	bool               has_view;
	struct view        view;
	struct cursor      cursor;
	uint64_t           n; /* the reader of changes */
	struct view        changed;
};

static struct figures {
	unsigned switches, dropped, guarded, kills, pages, late, purged;
} figures;

/* Syncs only make it slow: no history cuts the power. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

static uint32_t
below(struct world *world, uint32_t n)
{
	return rng_below(&world->rng, n);
}

static void
open_world(struct world *world)
{
	kit_open(world->kit);
	assert_int_equal(replica_join(world->kit->store, &world->replica, world->kit->why), OK);
	if (below(world, 5) > 0)
		replica_limit_commits(world->replica, 1 + below(world, 7));
}

static void
kill_it(struct world *world)
{
	replica_close(&world->replica);
	store_close(&world->kit->store);
	open_world(world);
	figures.kills++;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void
put_member(struct world *world, uint32_t item)
{
	uint32_t  member = below(world, MEMBERS);
	enum word word = (enum word)(1 + below(world, 3));
	uint8_t  *said = &world->staged[item].said[member];
	char      text[8] = { (char)('a' + item), " :;!"[word], (char)('m' + member), '\0' };

	replica_put_word(world->replica, str_from_c(text));
	/* In a listing a member that is removed again was never there. */
	*said = word == REMOVED && world->kind != REPLICA_NEXT ? NOT_SAID : (uint8_t)word;
}

static void
put_item(struct world *world)
{
	uint32_t       item = below(world, ITEMS);
	struct staged *staged = &world->staged[item];
	char           text[8];

	if (below(world, 5) == 0) {
		(void)snprintf(text, sizeof(text), "-%c", 'a' + item);
		replica_put_word(world->replica, str_from_c(text));
		*staged = (struct staged){ .last = GONE, .is_cleared = true };
		return;
	}
	staged->last = LIVE;
	staged->value = (char)('0' + below(world, 2));
	(void)snprintf(text, sizeof(text), "%c=%c", 'a' + item, staged->value);
	replica_put_word(world->replica, str_from_c(text));
	for (uint32_t words = below(world, 6); words > 0; words--)
		put_member(world, item);
}

static void
begin_round(struct world *world)
{
	world->kind = !world->has_view ? REPLICA_FIRST : below(world, 4) ? REPLICA_NEXT : REPLICA_RESYNC;
	memset(world->staged, 0, sizeof(world->staged));
	assert_int_equal(
		replica_begin_round(world->replica, world->sid, world->kind, STR("http://x/1"), world->kit->now_ms),
		OK);
	world->phase = REPLICA_ROUND;
}

static void
stage_page(struct world *world)
{
	bool last = below(world, 2);

	replica_begin_page(world->replica, world->sid);
	for (uint32_t items = below(world, 6); items > 0; items--)
		put_item(world);
	assert_int_equal(replica_end_page(world->replica, STR("http://x/2"), last), OK);
	if (last)
		world->phase = REPLICA_SETTLING;
}

static struct thing
thing_after(const struct world *world, const struct thing *before, const struct staged *staged)
{
	struct thing thing = { .live = true, .value = staged->value };

	if (staged->last == UNNAMED && world->kind == REPLICA_NEXT)
		return *before;
	if (staged->last != LIVE)
		return (struct thing){ .live = false };
	if (world->kind == REPLICA_NEXT && !staged->is_cleared && before->live)
		memcpy(thing.in, before->in, sizeof(thing.in));
	for (int i = 0; i < MEMBERS; i++)
		if (staged->said[i] != NOT_SAID)
			thing.in[i] = staged->said[i] == REMOVED ? 0 : staged->said[i];
	return thing;
}

static void
settle_part(struct world *world)
{
	static const struct replica_guard  guard = { .percent = 70, .at_least = 2 };
	static const struct replica_merger merger = { .merge = take_received,
		                                      .differ = bodies_differ,
		                                      .show = show_body };
	struct replica_tally               tally;
	bool                               done;
	enum err                           err;

	err = replica_settle(world->replica, world->sid, &merger, &guard, world->kit->now_ms, &tally, &done);
	if (err == OK && !done)
		return;
	world->phase = REPLICA_IDLE;
	if (err == ERR_NOT_ALLOWED) {
		assert_int_equal(world->kind, REPLICA_RESYNC);
		figures.guarded++;
		return;
	}
	assert_int_equal(err, OK);
	for (int i = 0; i < ITEMS; i++)
		world->view.things[i] = thing_after(world, &world->view.things[i], &world->staged[i]);
	world->has_view = true;
	figures.switches++;
}

/* ---- every way to read the view ---------------------------------------------------------------- */

static void
take_row(struct view *view, const struct item *item)
{
	struct thing *thing = &view->things[item->id.at[0] - 'a'];

	assert_true(item->id.len == 1 && thing < view->things + ITEMS);
	if (item->member)
		thing->in[item->member->member.at[0] - 'm'] = item->life != ITEM_LIVE        ? 0
		                                              : item->member->value.len == 2 ? ADDED
		                                                                             : ADDED_OTHERWISE;
	else if (item->life != ITEM_LIVE)
		*thing = (struct thing){ .live = false };
	else
		thing->live = true, thing->value = item->body.at[0];
}

static void
expect_view(const struct world *world, const struct view *seen, const char *reader)
{
	for (int i = 0; i < ITEMS; i++) {
		const struct thing *want = &world->view.things[i], *got = &seen->things[i];

		if (want->live != got->live || memcmp(want->in, got->in, MEMBERS) != 0 ||
		    (want->live && want->value != got->value))
			fail_msg("%s is wrong about '%c'", reader, 'a' + i);
	}
}

static void
look_at_feed(struct world *world, const struct store_feed *feed)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1000, .live_only = true };
	struct store_scan *scan = store_scan_open(world->kit->store, feed, &range, world->kit->arena);
	struct view        seen = { 0 };
	struct item        item;
	int                rows = 0, wanted = 0;

	for (; store_scan_next(scan, &item); rows++)
		take_row(&seen, &item);
	assert_int_equal(store_scan_close(&scan), OK);
	expect_view(world, &seen, "a scan");
	for (int i = 0; i < ITEMS; i++)
		for (int k = -1; k < MEMBERS; k++)
			wanted += k < 0 ? world->view.things[i].live : world->view.things[i].in[k] != 0;
	assert_int_equal(rows, wanted);
}

static void
look_at_members(struct world *world, const struct store_feed *feed)
{
	struct replica_member next = { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };

	for (int i = 0; i < ITEMS; i++) {
		char                id = (char)('a' + i);
		struct store_member member, *after = NULL;

		for (int k = 0; k < MEMBERS; k++) {
			if (world->view.things[i].in[k] == 0)
				continue;
			assert_int_equal(store_next_member(world->kit->store, feed, str_of(&id, 1), after,
			                                   world->kit->arena, &member),
			                 OK);
			assert_int_equal(member.member.at[0], 'm' + k);
			assert_int_equal(member.value.len, 1 + world->view.things[i].in[k]);
			assert_int_equal(replica_next_member(world->replica, world->sid, &next, &next), OK);
			assert_true(next.id.at[0] == id && next.member.at[0] == 'm' + k);
			after = &member;
		}
		assert_int_equal(
			store_next_member(world->kit->store, feed, str_of(&id, 1), after, world->kit->arena, &member),
			ERR_NOT_FOUND);
	}
	assert_int_equal(replica_next_member(world->replica, world->sid, &next, &next), ERR_NOT_FOUND);
	replica_end_read(world->replica);
}

static void
look_at_sql(struct world *world)
{
	char          wanted[ITEMS * MEMBERS * 8] = "";
	sqlite3      *db;
	sqlite3_stmt *stmt;

	for (int i = 0; i < ITEMS; i++)
		for (int k = 0; k < MEMBERS; k++)
			if (world->view.things[i].in[k] != 0)
				(void)snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%c%c%s",
				               'a' + i, 'm' + k, world->view.things[i].in[k] == ADDED ? "{}" : "{ }");
	assert_int_equal(sqlite3_open_v2(world->kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
	                                    "SELECT coalesce(group_concat(id || member || value, ''), '') FROM"
	                                    " (SELECT * FROM relations ORDER BY id, member)",
	                                    -1, &stmt, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), wanted);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
print_fault(void *ctx, struct str sentence)
{
	(void)ctx;
	fail_msg("store check: %.*s", STR_ARG(sentence));
}

static void
look(struct world *world, const struct store_feed *feed)
{
	if (world->has_view)
		look_at_feed(world, feed);
	look_at_members(world, feed);
	if (below(world, 8) == 0)
		look_at_sql(world);
	if (below(world, 8) == 0)
		assert_int_equal(store_check(world->kit->store, print_fault, NULL), OK);
}

/* ---- readers --------------------------------------------------------------------------------- */

static void
begin_reading(struct cursor *cursor, uint64_t head)
{
	cursor->in_round = true;
	cursor->until = head;
	if (cursor->initial)
		memset(&cursor->mirror, 0, sizeof(cursor->mirror));
}

/* A page of one to three rows.  A round ends equal with the view if nothing has become visible since it began. */
static void
read_page(struct world *world, const struct store_feed *feed)
{
	struct cursor     *cursor = &world->cursor;
	uint32_t           rows = 1 + below(world, 3);
	struct store_range range = { .after = cursor->after,
		                     .until = cursor->in_round ? cursor->until : STORE_TO_HEAD,
		                     .limit = rows + 1,
		                     .live_only = cursor->initial };
	struct store_scan *scan = store_scan_open(world->kit->store, feed, &range, world->kit->arena);
	struct feed_state  state = *store_scan_state(scan);
	struct item        item;
	bool               more = true;

	if (!cursor->in_round)
		begin_reading(cursor, state.head);
	if (state.purged_through > (cursor->initial ? cursor->until : cursor->after)) {
		*cursor = (struct cursor){ .initial = true };
		figures.late++;
		store_scan_abort(&scan);
		return;
	}
	for (; rows > 0 && (more = store_scan_next(scan, &item)); rows--) {
		assert_true(item.seq > cursor->after && item.seq <= cursor->until);
		cursor->after = item.seq;
		take_row(&cursor->mirror, &item);
	}
	more = more && store_scan_next(scan, &item);
	assert_int_equal(store_scan_close(&scan), OK);
	figures.pages++;
	if (more)
		return;
	cursor->after = cursor->until;
	cursor->in_round = cursor->initial = false;
	if (cursor->until == state.head)
		expect_view(world, &cursor->mirror, "a reader of the feed");
}

static void
take_change(struct world *world, const struct replica_change *change)
{
	struct thing         *thing = &world->changed.things[change->id.at[0] - 'a'];
	struct replica_moved  moved = { STR_EMPTY, STR_EMPTY, false };
	struct replica_member member = { change->id, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	char                  id = change->id.at[0];

	if (change->kind == REPLICA_REMOVED)
		*thing = (struct thing){ .live = false };
	if (change->kind == REPLICA_REMOVED || change->body.len == 0)
		return;
	thing->live = true;
	thing->value = change->body.at[0];
	if (change->kind == REPLICA_UPDATED) {
		while (replica_next_moved(world->replica, world->n, &moved, &moved) == OK)
			thing->in[moved.member.at[0] - 'm'] = !moved.is_removed;
		return;
	}
	memset(thing->in, 0, sizeof(thing->in));
	while (replica_next_member(world->replica, world->sid, &member, &member) == OK && member.id.at[0] == id)
		thing->in[member.member.at[0] - 'm'] = 1;
}

/* Between rounds: what a change says of members is true of the view that it made. */
static void
read_changes(struct world *world)
{
	static const struct replica_keep all_may_go = { .acked_ms = INT64_MAX };
	struct replica_change            change;
	bool                             done = below(world, 3) > 0;

	while (replica_next_change(world->replica, world->sid, world->n, &change) == OK) {
		world->n = change.n;
		take_change(world, &change);
	}
	replica_end_read(world->replica);
	for (int i = 0; i < ITEMS; i++) {
		const struct thing *want = &world->view.things[i], *got = &world->changed.things[i];

		assert_true(want->live == got->live && (!want->live || want->value == got->value));
		for (int k = 0; k < MEMBERS; k++)
			if ((want->in[k] != 0) != (got->in[k] != 0))
				fail_msg("the reader of changes is wrong about '%c' in '%c'", 'm' + k, 'a' + i);
	}
	assert_int_equal(replica_ack(world->replica, world->sid, world->n), OK);
	while (!done)
		assert_int_equal(replica_trim(world->replica, &all_may_go, &done), OK);
}

/* ---- histories ------------------------------------------------------------------------------- */

static void
purge(struct world *world, const struct store_feed *feed)
{
	struct store_txn *txn = store_begin(world->kit->store, NULL, world->kit->arena);
	uint32_t          purged = 0;

	store_purge(txn, feed, INT64_MAX / 2, 1 + below(world, 4), &purged);
	assert_int_equal(store_commit(&txn), OK);
	figures.purged += purged;
}

static void
sweep(struct world *world)
{
	bool done;

	assert_int_equal(replica_sweep(world->replica, &done), OK);
}

static void
follow_on(struct world *world)
{
	if (world->phase == REPLICA_SETTLING)
		settle_part(world);
	else if (world->phase == REPLICA_ROUND)
		stage_page(world);
	else if (below(world, 3) == 0 && world->has_view)
		read_changes(world);
	else
		begin_round(world);
}

static void
step(struct world *world, const struct store_feed *feed)
{
	uint32_t dice = below(world, 100);

	world->kit->now_ms++;
	if (dice < 4) {
		kill_it(world);
	} else if (dice < 6 && world->phase != REPLICA_IDLE) {
		assert_int_equal(replica_drop_round(world->replica, world->sid), OK);
		world->phase = REPLICA_IDLE;
		figures.dropped++;
	} else if (dice < 10) {
		purge(world, feed);
	} else if (dice < 20) {
		sweep(world);
	} else if (dice < 35 && world->has_view) {
		read_page(world, feed);
	} else {
		follow_on(world);
	}
	look(world, feed);
	arena_reset(world->kit->arena);
}

static void
run_history(struct kit *kit, uint64_t seed)
{
	struct world         world = { .kit = kit, .rng = { seed }, .cursor = { .initial = true } };
	struct store_feed    feed;
	struct replica_scope scope = { .url = STR_EMPTY, .resource = STR("groups") };
	char                 name[32];

	print_message("seed %llu\n", (unsigned long long)seed);
	open_world(&world);
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)seed);
	scope.name = scope.url = str_from_c(name);
	assert_int_equal(replica_add_scope(world.replica, &scope, &world.sid), OK);
	feed = sql_followed_name(world.sid);
	for (int i = 0; i < STEPS; i++)
		step(&world, &feed);
	replica_close(&world.replica);
	store_close(&kit->store);
}

static void
test_member__random_histories_are_read_the_same_in_every_way(void **state)
{
	uint64_t runs = getenv("TIDEMARK_SEED") ? 1 : runs_of(15), first = runs_seed((uint64_t)getpid() << 20);

	(void)state;
	for (uint64_t seed = first; seed < first + runs; seed++) {
		void *kit;

		assert_int_equal(kit_begin(&kit), 0);
		run_history(kit, seed);
		assert_int_equal(kit_end(&kit), 0);
	}
	print_message(
		"%u rounds became visible, %u were dropped, %u guarded, %u kills; %u pages, %u too late, %u purged\n",
		figures.switches, figures.dropped, figures.guarded, figures.kills, figures.pages, figures.late,
		figures.purged);
	assert_true(figures.switches > 0 && figures.kills > 0 && figures.pages > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_member__random_histories_are_read_the_same_in_every_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How rounds become the view: whole, in parts, and in parts with a kill between any two commits it is the same.
 *
 * A round is a text: "next x:a1b2 -y !z" holds an item, a removal and a dead letter.  A body is letters, each with a
 * digit; a received body takes the place of the held one letter by letter.
 */
#include "store/replica.h"
#include "unit/store/store_files.h"

#define LETTERS   26
#define ROUNDS    6
#define TEXT_MAX  4096
#define MANY      20001 /* rows: more than a round has that is one commit */
#define CALLS_MAX 100000

/* ---- a merger of letters ---------------------------------------------------------------------- */

static void
take_letters(struct str body, char digits[LETTERS])
{
	for (size_t i = 0; i + 1 < body.len; i += 2)
		digits[body.at[i] - 'a'] = body.at[i + 1];
}

static enum err
merge_letters(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	char digits[LETTERS] = { 0 };

	(void)ctx;
	take_letters(held, digits);
	take_letters(received, digits);
	for (int i = 0; i < LETTERS; i++)
		if (digits[i])
			buf_printf(merged_out, "%c%c", 'a' + i, digits[i]);
	return OK;
}

static bool
letters_differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	char of_a[LETTERS] = { 0 }, of_b[LETTERS] = { 0 };

	(void)ctx;
	take_letters(a, of_a);
	take_letters(b, of_b);
	for (int i = 0; i < LETTERS; i++)
		if (of_a[i] != of_b[i])
			buf_printf(fields_out, "%c", 'a' + i);
	return memcmp(of_a, of_b, LETTERS) != 0;
}

static bool
show_letters(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	buf_printf(shown_out, "{\"name\":\"%.*s\"}", STR_ARG(body));
	return true;
}

static const struct replica_merger merger = { .merge = merge_letters, .differ = letters_differ, .show = show_letters };

/* ---- a play ------------------------------------------------------------------------------------ */

struct play {
	struct kit          *kit;
	struct replica      *replica;
	int64_t              sid;
	uint32_t             rows;    /* of a commit; 0: as usual */
	unsigned             kill_at; /* before that call of replica_settle(); 0: never */
	struct replica_guard guard;
	bool                 from_now, is_joined;
	char                 before[TEXT_MAX]; /* what was seen when the settling began */
	char                 tallies[TEXT_MAX];
};

static void
open_replica(struct play *play)
{
	struct store_conf conf = kit_conf(play->kit, STORE_SERVE);
	enum err          err;

	if (play->is_joined)
		kit_open(play->kit);
	err = play->is_joined ? replica_join(play->kit->store, &play->replica, play->kit->why)
	                      : replica_open(&conf, &play->replica, play->kit->why);
	if (err != OK)
		fail_msg("%s", play->kit->why);
	if (play->rows > 0)
		replica_limit_commits(play->replica, play->rows);
}

static void
close_replica(struct play *play)
{
	replica_close(&play->replica);
	store_close(&play->kit->store);
}

static void
begin_play(struct play *play, struct kit *kit)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".witness" };
	struct replica_scope     scope = {
		    .name = STR("s"), .url = STR("http://x/s"), .resource = STR("things"), .from_now = play->from_now
	};

	/* The play before has left its files. */
	for (size_t i = 0; i < COUNT_OF(suffixes); i++)
		(void)unlink(beside(kit, suffixes[i]));
	play->kit = kit;
	play->tallies[0] = '\0';
	open_replica(play);
	assert_int_equal(replica_add_scope(play->replica, &scope, &play->sid), OK);
}

static void
put_word(struct replica *replica, struct str word)
{
	struct str id;

	if (str_starts(word, STR("-")))
		replica_put_item(replica, str_skip(word, 1), REPLICA_DELETED, STR_EMPTY);
	else if (str_starts(word, STR("!")))
		replica_put_dead_letter(replica, str_skip(word, 1), STR("unreadable"), word);
	else if (str_take_until(&word, ':', &id))
		replica_put_item(replica, id, REPLICA_LIVE, word);
}

/* The scope is IDLE; then the round is whole and not settled. */
static void
stage(struct play *play, const char *round)
{
	enum replica_kind kind = REPLICA_NEXT;
	struct str        rest = str_from_c(round), word;

	assert_true(str_take_until(&rest, ' ', &word));
	if (str_eq(word, STR("first")))
		kind = REPLICA_FIRST;
	else if (str_eq(word, STR("resync")))
		kind = REPLICA_RESYNC;
	assert_int_equal(replica_begin_round(play->replica, play->sid, kind, STR("http://x/1"), 5), OK);
	replica_begin_page(play->replica, play->sid);
	while (str_take_until(&rest, ' ', &word))
		put_word(play->replica, word);
	put_word(play->replica, rest);
	assert_int_equal(replica_end_page(play->replica, STR("http://x/2"), true), OK);
}

static void PRINTF_LIKE(2, 3) add_text(char text[TEXT_MAX], const char *fmt, ...)
{
	size_t  len = strlen(text);
	va_list list;

	va_start(list, fmt);
	(void)vsnprintf(text + len, TEXT_MAX - len, fmt, list);
	va_end(list);
}

/* "x:a1b2 y:c3; 1+x:a1b2 4-z2; !w" are the view, the changes with their numbers, and the dead letters. */
static void
see(struct play *play, char text[TEXT_MAX])
{
	static const char          kinds[] = "+~-^";
	struct replica_change      change = { 0 };
	struct replica_dead_letter letter = { 0 };
	struct str                 id = STR_EMPTY, body;

	text[0] = '\0';
	while (replica_next_item(play->replica, play->sid, id, &id, &body) == OK)
		add_text(text, "%.*s:%.*s ", STR_ARG(id), STR_ARG(body));
	add_text(text, ";");
	while (replica_next_change(play->replica, play->sid, change.n, &change) == OK) {
		add_text(text, " %llu%c%.*s", (unsigned long long)change.n, kinds[change.kind], STR_ARG(change.id));
		if (change.kind == REPLICA_REMOVED)
			add_text(text, "%d", (int)change.life);
		else
			add_text(text, "%.*s:%.*s", STR_ARG(change.fields), STR_ARG(change.body));
	}
	add_text(text, ";");
	while (replica_next_dead_letter(play->replica, play->sid, letter.lid, play->kit->arena, &letter) == OK)
		add_text(text, " !%.*s", STR_ARG(letter.id));
	replica_end_read(play->replica);
	arena_reset(play->kit->arena);
}

/* What another program sees in the file: the same. */
static void
expect_sql(struct play *play, const char *seen)
{
	static const char sql[] =
		"SELECT (SELECT coalesce(group_concat(id || ':' || value || ' ', ''), '') FROM"
		" (SELECT id, value FROM items ORDER BY id)) || ';' ||"
		" (SELECT coalesce(group_concat(t, ''), '') FROM (SELECT ' ' || n || CASE change"
		" WHEN 'removed' THEN '-' || id ELSE"
		" substr('+~^', (change = 'updated') + 2 * (change = 'returned') + 1, 1) || id ||"
		" coalesce(fields, '') || ':' || coalesce(value, '') END AS t FROM changes ORDER BY n)) || ';'";
	sqlite3      *db;
	sqlite3_stmt *stmt;
	char          text[TEXT_MAX] = "";
	bool          in_removal = false;

	/* A view does not show why an item was removed. */
	for (; *seen && !(*seen == ';' && strchr(text, ';')); seen++) {
		in_removal = *seen == ' ' ? false : in_removal || *seen == '-';
		if (!(in_removal && *seen >= '0' && *seen <= '9'))
			add_text(text, "%c", *seen);
	}
	add_text(text, ";");
	assert_int_equal(sqlite3_open_v2(play->kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), text);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
add_fault(void *ctx, struct str sentence)
{
	add_text(ctx, "%.*s\n", STR_ARG(sentence));
}

static void
expect_sound(struct play *play)
{
	struct store *store;
	char          faults[TEXT_MAX] = "";

	assert_int_equal(kit_try_open(play->kit, STORE_LOOK, &store), OK);
	assert_int_equal(store_check(store, add_fault, faults), OK);
	assert_string_equal(faults, "");
	store_close(&store);
}

/* Nothing is seen of a round before its last commit. */
static void
expect_before(struct play *play)
{
	char now[TEXT_MAX];

	see(play, now);
	assert_string_equal(now, play->before);
	expect_sql(play, now);
	expect_sound(play);
}

/* `looks`: also between any two commits. */
static enum err
settle(struct play *play, bool looks, struct replica_tally *tally)
{
	bool     done = false;
	enum err err = OK;
	unsigned calls = 0;

	see(play, play->before);
	while (err == OK && !done && calls < CALLS_MAX) {
		if (++calls == play->kill_at) {
			close_replica(play);
			open_replica(play);
		}
		if (looks && (play->kill_at == 0 || calls == play->kill_at))
			expect_before(play);
		err = replica_settle(play->replica, play->sid, &merger, &play->guard, 7, tally, &done);
	}
	assert_true(calls < CALLS_MAX);
	if (play->kill_at > calls)
		play->kill_at = 0;
	return err;
}

static void
note_tally(struct play *play, const struct replica_tally *tally)
{
	add_text(play->tallies, "%s%llu+ %llu~ %llu- %llu^ %llus %llul %llui", play->tallies[0] ? "; " : "",
	         (unsigned long long)tally->created, (unsigned long long)tally->updated,
	         (unsigned long long)tally->removed, (unsigned long long)tally->returned,
	         (unsigned long long)tally->swept, (unsigned long long)tally->letters,
	         (unsigned long long)tally->items);
}

/* All rounds; the last one with the kill.  What is seen then goes to `seen`. */
static void
act(struct play *play, const char *const rounds[ROUNDS], char seen[TEXT_MAX])
{
	unsigned kill_at = play->kill_at;
	bool     done = false;

	for (size_t i = 0; i < ROUNDS && rounds[i]; i++) {
		struct replica_tally tally;
		bool                 is_last = i + 1 == ROUNDS || !rounds[i + 1];

		play->kill_at = is_last ? kill_at : 0;
		stage(play, rounds[i]);
		assert_int_equal(settle(play, is_last, &tally), OK);
		note_tally(play, &tally);
		if (kill_at == 0 || is_last) {
			see(play, seen);
			expect_sql(play, seen);
			expect_sound(play);
		}
	}
	while (!done)
		assert_int_equal(replica_sweep(play->replica, &done), OK);
	see(play, seen);
	expect_sql(play, seen);
	expect_sound(play);
	close_replica(play);
}

struct scene {
	const char *rounds[ROUNDS];
	const char *seen, *tallies; /* at the end; of all rounds */
	bool        from_now;
};

static void
play_scene(struct kit *kit, const struct scene *scene, uint32_t rows, unsigned *kill_at)
{
	/* Every other one in a store that is served. */
	struct play play = { .rows = rows,
		             .kill_at = *kill_at,
		             .guard = { 100, 1 },
		             .from_now = scene->from_now,
		             .is_joined = (rows + *kill_at) % 2 };
	char        seen[TEXT_MAX];

	begin_play(&play, kit);
	act(&play, scene->rounds, seen);
	if (strcmp(seen, scene->seen) != 0)
		fail_msg("commits of %u rows, killed at %u: %s instead of %s", rows, *kill_at, seen, scene->seen);
	if (strcmp(play.tallies, scene->tallies) != 0)
		fail_msg("commits of %u rows, killed at %u: tallies %s instead of %s", rows, *kill_at, play.tallies,
		         scene->tallies);
	*kill_at = play.kill_at;
}

/* clang-format off */
static const struct scene scenes[] = {
	{ .rounds = { "first x:a1 y:b2 x:b3 -y y:c4 z:a9 -z w:a1 -w w:b2 w:c3" },
	  .seen = "w:b2c3 x:a1b3 y:c4 ; 3+x:a1b3 5+y:c4 11+w:b2c3;",
	  .tallies = "3+ 0~ 0- 0^ 0s 0l 0i" },
	{ .rounds = { "first x:a1 y:b1 z:c1", "next x:a2 -y w:d1", "next y:e5 x:a2 z:c1 w:d2 -q" },
	  .seen = "w:d2 x:a2 y:e5 z:c1 ; 1+x:a2 2+y:e5 3+z:c1 4~xa:a2 5-y2 6+w:d2 7^y:e5 10~wd:d2;",
	  .tallies = "3+ 0~ 0- 0^ 0s 0l 0i; 1+ 1~ 1- 0^ 0s 0l 3i; 0+ 1~ 0- 1^ 0s 0l 3i" },
	{ .rounds = { "first x:a1b1 y:a1b1 z:a1b1", "next x:c3 -x x:a5 y:a2 y:b7 z:a4 -z w:a1 -w w:c2" },
	  .seen = "w:c2 x:a5 y:a2b7 ; 1+x:a5 2+y:a2b7 6~xab:a5 8~yab:a2b7 10-z2 13+w:c2;",
	  .tallies = "3+ 0~ 0- 0^ 0s 0l 0i; 1+ 2~ 1- 0^ 0s 0l 3i" },
	{ .rounds = { "first x:a1b1 y:a1b1 z:a1b1 w:a1b1", "next -x x:a5 -x x:b6 -y y:a3 y:c4 -z z:a1b1 -w w:a1 -w" },
	  .seen = "x:b6 y:a3c4 z:a1b1 ; 1+x:b6 2+y:a3c4 3+z:a1b1 8~xab:b6 11~yabc:a3c4 16-w2;",
	  .tallies = "4+ 0~ 0- 0^ 0s 0l 0i; 0+ 2~ 1- 0^ 0s 0l 4i" },
	{ .rounds = { "first x:a1 y:a1 z:a1 w:a1 v:a1 u:a1b1", "resync x:a1 !y w:a9 v:a1 u:b1 t:a3" },
	  .seen = "t:a3 u:b1 v:a1 w:a9 x:a1 y:a1 ; 1+x:a1 2+y:a1 4+w:a9 5+v:a1 6+u:b1 8~wa:a9 10~ua:b1 "
	    "11+t:a3 12-z0; !y",
	  .tallies = "6+ 0~ 0- 0^ 0s 0l 0i; 1+ 2~ 1- 0^ 1s 1l 6i" },
	{ .rounds = { "first x:a1 !y z:a1 !w", "next y:a1 !x z:a1 -w", "resync z:a2 !y" },
	  .seen = "y:a1 z:a2 ; 2+z:a2 3+y:a1 6~za:a2 7-x0; !y",
	  .tallies = "2+ 0~ 0- 0^ 0s 2l 0i; 1+ 0~ 0- 0^ 0s 1l 2i; 0+ 1~ 1- 0^ 1s 1l 3i" },
	{ .rounds = { "first x:a1 y:a1 z:a1", "next -x -y", "resync x:a1 y:a2 q:a1", "next -q x:a1" },
	  .seen = "x:a1 y:a2 ; 1+x:a1 2+y:a2 4-x2 5-y2 6^x:a1 7^y:a2 8+q: 9-z0 10-q2;",
	  .tallies = "3+ 0~ 0- 0^ 0s 0l 0i; 0+ 0~ 2- 0^ 0s 0l 3i; 1+ 0~ 1- 2^ 1s 0l 1i; 0+ 0~ 1- 0^ 0s 0l 3i" },
	{ .rounds = { "first x:a1", "next x:a2 -q y:a1", "next -y -q y:b1 -r" },
	  .seen = "x:a2 y:b1 ; 1+x:a2 2-q2 3+y:b1 6~yab:b1 7-r2;",
	  .tallies = "0+ 0~ 0- 0^ 0s 0l 0i; 2+ 0~ 1- 0^ 0s 0l 0i; 0+ 1~ 1- 0^ 0s 0l 2i",
	  .from_now = true },
	{ .rounds = { "first x:a1 y:a1", "next x:a1", "next x:a1 y:a2 x:a1" },
	  .seen = "x:a1 y:a2 ; 1+x:a1 2+y:a2 4~ya:a2;",
	  .tallies = "2+ 0~ 0- 0^ 0s 0l 0i; 0+ 0~ 0- 0^ 0s 0l 2i; 0+ 1~ 0- 0^ 0s 0l 2i" },
	{ .rounds = { "first x:a1 y:a1", "resync y:a1 x:a1" },
	  .seen = "x:a1 y:a1 ; 1+x:a1 2+y:a1;",
	  .tallies = "2+ 0~ 0- 0^ 0s 0l 0i; 0+ 0~ 0- 0^ 0s 0l 2i" },
	{ .rounds = { "first x:a1 y:a1", "next x:a2", "next x:a3", "next x:a4 -y", "next x:a5" },
	  .seen = "x:a5 ; 1+x:a5 3~xa:a5 4~xa:a5 5~xa:a5 6-y2 7~xa:a5;",
	  .tallies = "2+ 0~ 0- 0^ 0s 0l 0i; 0+ 1~ 0- 0^ 0s 0l 2i; 0+ 1~ 0- 0^ 0s 0l 2i; 0+ 1~ 1- 0^ 0s 0l 2i; "
	    "0+ 1~ 0- 0^ 0s 0l 1i" },
};
/* clang-format on */

static void
test_store_settle__in_parts_and_killed_anywhere_a_round_ends_the_same(void **state)
{
	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		unsigned never = 0;

		play_scene(*state, &scenes[i], 0, &never);
		for (uint32_t rows = 3; rows > 0; rows--)
			play_scene(*state, &scenes[i], rows, &never);
		for (unsigned n = 1, kill_at = 1; kill_at > 0; kill_at = kill_at > 0 ? ++n : 0)
			play_scene(*state, &scenes[i], 1, &kill_at);
	}
}

static int64_t
read_sql(struct play *play, const char *sql)
{
	sqlite3      *db;
	sqlite3_stmt *stmt;
	int64_t       value;

	assert_int_equal(sqlite3_open_v2(play->kit->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return value;
}

/* x, y and z, and a resync that names only x. */
static void
begin_sweeping(struct play *play, struct kit *kit)
{
	struct replica_tally tally;

	begin_play(play, kit);
	stage(play, "first x:a1 y:b1 z:c1");
	assert_int_equal(settle(play, false, &tally), OK);
	stage(play, "resync x:a2 w:d4 v:e5");
}

static void
test_store_settle__a_guarded_round_is_dropped_and_leaves_nothing(void **state)
{
	for (unsigned kill_at = 0; kill_at < 12; kill_at++) {
		struct play          play = { .rows = kill_at == 0 ? 0 : 1, .guard = { 100, 1 } };
		struct replica_tally tally;
		char                 seen[TEXT_MAX];

		begin_sweeping(&play, *state);
		play.guard.percent = 60;
		play.kill_at = kill_at;
		assert_int_equal(settle(&play, true, &tally), ERR_NOT_ALLOWED);
		assert_int_equal(tally.swept, 2);
		assert_int_equal(tally.items, 3);
		expect_before(&play);
		assert_int_equal(read_sql(&play, "SELECT phase + moving FROM follow_scope"), 0);
		stage(&play, "next y:b7 -z x:a1");
		assert_int_equal(settle(&play, true, &tally), OK);
		see(&play, seen);
		assert_string_equal(seen, "x:a1 y:b7 ; 1+x:a1 2+y:b7 4~yb:b7 5-z2;");
		expect_sql(&play, seen);
		expect_sound(&play);
		replica_close(&play.replica);
	}
}

/* Calls until entries move. */
static void
settle_until_it_moves(struct play *play)
{
	struct replica_tally tally;
	bool                 done = false;

	while (read_sql(play, "SELECT moving FROM follow_scope") != 1) {
		assert_false(done);
		assert_int_equal(replica_settle(play->replica, play->sid, &merger, &play->guard, 7, &tally, &done), OK);
	}
}

static void
test_store_settle__a_round_that_moves_goes_on_under_a_stricter_guard(void **state)
{
	struct play          play = { .rows = 1, .guard = { 100, 1 } };
	struct replica_tally tally;
	char                 seen[TEXT_MAX];
	bool                 done = false;

	begin_sweeping(&play, *state);
	see(&play, play.before);
	settle_until_it_moves(&play);
	/* Those who delete rows leave what is still seen. */
	while (!done)
		assert_int_equal(replica_sweep(play.replica, &done), OK);
	expect_before(&play);
	replica_close(&play.replica);
	open_replica(&play);
	play.guard.percent = 0;
	assert_int_equal(settle(&play, true, &tally), OK);
	assert_int_equal(tally.swept, 2);
	see(&play, seen);
	assert_string_equal(seen, "v:e5 w:d4 x:a2 ; 1+x:a2 4~xa:a2 5+w:d4 6+v:e5 7-y0 8-z0;");
	expect_sound(&play);
	replica_close(&play.replica);
}

/* Entries that moved go back, and what they left is not dead. */
static void
test_store_settle__a_round_that_moves_may_be_dropped(void **state)
{
	struct play play = { .rows = 1, .guard = { 100, 1 } };
	bool        done = false;

	begin_sweeping(&play, *state);
	see(&play, play.before);
	settle_until_it_moves(&play);
	assert_int_equal(replica_drop_round(play.replica, play.sid), OK);
	expect_before(&play);
	while (!done)
		assert_int_equal(replica_sweep(play.replica, &done), OK);
	expect_before(&play);
	expect_sound(&play);
	assert_int_equal(read_sql(&play, "SELECT count(*) FROM follow_entry e, follow_scope s"
	                                 " WHERE e.place > (s.gen << 36) + s.ord"),
	                 0);
	replica_close(&play.replica);
}

static void
test_store_settle__forgetting_takes_a_round_that_moves(void **state)
{
	struct play play = { .rows = 1, .guard = { 100, 1 } };
	bool        done = false;

	begin_sweeping(&play, *state);
	settle_until_it_moves(&play);
	while (!done)
		assert_int_equal(replica_forget_scope(play.replica, play.sid, &done), OK);
	assert_int_equal(read_sql(&play,
	                          "SELECT (SELECT count(*) FROM follow_item) + (SELECT count(*) FROM follow_entry)"
	                          " + (SELECT count(*) FROM follow_tomb) + (SELECT count(*) FROM follow_dead)"
	                          " + (SELECT count(*) FROM follow_detail) + (SELECT count(*) FROM feed)"),
	                 0);
	expect_sound(&play);
	replica_close(&play.replica);
}

static void
stage_many(struct play *play, enum replica_kind kind, const char *body, unsigned skips)
{
	char id[16];

	assert_int_equal(replica_begin_round(play->replica, play->sid, kind, STR("http://x/1"), 5), OK);
	replica_begin_page(play->replica, play->sid);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof(id), "%06u", i * 7919 % MANY);
		if (skips == 0 || i % skips != 0)
			replica_put_item(play->replica, str_from_c(id), REPLICA_LIVE, str_from_c(body));
	}
	assert_int_equal(replica_end_page(play->replica, STR("http://x/2"), true), OK);
}

static unsigned
settle_many(struct play *play, struct replica_tally *tally)
{
	bool     done = false;
	unsigned calls = 0;

	while (!done) {
		assert_int_equal(replica_settle(play->replica, play->sid, &merger, &play->guard, 7, tally, &done), OK);
		calls++;
	}
	return calls;
}

static void
test_store_settle__a_large_round_has_many_commits_and_is_like_a_small_one(void **state)
{
	struct play          play = { .guard = { 100, 1 } };
	struct replica_tally tally;
	bool                 done = false;

	begin_play(&play, *state);
	stage_many(&play, REPLICA_FIRST, "a1b1", 0);
	(void)settle_many(&play, &tally);
	assert_int_equal(tally.created, MANY);
	stage_many(&play, REPLICA_NEXT, "a2", 0);
	assert_true(settle_many(&play, &tally) > 10);
	assert_int_equal(tally.updated, MANY);
	stage_many(&play, REPLICA_RESYNC, "a2b1", 3);
	(void)settle_many(&play, &tally);
	assert_int_equal(tally.swept, (MANY + 2) / 3);
	assert_int_equal(tally.updated, 0);
	while (!done)
		assert_int_equal(replica_sweep(play.replica, &done), OK);
	assert_int_equal(read_sql(&play, "SELECT count(*) FROM items WHERE value = 'a2b1'"), MANY - (MANY + 2) / 3);
	/* What was swept has no creation in the listing any more. */
	assert_int_equal(read_sql(&play, "SELECT count(*) FROM changes"), 2 * MANY);
	expect_sound(&play);
	replica_close(&play.replica);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_store_settle__##name, kit_begin, kit_end)
		TEST(in_parts_and_killed_anywhere_a_round_ends_the_same),
		TEST(a_guarded_round_is_dropped_and_leaves_nothing),
		TEST(a_round_that_moves_goes_on_under_a_stricter_guard),
		TEST(a_round_that_moves_may_be_dropped),
		TEST(forgetting_takes_a_round_that_moves),
		TEST(a_large_round_has_many_commits_and_is_like_a_small_one),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

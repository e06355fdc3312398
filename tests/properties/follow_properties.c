/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for every history of a remote that misbehaves as real ones do, and of a follower that may be
 * cut off or killed anywhere: after a whole round the view is the remote's model, what a reader of changes
 * has made of them is the view, and nothing but links that were given out was ever asked for.  Between any two commits
 * the view is that of a whole round, SQL shows the same, and `store check` finds nothing.
 *
 * TIDEMARK_RUNS sets the number of histories (one for every fifteen); a failing one names its seed.
 */
#include "../unit/follow/sql_views.h"

#include <sys/wait.h>

#include "base/bytes.h"
#include "support/last_write.h"
#include "support/runs.h"

#define HISTORIES 25
#define KILLS     60
#define DEARNESS  15 /* a history here costs as much as so many of the other laws */

static unsigned
runs(unsigned usual)
{
	uint64_t number = runs_of(usual);

	return (unsigned)(getenv("TIDEMARK_RUNS") ? number / DEARNESS + 1 : number);
}

static void
misbehave(struct kit *kit)
{
	struct remote *far = &kit->far;

	far->page_size = 1 + rng_below(&kit->rng, 6);
	far->fails = rng_below(&kit->rng, 2) ? 8 : 0;
	far->throttles = rng_below(&kit->rng, 2) ? 9 : 0;
	far->errors = rng_below(&kit->rng, 2) ? 10 : 0;
	far->empties = rng_below(&kit->rng, 2) ? 4 : 0;
	far->repeats = rng_below(&kit->rng, 2) ? 3 : 0;
	far->partials = rng_below(&kit->rng, 2) ? 2 : 0;
	far->replays = rng_below(&kit->rng, 2) ? 2 : 0;
	far->refuses = rng_below(&kit->rng, 3) ? 0 : 12;
	far->lures = rng_below(&kit->rng, 3) ? 0 : 8;
	kit->conf.guard.percent = 100;
}

static uint64_t
whole_rounds(struct kit *kit)
{
	struct replica_scope scope;

	arena_reset(kit->arena);
	return replica_find_url(kit->replica, kit->conf.url, kit->arena, &scope) == OK ? scope.rounds : 0;
}

/* ---- a reader of changes: it keeps n and nothing else it was not told ----------------------- */

struct reader {
	bool     at_once; /* it reads everything from the first change on, and nothing was deleted */
	uint64_t n;
	bool     has[FAR_ITEMS_MAX];
	uint64_t a[FAR_ITEMS_MAX], b[FAR_ITEMS_MAX];
};

static void
take_change(struct reader *reader, const struct replica_change *change)
{
	unsigned number = kit_id(change->id);

	assert_true(change->n > reader->n);
	reader->n = change->n;
	if (change->kind == REPLICA_REMOVED) {
		reader->has[number] = false;
		return;
	}
	if (change->body.len == 0) /* gone again meanwhile: its removal is still to come */
		return;
	/* Reading on later, an update may come for an item that was gone when its creation was read. */
	if (reader->has[number] ? change->kind != REPLICA_UPDATED : change->kind == REPLICA_UPDATED && reader->at_once)
		fail_msg("change %llu of item-%u, kind %d, does not fit what came before",
		         (unsigned long long)change->n, number, (int)change->kind);
	reader->has[number] = true;
	reader->a[number] = kit_number(change->body, STR("a"));
	reader->b[number] = kit_number(change->body, STR("b"));
}

/* It may stop anywhere, and go on from the n it kept. */
static void
read_changes(struct kit *kit, struct reader *reader, uint64_t most)
{
	struct replica_change change;

	while (most-- > 0 && replica_next_change(kit->replica, kit_sid(kit), reader->n, &change) == OK)
		take_change(reader, &change);
	replica_end_read(kit->replica);
}

static void
expect_reader_equal(struct kit *kit, const struct reader *reader, uint64_t seed)
{
	for (unsigned i = 0; i < FAR_ITEMS_MAX; i++) {
		const struct far_item *item = &kit->far.items[i];

		if (reader->has[i] != item->live ||
		    (item->live && (reader->a[i] != item->a || reader->b[i] != item->b)))
			fail_msg("seed %llu: the reader of changes is wrong about item-%u", (unsigned long long)seed,
			         i);
	}
}

/* ---- who looks on, between any two steps ------------------------------------------------------ */

struct onlooker {
	struct views  views;
	struct rng    rng;
	struct reader reader; /* reads a little, now and then */
	uint64_t      rounds; /* that were whole when it looked last … */
	uint64_t      digest; /* … and the view then */
};

static uint64_t
digest_view(struct kit *kit)
{
	struct str id = STR_EMPTY, body;
	uint64_t   digest = BYTES_HASH_START;

	while (replica_next_item(kit->replica, kit_sid(kit), id, &id, &body) == OK)
		digest = bytes_hash(bytes_hash(digest, id), body);
	replica_end_read(kit->replica);
	return digest;
}

static void
look_on(struct kit *kit)
{
	struct onlooker *onlooker = kit->between_ctx;
	uint64_t         rounds = whole_rounds(kit), digest;

	if (rng_below(&onlooker->rng, 3) > 0 || rounds == 0)
		return;
	digest = digest_view(kit);
	if (rounds == onlooker->rounds && digest != onlooker->digest)
		fail_msg("the view changed without a whole round, after %llu", (unsigned long long)rounds);
	onlooker->rounds = rounds;
	onlooker->digest = digest;
	read_changes(kit, &onlooker->reader, rng_below(&onlooker->rng, 8));
	views_expect_same(&onlooker->views);
	if (rng_below(&onlooker->rng, 8) == 0)
		views_expect_sound(kit);
}

/* What both readers have read is no longer kept. */
static void
trim_some(struct kit *kit, uint64_t n)
{
	struct replica_keep keep = { .acked_ms = INT64_MAX };
	bool                done = false;

	assert_int_equal(replica_ack(kit->replica, kit_sid(kit), n), OK);
	while (!done)
		assert_int_equal(replica_trim(kit->replica, &keep, &done), OK);
}

/* ---- histories ------------------------------------------------------------------------------ */

/* A run that ends in trouble is begun again, as a person or a timer would. */
static void
sync_to_the_end(struct kit *kit, uint64_t seed)
{
	struct follow_report report = { .next = FOLLOW_TROUBLED };

	for (int i = 0; i < 200 && (report.next == FOLLOW_TROUBLED || (report.next == FOLLOW_BROKEN && kit->far.lures));
	     i++)
		report = kit_sync(kit);
	if (report.next != FOLLOW_CAUGHT_UP)
		fail_msg("seed %llu: ended with %d: %s", (unsigned long long)seed, (int)report.next, report.why);
}

static void
one_history(uint64_t seed)
{
	struct kit      kit;
	struct reader   reader = { 0 };
	struct reader   late = { .at_once = true };
	struct onlooker onlooker = { .rng = { seed } };
	struct follow  *follow;

	kit_open(&kit, seed);
	kit.commit_rows = (uint32_t)(seed % 5 ? 1 + seed % 7 : 0);
	kit_open_replica(&kit);
	misbehave(&kit);
	views_open(&onlooker.views, &kit);
	kit.between = look_on;
	kit.between_ctx = &onlooker;
	for (int round = 0; round < 8; round++) {
		for (unsigned writes = rng_below(&kit.rng, 20); writes > 0; writes--)
			far_write(&kit.far);
		if (rng_below(&kit.rng, 4) == 0)
			kit.far.forgotten = kit.far.head;
		/* A follower that is cut off after some steps, while the remote goes on. */
		follow = kit_follow(&kit);
		(void)kit_run(&kit, follow, rng_below(&kit.rng, 12));
		follow_close(&follow);
		if (rng_below(&kit.rng, 3) == 0) {
			replica_close(&kit.replica);
			kit_open_replica(&kit);
		}
		for (unsigned writes = rng_below(&kit.rng, 5); writes > 0; writes--)
			far_write(&kit.far);
		sync_to_the_end(&kit, seed);
		kit.far.forgotten = 0;
		sync_to_the_end(&kit, seed);
		if (!kit_is_equal(&kit))
			fail_msg("seed %llu: the view is not the model after round %d", (unsigned long long)seed,
			         round);
		read_changes(&kit, &reader, rng_below(&kit.rng, 2) ? UINT64_MAX : rng_below(&kit.rng, 10));
		if (seed % 2 && rng_below(&kit.rng, 2) == 0)
			trim_some(&kit, reader.n < onlooker.reader.n ? reader.n : onlooker.reader.n);
		views_expect_trimmed(&onlooker.views);
		views_expect_sound(&kit);
	}
	read_changes(&kit, &reader, UINT64_MAX);
	expect_reader_equal(&kit, &reader, seed);
	read_changes(&kit, &onlooker.reader, UINT64_MAX);
	expect_reader_equal(&kit, &onlooker.reader, seed);
	if (seed % 2 == 0) {
		read_changes(&kit, &late, UINT64_MAX);
		expect_reader_equal(&kit, &late, seed);
	}
	views_close(&onlooker.views);
	if (kit.far.strangers > 0)
		fail_msg("seed %llu: a link was asked for that was never given out", (unsigned long long)seed);
	kit_close(&kit);
}

static void
test_follow__any_history_ends_equal_and_its_changes_tell_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < runs(HISTORIES); i++)
		one_history(1000 + i);
}

/* ---- cuts ----------------------------------------------------------------------------------- */

static void
fill_far(struct kit *kit)
{
	for (unsigned i = 0; i < 8; i++)
		far_put(&kit->far, i, i, i * i);
	kit->far.page_size = 3;
}

/* The answer of `page` ends after `at` bytes.  False when the page is not that long. */
static bool
one_cut(struct kit *kit, unsigned page, size_t at, bool silently)
{
	char                 url[96];
	struct follow_report report;
	uint64_t             before;

	(void)snprintf(url, sizeof(url), "https://graph.example.com/v1.0/p%u/c%zu/s%d/delta", page, at, silently);
	kit->conf.url = str_from_c(url);
	kit->far.cut_page = page;
	kit->far.cut_at = at;
	kit->far.cut_silently = silently;
	before = kit->far.fetches;
	report = kit_sync(kit);
	if (kit->far.cut_page != 0) {
		kit->far.cut_page = 0;
		return false;
	}
	/* A cut is tried again in the run, whether it shows or not. */
	assert_int_equal(report.next, FOLLOW_CAUGHT_UP);
	assert_int_equal(kit->far.fetches - before, 4);
	assert_true(kit_is_equal(kit));
	return true;
}

static void
test_follow__a_round_cut_at_any_byte_goes_on_where_it_was(void **state)
{
	struct kit kit;
	size_t     cuts = 0, at;

	(void)state;
	kit_open(&kit, 7);
	kit_open_replica(&kit);
	fill_far(&kit);
	for (unsigned page = 1; page <= 3; page++)
		for (int silently = 0; silently < 2; silently++) {
			for (at = 0; one_cut(&kit, page, at, silently); at++)
				cuts++;
			assert_true(at > 100);
		}
	print_message("%zu cuts\n", cuts);
	kit_close(&kit);
}

/* ---- kills ---------------------------------------------------------------------------------- */

/* A process that takes some steps and is gone, its files as they are. */
static void
die_after(struct kit *kit, unsigned steps)
{
	struct follow *follow;
	int            status = 0;
	pid_t          child = fork();

	if (child == 0) {
		kit_open_replica(kit);
		follow = kit_follow(kit);
		(void)kit_run(kit, follow, steps);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_follow__killed_after_any_step_it_goes_on_and_no_half_round_is_seen(void **state)
{
	struct kit kit;

	(void)state;
	kit_open(&kit, 11);
	kit.commit_rows = 2;
	kit.conf.guard.percent = 100;
	fill_far(&kit);
	for (unsigned i = 0; i < runs(KILLS); i++) {
		kit.far.forgotten = rng_below(&kit.rng, 5) == 0 ? kit.far.head : 0;
		die_after(&kit, rng_below(&kit.rng, 14));
		kit.far.forgotten = 0;
		if (rng_below(&kit.rng, 3) > 0)
			continue;
		kit_open_replica(&kit);
		sync_to_the_end(&kit, i);
		assert_true(kit_is_equal(&kit));
		replica_close(&kit.replica);
		for (unsigned writes = rng_below(&kit.rng, 6); writes > 0; writes--)
			far_write(&kit.far);
	}
	kit_close(&kit);
}

/* ---- a kill at every write ------------------------------------------------------------------- */

/* False when the run ended before its nth write. */
static bool
die_at_write(struct kit *kit, unsigned long nth)
{
	int   status = 0;
	pid_t child = fork();

	if (child == 0) {
		writes_left = nth;
		kit_open_replica(kit);
		(void)kit_sync(kit);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status) == 9;
}

static void
run_command(const char *command, const char *dir)
{
	assert_int_equal(setenv("DIR", dir, 1), 0);
	assert_int_equal(system(command), 0);
}

struct saved {
	uint64_t        rounds;
	struct far_item items[FAR_ITEMS_MAX]; /* as the view had them */
};

/* Half a round must not be seen: the view is the old one unless the round is whole. */
static void
expect_whole(struct kit *kit, const struct saved *saved)
{
	struct views views;
	uint64_t     rounds = whole_rounds(kit);

	views_expect_sound(kit);
	if (rounds == 0)
		return;
	assert_true(kit_view_is(kit, rounds > saved->rounds ? kit->far.items : saved->items));
	views_open(&views, kit);
	views_expect_same(&views);
	views_close(&views);
}

/* What others do before the next run; and that run may be another one than that which was killed. */
static void
end_otherwise(struct kit *kit, unsigned long nth)
{
	struct replica_scope scope;
	struct views         views;
	bool                 done = nth % 2 == 0, moves;

	while (!done)
		assert_int_equal(replica_sweep(kit->replica, &done), OK);
	views_open(&views, kit);
	moves = views_number(&views, "SELECT coalesce(max(moving), 0) FROM follow_scope WHERE url = ?1") == 1;
	views_close(&views);
	/* Another rule for the scope drops its round, wherever it is. */
	arena_reset(kit->arena);
	if (nth % 4 == 1 && replica_find_url(kit->replica, kit->conf.url, kit->arena, &scope) == OK) {
		assert_int_equal(replica_drop_round(kit->replica, scope.sid), OK);
		moves = false;
	}
	kit->conf.resync = nth % 5 == 0;
	/* The guard has let it pass before its entries moved. */
	kit->conf.guard.percent = moves ? 0 : 100;
	kit->conf.guard.at_least = moves && !kit->conf.resync ? 1 : 20;
}

/* From the store as it was saved: a run killed at its nth write, then what is seen, then a whole run. */
static bool
one_kill(struct kit *kit, unsigned long nth, const struct saved *saved)
{
	struct reader reader = { .at_once = true };
	uint64_t      forgotten = kit->far.forgotten;
	bool          died;

	run_command("rm -f $DIR/f.db*", kit->dir);
	run_command("cp $DIR/saved/f.db* $DIR/ 2>/dev/null; true", kit->dir);
	died = die_at_write(kit, nth);
	kit_open_replica(kit);
	expect_whole(kit, saved);
	end_otherwise(kit, nth);
	expect_whole(kit, saved);
	kit->far.forgotten = 0;
	sync_to_the_end(kit, nth);
	kit->far.forgotten = forgotten;
	kit->conf.resync = false;
	kit->conf.guard.percent = 100;
	assert_true(kit_is_equal(kit));
	read_changes(kit, &reader, UINT64_MAX);
	expect_reader_equal(kit, &reader, nth);
	views_expect_sound(kit);
	replica_close(&kit->replica);
	return died;
}

/* `before` is the view the store holds when the runs begin. */
static unsigned long
kill_everywhere(struct kit *kit, const struct far_item before[FAR_ITEMS_MAX])
{
	unsigned long nth = 1;
	struct saved  saved = { 0 };

	run_command("rm -rf $DIR/saved && mkdir $DIR/saved", kit->dir);
	run_command("cp $DIR/f.db* $DIR/saved/ 2>/dev/null; true", kit->dir);
	if (kit->far.fetches > 0) {
		kit_open_replica(kit);
		saved.rounds = whole_rounds(kit);
		memcpy(saved.items, before, sizeof(saved.items));
		replica_close(&kit->replica);
	}
	/* Each write with --full, and every third one else. */
	while (one_kill(kit, nth, &saved))
		nth += getenv("TIDEMARK_FULL") ? 1 : 3;
	return nth;
}

static unsigned long
sync_once(struct kit *kit)
{
	kit_open_replica(kit);
	sync_to_the_end(kit, 0);
	replica_close(&kit->replica);
	return UINT32_MAX;
}

static void
killed_at_any_write(uint32_t commit_rows)
{
	struct kit      kit;
	struct far_item before[FAR_ITEMS_MAX];
	unsigned long   first, later, resync;

	kit_open(&kit, 13);
	kit.commit_rows = commit_rows;
	kit.conf.guard.percent = 100;
	fill_far(&kit);
	/* A first round has the same commits, whatever their size. */
	first = commit_rows == 0 ? kill_everywhere(&kit, kit.far.items) : sync_once(&kit);
	memcpy(before, kit.far.items, sizeof(before));
	far_put(&kit.far, 1, 50, 1);
	far_put(&kit.far, 20, 1, 1);
	far_remove(&kit.far, 2);
	later = kill_everywhere(&kit, before);
	memcpy(before, kit.far.items, sizeof(before));
	far_put(&kit.far, 3, 51, 1);
	far_put(&kit.far, 2, 1, 9);
	far_remove(&kit.far, 4);
	kit.far.forgotten = kit.far.head;
	resync = kill_everywhere(&kit, before);
	print_message("killed at %lu writes of a first round, %lu of a later one, %lu of a resync\n",
	              commit_rows == 0 ? first : 0, later, resync);
	assert_true(first > 20 && later > 10 && resync > 15);
	kit_close(&kit);
}

static void
test_follow__killed_at_any_write_it_goes_on_and_loses_nothing(void **state)
{
	(void)state;
	killed_at_any_write(0);
	killed_at_any_write(1); /* each round is settled in as many commits as there can be */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow__any_history_ends_equal_and_its_changes_tell_it),
		cmocka_unit_test(test_follow__a_round_cut_at_any_byte_goes_on_where_it_was),
		cmocka_unit_test(test_follow__killed_after_any_step_it_goes_on_and_no_half_round_is_seen),
		cmocka_unit_test(test_follow__killed_at_any_write_it_goes_on_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

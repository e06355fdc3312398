/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold for every history of a remote whose items have rules of their own and that misbehaves in every way
 * that the follower knows (support/families.h).  Runs end anywhere, also by a kill; they read everything anew, are
 * stopped by the guard, try dead letters again.  After a whole round the view, its relations and its dead letters are
 * the model's; a reader who has taken every change holds the view, too, and so does one who scans its feed in small
 * pages; a round that only spells things in another way
 * changes nothing; and no link was asked for that was never given out.
 *
 * TIDEMARK_RUNS sets the number of histories; a failing one names its seed.
 */
#include "../unit/follow/follow_test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "store/replica_relation.h"
#include "support/families.h"
#include "support/family_reader.h"
#include "support/last_write.h"
#include "support/runs.h"

#define HISTORIES 1000
#define ROUNDS    4
#define KILLS_AT  60 /* a killed run dies before so many writes … */
#define KILLS_IN  8  /* in one history of so many */

/* What is freed need not stay long: most of the time went into fresh memory, and into copies of it for children. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=1:malloc_context_size=2";
}

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

int
sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	(void)flags;
	return 0;
}

/* A history and what has been made of it. */
struct history {
	struct kit   *kit;
	struct world *world; /* shared with children, which are killed */
	uint64_t      seed, n;
	struct thing  mirror[THINGS]; /* what a reader of changes has made of them */
	struct reader reader;
	struct store *store; /* open for the reader; or NULL */
};

static struct figures {
	unsigned gaps, resyncs, guarded, kills, large, letters, mended, purged, late;
} figures; /* what the histories came to */

static void PRINTF_LIKE(2, 3) fail_history(const struct history *history, const char *fmt, ...)
{
	char    what[700];
	va_list list;

	va_start(list, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, list);
	va_end(list);
	fail_msg("seed %llu, %s: %s", (unsigned long long)history->seed, history->world->url, what);
}

/* ---- what the follower has made of it ---------------------------------------------------------- */

static void
read_view(const struct history *history, struct view *view)
{
	struct replica_member      member = { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct replica_dead_letter letter = { 0 };
	struct replica            *replica = history->kit->replica;
	struct str                 id = STR_EMPTY, body;
	int64_t                    sid = kit_sid(history->kit);

	while (replica_next_item(replica, sid, id, &id, &body) == OK)
		take_body(&view->things[thing_of(history->world, id)], body);
	while (replica_next_member(replica, sid, &member, &member) == OK) {
		assert_true(str_eq(member.type, STR("user")));
		assert_true(view->things[thing_of(history->world, member.id)].live);
		set_member(&view->things[thing_of(history->world, member.id)], member.relation, member.member, true);
	}
	while (replica_next_dead_letter(replica, sid, letter.lid, history->kit->arena, &letter) == OK) {
		bool *has = &view->letters[thing_of(history->world, letter.id)];

		if (*has)
			fail_history(history, "two dead letters name %.*s", STR_ARG(letter.id));
		*has = true;
	}
}

static void
take_change(struct history *history, const struct replica_change *change)
{
	struct thing         *thing = &history->mirror[thing_of(history->world, change->id)];
	struct replica_member member = { change->id, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct replica_moved  moved = { STR_EMPTY, STR_EMPTY, false };
	struct replica       *replica = history->kit->replica;

	history->n = change->n;
	if (change->kind == REPLICA_REMOVED) {
		*thing = (struct thing){ 0 };
		return;
	}
	if (change->body.len == 0)
		return;
	take_body(thing, change->body);
	if (change->kind == REPLICA_UPDATED) {
		while (replica_next_moved(replica, change->n, &moved, &moved) == OK)
			set_member(thing, moved.relation, moved.member, !moved.is_removed);
		return;
	}
	memset(thing->in, 0, sizeof(thing->in));
	while (replica_next_member(replica, change->sid, &member, &member) == OK && str_eq(member.id, change->id))
		set_member(thing, member.relation, member.member, true);
}

static void
read_changes(struct history *history)
{
	struct replica_change change;
	char                  id[32];

	while (replica_next_change(history->kit->replica, kit_sid(history->kit), history->n, &change) == OK) {
		assert_true(change.id.len <= sizeof(id));
		memcpy(id, change.id.at, change.id.len);
		change.id = str_of(id, change.id.len);
		take_change(history, &change);
	}
	replica_end_read(history->kit->replica);
}

static void
expect_things(const struct history *history, const struct thing want[THINGS], const struct thing got[THINGS],
              const char *what)
{
	for (unsigned i = 0; i < THINGS; i++) {
		const struct thing *a = &want[i], *b = &got[i];

		if (a->live != b->live || (a->live && (a->has_a != b->has_a || a->a != b->a || a->has_b != b->has_b ||
		                                       a->b != b->b || memcmp(a->in, b->in, sizeof(a->in)) != 0)))
			fail_history(history, "%s is wrong about thing %u: it is %s a=%u b=%u instead of %s a=%u b=%u",
			             what, i, b->live ? "there" : "gone", b->a, b->b, a->live ? "there" : "gone", a->a,
			             a->b);
	}
}

/* The round that was made last is the view if there is one more whole round. */
static void
note_rounds(const struct history *history)
{
	struct world        *world = history->world;
	struct replica_scope scope = { 0 };

	arena_reset(history->kit->arena);
	if (replica_find_url(history->kit->replica, history->kit->conf.url, history->kit->arena, &scope) != OK ||
	    scope.rounds == world->rounds)
		return;
	if (scope.rounds != world->rounds + 1)
		fail_history(history, "%llu rounds are whole, %llu were", (unsigned long long)scope.rounds,
		             (unsigned long long)world->rounds);
	world->rounds = scope.rounds;
	world->held = world->next;
}

static void
expect_held(const struct history *history)
{
	struct view view = { 0 };

	note_rounds(history);
	if (history->world->rounds == 0)
		return;
	read_view(history, &view);
	expect_things(history, history->world->held.things, view.things, "the view");
	for (unsigned i = 0; i < THINGS; i++)
		if (view.letters[i] != history->world->held.letters[i])
			fail_history(history, "thing %u has %s dead letter", i, view.letters[i] ? "a" : "no");
}

/* ---- a reader of the feed ---------------------------------------------------------------------- */

static struct store *
open_store(const struct history *history, enum store_access access)
{
	struct kit       *kit = history->kit;
	struct store_conf conf = {
		.url = str_from_c(kit->url), .access = access, .clock = &kit->clock, .entropy = &kit->entropy
	};
	struct store *store = NULL;
	char          why[512];

	if (store_open(&conf, &store, why) != OK)
		fail_msg("%s", why);
	return store;
}

static struct store_feed
feed_of(const struct history *history)
{
	struct store_feed feed = { .collection = STORE_FOLLOWED };
	char              digits[sizeof(feed.owner.b) + 1];

	(void)snprintf(digits, sizeof(digits), "%016lld", (long long)kit_sid(history->kit));
	memcpy(feed.owner.b, digits, sizeof(feed.owner.b));
	return feed;
}

static void
read_feed(struct history *history)
{
	struct store_feed feed = feed_of(history);

	if (!history->store)
		history->store = open_store(history, STORE_LOOK);
	reader_read(&history->reader, history->world, history->store, &feed, history->kit->arena);
	expect_things(history, history->world->held.things, history->reader.things, "the reader of the feed");
}

static void
purge(struct history *history)
{
	struct store_feed feed = feed_of(history);
	struct store     *store;

	store_close(&history->store);
	replica_close(&history->kit->replica);
	store = open_store(history, STORE_SERVE);
	figures.purged += reader_purge(&history->reader, store, &feed, history->kit->arena);
	store_close(&store);
	kit_open_replica(history->kit);
}

/* After a run that has left a whole view. */
static void
read_and_purge(struct history *history)
{
	if (history->world->rounds == 0)
		return;
	if (rng_below(&history->reader.rng, 2))
		read_feed(history);
	if (rng_below(&history->reader.rng, 20) == 0)
		purge(history);
}

/* With a resync, a run may first end the round before it. */
static enum err
fetch_noting(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *out,
             struct str *why_out)
{
	const struct history *history = ctx;

	note_rounds(history);
	return world_fetch(history->world, request, arena, out, why_out);
}

/* ---- histories --------------------------------------------------------------------------------- */

/*
 * A run of at most so many steps, with options of its own.  Seed 5012: a page cut while it was skimmed ended it.  Seed
 * 5298: a round that was begun with fewer items began again with as many as at first.
 */
static struct follow_report
run(const struct history *history, unsigned steps)
{
	static const uint32_t sizes[] = { 0, 3, 20, 200 };
	struct kit           *kit = history->kit;
	struct world         *world = history->world;
	struct follow_report  report;
	struct follow        *follow;
	uint64_t              rounds = world->rounds;

	world->asked_gone = world->asked_own = false;
	kit->conf.page_size = sizes[rng_below(&world->rng, COUNT_OF(sizes))];
	follow = kit_follow(kit);
	report = kit_run(kit, follow, steps);
	follow_close(&follow);
	note_rounds(history);
	/* Only a Location that is none may end a run for good, and that after the scope's own URL. */
	if (report.next == FOLLOW_REFUSED || (report.next == FOLLOW_BROKEN && !(world->asked_gone && world->asked_own)))
		fail_history(history, "a run that can go on is broken: %s", report.why);
	if (report.next == FOLLOW_CAUGHT_UP && report.tally.swept > 0 && kit->conf.guard.percent == 0)
		fail_history(history, "the guard let %llu removals pass", (unsigned long long)report.tally.swept);
	if (report.gap != (world->rounds > rounds && rounds > 0 && report.gap && !world->family->lists))
		fail_history(history, "a gap is reported, and there is none");
	figures.gaps += report.gap;
	return report;
}

/* The guard stops what would remove something; the view stays. */
static void
let_through(struct history *history)
{
	struct replica_guard guard = history->kit->conf.guard;

	expect_held(history);
	figures.guarded++;
	history->kit->conf.guard = (struct replica_guard){ 100, 1 };
	for (int i = 0; i < 200; i++)
		if (run(history, 100000).next == FOLLOW_CAUGHT_UP) {
			history->kit->conf.guard = guard;
			return;
		}
	fail_history(history, "the guard stops everything");
}

static void
sync_to_the_end(struct history *history)
{
	struct follow_report report = { .next = FOLLOW_TROUBLED };

	for (int i = 0; i < 200 && report.next != FOLLOW_CAUGHT_UP; i++) {
		report = run(history, 100000);
		if (report.next == FOLLOW_GUARDED) {
			let_through(history);
			return;
		}
	}
	if (report.next != FOLLOW_CAUGHT_UP)
		fail_history(history, "ended with %d: %s", (int)report.next, report.why);
}

/* A process that is gone at one of its writes. */
static void
die_somewhere(struct history *history)
{
	struct kit *kit = history->kit;
	int         status = 0;
	pid_t       child;

	kit->conf.resync = false;
	store_close(&history->store);
	replica_close(&kit->replica);
	child = fork();
	if (child == 0) {
		kit_open_replica(kit);
		writes_left = 1 + rng_below(&history->world->rng, KILLS_AT);
		(void)kit_sync(kit);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	figures.kills += WEXITSTATUS(status) == 9;
	kit_open_replica(kit);
	expect_held(history);
}

/* A report that an older version could not read, as the ledger holds it. */
static void
add_letter(struct history *history, unsigned thing)
{
	struct kit          *kit = history->kit;
	struct world        *world = history->world;
	struct replica_scope scope;
	struct report        report = { .text = "" };
	const struct thing  *it = &world->things[thing];
	char                 id[32];

	put_id(world, &report, thing);
	put(&report, ",\"a\":%u", it->a);
	put_b(world, &report, it);
	put(&report, "}");
	assert_int_equal(replica_get_scope(kit->replica, kit_sid(kit), kit->arena, &scope), OK);
	if (scope.phase != REPLICA_IDLE)
		return;
	world->next = world->held;
	world->next.letters[thing] = world->next.readable[thing] = true;
	world->next.reported[thing] = *it;
	assert_int_equal(replica_begin_round(kit->replica, scope.sid, REPLICA_NEXT, scope.delta_link, 1), OK);
	replica_begin_page(kit->replica, scope.sid);
	replica_put_dead_letter(kit->replica, id_of(world, thing, id), STR("an older version could not read it"),
	                        str_from_c(report.text));
	assert_int_equal(replica_end_page(kit->replica, scope.delta_link, true), OK);
	kit->conf.resync = false;
	assert_int_equal(run(history, 100).next, FOLLOW_CAUGHT_UP);
	expect_held(history);
}

/* What may be read now is kept; no newer state is replaced. */
static void
retry(struct history *history)
{
	struct kit           *kit = history->kit;
	struct view          *held = &history->world->held;
	struct follow_retried retried;

	for (unsigned i = 0; i < THINGS; i++)
		if (held->readable[i])
			hold_good(history->world, held, i, &held->reported[i], true, true);
	assert_int_equal(follow_retry(&(struct follow_retrying){ kit->replica, kit_sid(kit), &kit->clock, NULL, NULL },
	                              &retried),
	                 OK);
	history->world->rounds += retried.mended;
	figures.mended += (unsigned)retried.mended;
	expect_held(history);
}

static void
retry_one(struct history *history)
{
	struct world *world = history->world;
	unsigned      thing = rng_below(&world->rng, THINGS);

	retry(history);
	if (!world->things[thing].live || world->things[thing].trouble || !world->held.things[thing].live ||
	    world->held.letters[thing])
		return;
	add_letter(history, thing);
	/* Else a later report of the thing may replace it. */
	if (rng_below(&world->rng, 2))
		retry(history);
}

static void
choose_troubles(struct history *history)
{
	struct world *world = history->world;
	struct kit   *kit = history->kit;

	world->forgets = rng_below(&world->rng, 2) ? 12 : 0;
	world->garbles = rng_below(&world->rng, 2) ? 6 : 0;
	world->size_is_in_link = rng_below(&world->rng, 3) == 0;
	if (rng_below(&world->rng, 3) == 0)
		world->lost = world->serial + 1;
	kit->conf.guard = rng_below(&world->rng, 4) ? (struct replica_guard){ 100, 1 } : (struct replica_guard){ 0, 1 };
	kit->conf.resync = rng_below(&world->rng, 5) == 0;
	figures.resyncs += kit->conf.resync;
}

static void
one_round(struct history *history)
{
	struct world *world = history->world;

	write_some(world, 16);
	choose_troubles(history);
	if (history->seed / KINDS % KILLS_IN == 0)
		die_somewhere(history);
	else
		(void)run(history, rng_below(&world->rng, 8));
	expect_held(history);
	read_and_purge(history);
	write_some(world, 6);
	sync_to_the_end(history);
	expect_held(history);
	read_and_purge(history);
	world->forgets = world->garbles = 0;
	history->kit->conf.resync = false;
	sync_to_the_end(history);
	expect_held(history);
	if (rng_below(&world->rng, 2))
		read_changes(history);
	if (world_one_in(world, 3))
		retry_one(history);
}

static void
expect_nothing_new(struct history *history)
{
	uint64_t before, after;

	assert_int_equal(replica_head(history->kit->replica, &before), OK);
	history->world->respells = true;
	sync_to_the_end(history);
	assert_int_equal(replica_head(history->kit->replica, &after), OK);
	if (before != after)
		fail_history(history, "another spelling is reported as a change");
}

/* The view, which is what the model says, is what the source holds; no dead letter is left. */
static void
expect_source(const struct history *history)
{
	expect_things(history, history->world->things, history->world->held.things, "the model");
	for (unsigned i = 0; i < THINGS; i++)
		if (history->world->held.letters[i])
			fail_history(history, "the dead letter of thing %u is left", i);
}

static void
begin_history(struct history *history, uint64_t seed)
{
	struct kit   *kit = history->kit;
	struct world *world = history->world;

	/* Its pauses, too, are the same wherever a run of histories begins. */
	kit->rng = (struct rng){ seed };
	kit->at.ns = (int64_t)1700000000 * 1000000000;
	history->seed = seed;
	history->n = 0;
	memset(history->mirror, 0, sizeof(history->mirror));
	history->reader = (struct reader){ .rng = { seed } };
	memset(world, 0, sizeof(*world));
	world->rng = (struct rng){ seed };
	world->kind = (enum kind)(seed % KINDS);
	world->family = &families[world->kind];
	/* Scopes of one store, so that a history costs no new file. */
	(void)snprintf(world->base, sizeof(world->base), "%s%s?h=%llu", ORIGIN, world->family->path,
	               (unsigned long long)seed);
	(void)snprintf(world->url, sizeof(world->url), "%s%s", world->base, world->family->suffix);
	kit->conf.url = str_from_c(world->url);
	kit->conf.from_now = world->kind == FROM_NOW;
	/* Every other history of a family settles its rounds in parts. */
	kit->commit_rows = seed / KINDS % 2 ? 20000 : 1 + (uint32_t)(seed / KINDS % 3);
	replica_limit_commits(kit->replica, kit->commit_rows);
	kit->source = (struct follow_source){ .ctx = history, .fetch = fetch_noting };
}

static void
one_history(struct history *history, uint64_t seed)
{
	struct world *world = history->world;

	begin_history(history, seed);
	write_some(world, 30);
	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(history);
	world_mend(world);
	sync_to_the_end(history);
	retry(history);
	if (world->family->lists)
		expect_source(history);
	read_changes(history);
	expect_things(history, world->held.things, history->mirror, "the reader of changes");
	read_feed(history);
	expect_nothing_new(history);
	if (world->strangers > 0)
		fail_history(history, "a link was asked for that was never given out");
	figures.large += world->large;
	figures.letters += world->letters;
	figures.late += history->reader.late;
}

static unsigned
runs(void)
{
	return (unsigned)runs_of(HISTORIES);
}

static void
test_family__any_history_ends_equal_with_its_relations(void **state)
{
	struct kit     kit;
	struct history history = { .kit = &kit };

	(void)state;
	history.world = mmap(NULL, sizeof(*history.world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(history.world != MAP_FAILED);
	kit_open(&kit, 1);
	kit_open_replica(&kit);
	for (unsigned i = 0; i < runs(); i++)
		one_history(&history, runs_seed(5000) + i);
	print_message("gaps %u, resyncs %u, guarded %u, kills %u, large pages %u, dead letters %u, mended %u,"
	              " purged %u, too late %u\n",
	              figures.gaps, figures.resyncs, figures.guarded, figures.kills, figures.large, figures.letters,
	              figures.mended, figures.purged, figures.late);
	if (runs() >= HISTORIES)
		assert_true(figures.gaps > 50 && figures.guarded > 5 && figures.kills > 50 && figures.large > 50 &&
		            figures.mended > 10 && figures.purged > 50 && figures.late > 10);
	reader_expect_sound(history.store);
	store_close(&history.store);
	assert_int_equal(munmap(history.world, sizeof(*history.world)), 0);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family__any_history_ends_equal_with_its_relations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

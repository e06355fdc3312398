/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of a feed (support/feed_histories.h) over a followed one, while rounds become visible.
 *
 * The writer is a follower: it stages pages of any items and removals, also the same id several times, and settles
 * rounds in parts of one to seven rows or at once.  Rounds are dropped, listings are stopped by the guard, the scope is
 * forgotten and followed again.  Between any two of its commits readers take pages, tombstones are purged, the store is
 * opened again or an older copy is put back.  The view is that of the model before a round or after it.
 *
 * TIDEMARK_SEED replays one history, TIDEMARK_RUNS says how many.
 */
#include "support/followed_rounds.h"

#include "store/store_followed.h"

#define SCOPE STR("a")

struct beside { /* a scope whose rounds change what is beside the feed in every table; nobody compares its view */
	int64_t            sid;
	enum replica_phase phase;
	bool               has_view;
};

struct followed_world {
	struct world    world;
	struct replica *replica;
	int64_t         sid;
	struct round    round, saved; /* saved: at the last backup */
	struct beside   beside, saved_beside;
	uint64_t        switches, guarded, forgotten;
};

static struct followed_world *
followed_of(struct world *world)
{
	return (struct followed_world *)(void *)world; /* its first member */
}

static int64_t
now_ms(const struct world *world)
{
	return world->time.ns / 1000000;
}

static void
open_followed(struct world *world)
{
	struct followed_world *followed = followed_of(world);
	struct store_conf      conf = store_conf_of(world);
	char                   why[512];

	assert_int_equal(store_open(&conf, &world->store, why), OK);
	assert_int_equal(replica_join(world->store, &followed->replica, why), OK);
	if (rng_below(&world->rng, 4) > 0)
		replica_limit_commits(followed->replica, 1 + rng_below(&world->rng, 7));
}

static void
close_followed(struct world *world)
{
	replica_close(&followed_of(world)->replica);
	store_close(&world->store);
}

static void
keep_round(struct world *world, bool back)
{
	struct followed_world *followed = followed_of(world);

	if (back) {
		followed->round = followed->saved;
		followed->beside = followed->saved_beside;
	} else {
		followed->saved = followed->round;
		followed->saved_beside = followed->beside;
	}
}

/* ---- the scope ------------------------------------------------------------------------------- */

static void
add_scope(struct followed_world *followed)
{
	struct world         *world = &followed->world;
	struct replica_scope  scope = { .name = SCOPE, .url = STR("http://x/0"), .resource = STR("users") };
	struct store_followed added;

	scope.from_now = rng_below(&world->rng, 4) == 0;
	assert_int_equal(replica_add_scope(followed->replica, &scope, &followed->sid), OK);
	assert_int_equal(store_get_followed(world->store, SCOPE, world->arena, &added), OK);
	world->feed = added.feed;
	followed->round = (struct round){ .exists = true, .from_now = scope.from_now };
}

/* Its first part takes the feed away. */
static void
forget_scope(struct followed_world *followed)
{
	struct model *model = &followed->world.model;
	bool          done;

	assert_int_equal(replica_forget_scope(followed->replica, followed->sid, &done), OK);
	followed->forgotten += model->generation != 0;
	*model = (struct model){ .generation = 0 };
	followed->round = (struct round){ .exists = !done, .from_now = followed->round.from_now, .is_forgotten = true };
}

/* ---- a round --------------------------------------------------------------------------------- */

static void
begin_staging(struct followed_world *followed)
{
	struct round *round = &followed->round;
	struct rng   *rng = &followed->world.rng;
	uint32_t      dice = rng_below(rng, 12);

	round->kind = followed->world.model.generation == 0 ? REPLICA_FIRST
	              : dice < 3                            ? REPLICA_RESYNC
	              : dice < 4                            ? REPLICA_GAP
	                                                    : REPLICA_NEXT;
	assert_int_equal(replica_begin_round(followed->replica, followed->sid, round->kind, STR("http://x/1"),
	                                     now_ms(&followed->world)),
	                 OK);
	round->phase = REPLICA_ROUND;
	round->count = 0;
	round->pages_left = 1 + rng_below(rng, 4);
	round->is_forgotten = false;
	memset(round->has_letter, 0, sizeof(round->has_letter));
}

static void
put_row(struct followed_world *followed)
{
	struct round *round = &followed->round;
	struct rng   *rng = &followed->world.rng;
	struct row    row = { .id = rng_below(rng, IDS), .value = rng_below(rng, MEMBERS * MEMBERS) };
	char          name[16], body[16];

	if (rng_below(rng, 20) == 0) {
		replica_put_dead_letter(followed->replica, id_of(row.id, name), STR("?"), id_of(row.id, name));
		round->has_letter[row.id] = true;
		return;
	}
	if (rng_below(rng, 4) == 0)
		row.life = rng_below(rng, 2) ? REPLICA_CHANGED : REPLICA_DELETED;
	replica_put_item(followed->replica, id_of(row.id, name), row.life,
	                 row.life == REPLICA_LIVE ? body_of(row.value, body) : STR_EMPTY);
	round->has_letter[row.id] = false;
	if (!drops_items(round))
		round->rows[round->count++] = row;
}

/* A listing names most of the items that are there. */
static uint32_t
rows_of_page(const struct round *round, struct rng *rng)
{
	return rng_below(rng, round->kind == REPLICA_RESYNC || round->kind == REPLICA_FIRST ? 16 : 7);
}

static void
stage_page(struct followed_world *followed)
{
	struct round *round = &followed->round;
	uint32_t      count = round->count, rows = rows_of_page(round, &followed->world.rng);
	bool          last = round->pages_left == 1;

	replica_begin_page(followed->replica, followed->sid);
	while (rows-- > 0)
		put_row(followed);
	if (rng_below(&followed->world.rng, 20) == 0 && count == round->count) {
		replica_give_up_page(followed->replica);
		memset(round->has_letter, 0, sizeof(round->has_letter));
		round->phase = REPLICA_IDLE; /* what letters there were is not known: the round begins again */
		return;
	}
	assert_int_equal(replica_end_page(followed->replica, last ? STR("http://x/9") : STR("http://x/2"), last), OK);
	round->pages_left--;
	if (last)
		round->phase = REPLICA_SETTLING;
}

static uint64_t
head_of(struct world *world)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1 };
	struct store_scan *scan = store_scan_open(world->store, &world->feed, &range, world->arena);
	uint64_t           head = store_scan_state(scan)->head;

	assert_true(store_scan_state(scan)->exists);
	assert_int_equal(store_scan_close(&scan), OK);
	return head;
}

/* Numbers rise: those of a round are above all that were ever seen.  Which they are, only the store knows. */
static void
make_visible(struct followed_world *followed)
{
	struct model *model = &followed->world.model;
	struct round *round = &followed->round;
	struct line   lines[IDS];
	uint32_t      swept, rows;
	uint64_t      head = head_of(&followed->world);
	bool          changes;

	changes = lines_after(round, model->lines, lines, &swept);
	rows = round->count + swept;
	if (round->kind == REPLICA_FIRST)
		model->generation = ++followed->world.generations;
	if (!changes && round->kind != REPLICA_FIRST) {
		assert_int_equal(head, model->head);
		return;
	}
	assert_true(head >= model->head + rows);
	for (uint32_t id = 0; id < IDS; id++)
		if (lines[id].seq > 0) {
			lines[id].seq += head - rows;
			model->lines[id] = lines[id];
			round->was_seen[id] = true;
		}
	model->head = head;
}

/* ---- settling -------------------------------------------------------------------------------- */

static enum err
merge_bodies(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	buf_printf(merged_out, "%u", merged(value_in(held), value_in(received)));
	return OK;
}

static bool
bodies_differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	(void)ctx;
	buf_put(fields_out, STR("[]"));
	return !str_eq(a, b);
}

static bool
show_body(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	(void)body;
	(void)shown_out;
	return false;
}

static const struct replica_merger merger = { .merge = merge_bodies, .differ = bodies_differ, .show = show_body };

static void
settle_part(struct followed_world *followed)
{
	static const struct replica_guard guard = { .percent = 60, .at_least = 6 };
	struct round                     *round = &followed->round;
	struct replica_tally              tally;
	bool                              done;
	enum err err = replica_settle(followed->replica, followed->sid, &merger, &guard, now_ms(&followed->world),
	                              &tally, &done);

	if (!done && err == OK) {
		followed->world.model.may_move = true;
		return;
	}
	round->phase = REPLICA_IDLE;
	if (err == ERR_NOT_ALLOWED) {
		assert_true(is_guarded(round, followed->world.model.lines, &guard));
		followed->guarded++;
		return;
	}
	assert_int_equal(err, OK);
	assert_false(is_guarded(round, followed->world.model.lines, &guard));
	make_visible(followed);
	followed->switches++;
}

static bool
sweep(struct followed_world *followed)
{
	bool done;

	assert_int_equal(replica_sweep(followed->replica, &done), OK);
	if (done && followed->round.phase != REPLICA_SETTLING)
		followed->world.model.may_move = false;
	return done;
}

/* ---- a scope beside it ------------------------------------------------------------------------- */

static void
stage_beside(struct followed_world *followed)
{
	struct rng *rng = &followed->world.rng;
	char        name[16], body[16];

	replica_begin_page(followed->replica, followed->beside.sid);
	for (uint32_t rows = rng_below(rng, 12); rows > 0; rows--) {
		enum replica_life life = rng_below(rng, 3) ? REPLICA_LIVE : REPLICA_DELETED;

		replica_put_item(followed->replica, id_of(rng_below(rng, IDS), name), life,
		                 life == REPLICA_LIVE ? body_of(rng_below(rng, MEMBERS), body) : STR_EMPTY);
	}
	assert_int_equal(replica_end_page(followed->replica, STR("http://y/2"), true), OK);
	followed->beside.phase = REPLICA_SETTLING;
}

static void
settle_beside(struct followed_world *followed)
{
	static const struct replica_guard guard = { .percent = 100, .at_least = 1000 };
	struct replica_tally              tally;
	bool                              done;

	assert_int_equal(replica_settle(followed->replica, followed->beside.sid, &merger, &guard,
	                                now_ms(&followed->world), &tally, &done),
	                 OK);
	if (!done)
		return;
	followed->beside.phase = REPLICA_IDLE;
	followed->beside.has_view = true;
}

static void
write_beside(struct followed_world *followed)
{
	enum replica_kind kind = rng_below(&followed->world.rng, 3) ? REPLICA_NEXT : REPLICA_RESYNC;

	if (followed->beside.phase == REPLICA_SETTLING) {
		settle_beside(followed);
	} else if (followed->beside.phase == REPLICA_ROUND) {
		stage_beside(followed);
	} else {
		kind = followed->beside.has_view ? kind : REPLICA_FIRST;
		assert_int_equal(replica_begin_round(followed->replica, followed->beside.sid, kind, STR("http://y/1"),
		                                     now_ms(&followed->world)),
		                 OK);
		followed->beside.phase = REPLICA_ROUND;
	}
}

/* ---- the writer ------------------------------------------------------------------------------ */

static void
follow_on(struct followed_world *followed)
{
	struct round *round = &followed->round;

	if (round->phase == REPLICA_SETTLING)
		settle_part(followed);
	else if (round->phase == REPLICA_IDLE)
		begin_staging(followed);
	else if (rng_below(&followed->world.rng, 30) > 0)
		stage_page(followed);
	else
		begin_staging(followed); /* the round so far is dropped */
}

static void
write_followed(struct world *world)
{
	struct followed_world *followed = followed_of(world);
	struct round          *round = &followed->round;
	uint32_t               dice = rng_below(&world->rng, 1000);

	if (!round->exists)
		add_scope(followed);
	else if (round->is_forgotten ? dice < 700 : dice < 4)
		forget_scope(followed);
	else if (dice < 80)
		(void)sweep(followed);
	else if (dice < 200)
		write_beside(followed);
	else if (dice < 206 && round->phase == REPLICA_SETTLING)
		begin_staging(followed); /* also while entries move */
	else
		follow_on(followed);
}

/* Items in the order of ids. */
static void
look_at_ids(struct world *world)
{
	uint32_t           first = rng_below(&world->rng, IDS), id = first;
	char               name[16];
	struct store_range range = {
		.until = STORE_TO_HEAD, .limit = IDS, .by_id = true, .after_id = id_of(first, name)
	};
	struct store_scan *scan = store_scan_open(world->store, &world->feed, &range, world->arena);
	struct item        item;

	while (store_scan_next(scan, &item)) {
		for (id++; id < IDS && !world->model.lines[id].live; id++)
			;
		assert_true(id < IDS && str_eq(item.id, id_of(id, name)));
		assert_int_equal(item.seq, world->model.lines[id].seq);
		assert_int_equal(value_in(item.body), world->model.lines[id].value);
	}
	for (id++; id < IDS; id++)
		assert_false(world->model.lines[id].live);
	assert_int_equal(store_scan_close(&scan), OK);
	if (rng_below(&world->rng, 4) == 0)
		assert_int_equal(store_check(world->store, found_fault, NULL), OK);
}

/* Half of the histories end in the middle of a round. */
static void
end_followed(struct world *world)
{
	struct followed_world *followed = followed_of(world);

	if (rng_below(&world->rng, 2))
		return;
	while (!followed->round.exists || followed->round.phase != REPLICA_IDLE)
		if (followed->round.exists)
			follow_on(followed);
		else
			add_scope(followed);
	while (!sweep(followed))
		;
}

static const struct feed_writer follower = {
	.share = 600,
	.open = open_followed,
	.close = close_followed,
	.write = write_followed,
	.look = look_at_ids,
	.end = end_followed,
	.keep = keep_round,
};

/* ---- histories ------------------------------------------------------------------------------- */

struct figures {
	uint64_t totals[3]; /* rounds, pages, answers 410 */
	uint64_t switches, guarded, forgotten;
};

static void
run_history(uint64_t seed, struct figures *figures)
{
	struct followed_world *followed = calloc(1, sizeof(*followed));
	struct world          *world;
	struct replica_scope   beside = { .name = STR("b"), .url = STR("http://y/0"), .resource = STR("users") };
	char                   url[96];

	assert_non_null(followed);
	world = &followed->world;
	world->writer = &follower;
	make_dir(world);
	snprintf(url, sizeof(url), "sqlite:%s/t.db", world->dir);
	world->url = url;
	begin_world(world, seed);
	assert_int_equal(replica_add_scope(followed->replica, &beside, &followed->beside.sid), OK);
	add_scope(followed); /* the last one: its feed has the same name when it is followed again */
	for (int i = 0; i < STEPS; i++)
		step(world, true);
	end_world(world, figures->totals);
	figures->switches += followed->switches;
	figures->guarded += followed->guarded;
	figures->forgotten += followed->forgotten;
	remove_dir(world);
	free(followed);
}

static void
test_followed_feed__random_histories_converge_while_rounds_become_visible(void **state)
{
	uint64_t       runs = runs_of(45), first = runs_seed((uint64_t)getpid() << 20);
	struct figures figures = { .switches = 0 };

	(void)state;
	if (getenv("TIDEMARK_SEED"))
		runs = 1;
	for (uint64_t seed = first; seed < first + runs; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		run_history(seed, &figures);
	}
	print_message("%llu histories: %llu rounds became visible, %llu were guarded, %llu views forgotten;"
	              " readers had %llu rounds, %llu pages, %llu answers 410\n",
	              (unsigned long long)runs, (unsigned long long)figures.switches,
	              (unsigned long long)figures.guarded, (unsigned long long)figures.forgotten,
	              (unsigned long long)figures.totals[0], (unsigned long long)figures.totals[1],
	              (unsigned long long)figures.totals[2]);
	assert_true(figures.switches > 0 && figures.totals[0] > 0 && figures.totals[2] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_followed_feed__random_histories_converge_while_rounds_become_visible),
	};

	return crypt_init() == OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed_histories — the properties of a feed against a model that fits on a page, whoever writes the feed.
 *
 * Random histories of writes, purges, reopenings, backups and restores run over the real store, feed and token modules,
 * while several readers with different page sizes walk their rounds.  Every page is compared with what the model says
 * it must be, every 410 with what the model says of it; after each whole round the reader's mirror must hold every
 * item not written since `until` as the store has it.
 *
 * A writer (struct feed_writer) changes the feed and the model together.
 */
#pragma once

#include "support/feed_world.h"

static inline void
open_world(struct world *world)
{
	world->writer->open(world);
	assert_int_equal(token_ring_open(world->store, &world->clock, &world->entropy, &world->ring), OK);
}

static inline void
close_world(struct world *world)
{
	token_ring_close(&world->ring);
	world->writer->close(world);
}

static inline struct store_conf
store_conf_of(const struct world *world)
{
	return (struct store_conf){
		.url = str_from_c(world->url),
		.create = true,
		.clock = &world->clock,
		.entropy = &world->entropy,
	};
}

static inline struct str
id_of(uint32_t id, char text[16])
{
	return str_of(text, (size_t)snprintf(text, 16, "item-%02u", id));
}

static inline struct str
body_of(uint32_t value, char text[16])
{
	return str_of(text, (size_t)snprintf(text, 16, "%u", value));
}

static inline uint32_t
value_in(struct str body)
{
	uint64_t value;

	assert_true(str_to_u64(body, &value));
	return (uint32_t)value;
}

/* ---- purges and older copies --------------------------------------------------------------------- */

/* Purges a few of the oldest tombstones. */
static inline void
purge(struct world *world)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(world->store, NULL, world->arena);
	uint32_t                            max = 1 + rng_below(&world->rng, 4), purged = 0;

	store_purge(txn, &world->feed, INT64_MAX / 2, max, &purged);
	assert_int_equal(store_commit(&txn), OK);
	if (purged == 0 && world->model.may_move)
		return;
	for (; max > 0; max--) {
		struct line *oldest = NULL;

		for (int id = 0; id < IDS; id++) {
			struct line *line = &world->model.lines[id];

			if (line->known && !line->live && (!oldest || line->seq < oldest->seq))
				oldest = line;
		}
		if (!oldest)
			break;
		oldest->known = false;
		world->model.purged_through = oldest->seq;
		assert_true(purged-- > 0);
	}
	assert_int_equal(purged, 0);
}

static inline void
back_up(struct world *world)
{
	char path[96], why[512];

	snprintf(path, sizeof(path), "%s/backup", world->dir);
	(void)unlink(path);
	if (is_in_pg(world))
		pg_test_copy(world->url, path, false);
	else
		assert_int_equal(store_backup(world->store, path, why), OK);
	world->saved_count = world->restore_count;
	world->saved = world->model;
	world->writer->keep(world, false);
	world->has_backup = true;
}

static inline void
restore(struct world *world)
{
	struct store_conf conf = store_conf_of(world);
	char              path[96], why[512];

	if (!world->has_backup)
		return;
	snprintf(path, sizeof(path), "%s/backup", world->dir);
	close_world(world);
	if (is_in_pg(world)) {
		pg_test_copy(world->url, path, true);
		world->restore_count = world->saved_count;
		world->time.ns += 2000000000; /* no two restores are in one second */
	} else {
		assert_int_equal(store_restore(&conf, path, why), OK);
	}
	world->model = world->saved;
	world->writer->keep(world, true);
	open_world(world);
	/* What earlier restores kept and this one took back no longer counts for more than what is left. */
	if (!is_in_pg(world))
		note_epoch(world, store_epoch(world->store), world->model.head);
	for (int i = 0; i < READERS; i++)
		world->readers[i].lost_epoch = true;
}

/* ---- readers ------------------------------------------------------------------------------------- */

/* What the page must hold, by the model: ids in order; true if more is left in the round. */
static inline bool
expected_page(const struct model *model, const struct span *span, uint32_t limit, uint32_t ids_out[IDS],
              size_t *count_out)
{
	uint64_t after = span->after;

	for (*count_out = 0;; (*count_out)++) {
		uint32_t next = IDS;

		for (uint32_t id = 0; id < IDS; id++) {
			const struct line *line = &model->lines[id];

			if (line->known && line->seq > after && line->seq <= span->until &&
			    (line->live || !span->initial) && (next == IDS || line->seq < model->lines[next].seq))
				next = id;
		}
		if (next == IDS)
			return false;
		if (*count_out == limit)
			return true;
		ids_out[*count_out] = next;
		after = model->lines[next].seq;
	}
}

static inline void
begin_round(struct world *world, struct reader *reader, const struct cursor *from)
{
	uint64_t after = from ? from->span.after : 0;

	reader->in_round = true;
	reader->initial = !from;
	reader->until = world->model.head;
	reader->pages = 0;
	reader->pages_max = (uint32_t)((reader->until - after + reader->limit - 1) / reader->limit) + 1;
	memset(reader->seen, 0, sizeof(reader->seen));
	if (reader->initial)
		memset(reader->staged, 0, sizeof(reader->staged));
}

static inline void
apply(struct world *world, struct reader *reader, const struct item *item, uint32_t id)
{
	uint32_t *mirror = reader->initial ? reader->staged : reader->mirror;
	char      name[16];

	assert_true(str_eq(item->id, id_of(id, name)));
	assert_int_equal(item->seq, world->model.lines[id].seq);
	assert_int_equal(item->life == ITEM_LIVE, world->model.lines[id].live);
	if (item->life == ITEM_REMOVED)
		assert_int_equal(item->removal, world->model.lines[id].removal);
	assert_false(reader->seen[id]);
	assert_false(reader->initial && item->life == ITEM_REMOVED);
	reader->seen[id] = true;
	mirror[id] = 0;
	if (item->life == ITEM_LIVE)
		mirror[id] = value_in(item->body) + 1;
	world->digest = world->digest * 1099511628211u + id * 2 + (item->life == ITEM_LIVE) + mirror[id];
}

static inline void
check_mirror(const struct world *world, const struct reader *reader)
{
	for (int id = 0; id < IDS; id++) {
		const struct line *line = &world->model.lines[id];

		if (line->seq <= reader->until)
			assert_int_equal(reader->mirror[id], line->live ? line->value + 1 : 0);
	}
}

static inline void
end_round(struct world *world, struct reader *reader)
{
	reader->in_round = false;
	if (reader->initial)
		memcpy(reader->mirror, reader->staged, sizeof(reader->mirror));
	reader->lost_epoch = false;
	world->rounds++;
	check_mirror(world, reader);
}

static inline void
start_over(struct reader *reader)
{
	reader->has_token = false;
	reader->in_round = false;
}

/* Seals the place and reads it back, as the wire would. */
static inline void
keep_token(struct world *world, struct reader *reader, const struct cursor *cursor)
{
	struct token_bind bind = { world->feed, TOKEN_CALENDARS_DELTA };
	struct token      token = { .cursor = *cursor };
	struct str        text = token_seal(world->ring, &token, &bind, world->arena);

	assert_true(text.len < TOKEN_TEXT_MAX);
	assert_false(reader->has_token && str_eq(text, str_of(reader->token, reader->token_len)));
	memcpy(reader->token, text.at, text.len);
	reader->token_len = text.len;
	reader->has_token = true;
	reader->generation = world->model.generation;
}

static inline bool
read_token(struct world *world, struct reader *reader, struct cursor *cursor_out)
{
	struct token_bind bind = { world->feed, TOKEN_CALENDARS_DELTA };
	struct token      token;
	enum err          err;

	if (!reader->has_token)
		return false;
	err = token_open(world->ring, str_of(reader->token, reader->token_len), &bind, world->arena, &token);
	assert_true(err == OK || (err == ERR_GONE && reader->lost_epoch));
	if (err != OK)
		start_over(reader);
	else
		*cursor_out = token.cursor;
	return err == OK;
}

/* Has the reader seen what a restore took back? Least of what each later epoch began with. */
static inline bool
saw_lost_history(const struct world *world, const struct cursor *from)
{
	for (size_t i = 0; i < world->restore_count; i++)
		if (world->restores[i].epoch > from->epoch && from->seen > world->restores[i].base)
			return true;
	return false;
}

/* The model's word on whether this reader is too late. */
static inline void
check_gone(const struct world *world, const struct reader *reader, const struct cursor *from, enum err err)
{
	bool must = false;

	if (from && !guid_is_zero(&from->generation))
		must = reader->generation != world->model.generation ||
		       world->model.purged_through > (from->span.initial ? from->span.until : from->span.after) ||
		       !epoch_is_known(world, from->epoch) ||
		       (from->epoch < epoch_of(world) && (from->span.initial || saw_lost_history(world, from))) ||
		       from->seen > world->model.head;
	else if (from)
		must = from->seen > 0;
	assert_int_equal(err, must ? ERR_GONE : OK);
}

static inline void
read_page(struct world *world, struct reader *reader)
{
	struct cursor    from, rest;
	bool             has_cursor = read_token(world, reader, &from), more;
	struct feed_page page = { 0 };
	struct item      item;
	struct span      span;
	uint32_t         ids[IDS];
	size_t           count, at = 0;
	enum err         err = feed_open(&page, world->store, &world->feed, has_cursor ? &from : NULL, reader->limit,
	                                 world->arena);

	check_gone(world, reader, has_cursor ? &from : NULL, err);
	if (err == ERR_GONE) {
		world->gone++;
		start_over(reader);
		return;
	}
	if (!reader->in_round)
		begin_round(world, reader, has_cursor ? &from : NULL);
	else if (has_cursor && from.epoch != epoch_of(world))
		reader->until = world->model.head; /* `until` of a lost history: the head takes its place */
	span = (struct span){ has_cursor ? from.span.after : 0, reader->until, reader->initial };
	if (has_cursor && reader->lost_epoch && !cursor_is_complete(&from) && from.epoch != epoch_of(world))
		reader->pages_max = UINT32_MAX;
	more = expected_page(&world->model, &span, reader->limit, ids, &count);
	while (feed_next(&page, &item)) {
		assert_true(at < count);
		if (reader->lost_epoch)
			reader->seen[ids[at]] = false;
		apply(world, reader, &item, ids[at++]);
	}
	assert_int_equal(at, count);
	assert_int_equal(feed_close(&page, &rest), OK);
	assert_int_equal(cursor_is_complete(&rest), !more);
	assert_int_equal(rest.span.until, reader->until);
	assert_true(++reader->pages <= reader->pages_max);
	world->pages++;
	keep_token(world, reader, &rest);
	if (!more)
		end_round(world, reader);
}

/* ---- histories ----------------------------------------------------------------------------------- */

/* The feed's state and an item, as the model has them. */
static inline void
look(struct world *world)
{
	struct store_range range = { .until = STORE_TO_HEAD, .limit = 1, .by_made = true };
	struct store_scan *scan = store_scan_open(world->store, &world->feed, &range, world->arena);
	struct feed_state  state = *store_scan_state(scan);
	uint32_t           id = rng_below(&world->rng, IDS);
	const struct line *line = &world->model.lines[id];
	char               name[16];
	struct item        item;

	assert_int_equal(store_scan_close(&scan), OK);
	assert_int_equal(state.exists, world->model.generation != 0);
	assert_int_equal(state.head, world->model.head);
	assert_int_equal(state.purged_through, world->model.purged_through);
	for (int i = 0; i < IDS; i++) {
		state.live -= world->model.lines[i].live;
		state.tombstones -= world->model.lines[i].known && !world->model.lines[i].live;
	}
	assert_true(state.live == 0 && state.tombstones == 0);
	assert_int_equal(store_get(world->store, &world->feed, id_of(id, name), world->arena, &item),
	                 line->live ? OK : ERR_NOT_FOUND);
	if (line->live)
		assert_true(item.seq == line->seq && value_in(item.body) == line->value);
	world->writer->look(world);
}

static inline void step(struct world *world, bool durable);

/* A short stretch of history that readers saw and a restore then takes back: what P alone cannot tell. */
static inline void
lose_a_while(struct world *world)
{
	back_up(world);
	for (uint32_t i = 5 + rng_below(&world->rng, 25); i > 0; i--)
		step(world, false);
	restore(world);
}

static inline void
step(struct world *world, bool durable)
{
	bool     writes = rng_below(&world->rng, 1000) < world->writer->share;
	uint32_t dice = 450 + rng_below(&world->rng, 550);

	world->time.ns += 1000000 * (int64_t)rng_below(&world->rng, 100);
	if (writes) {
		write_one(world);
	} else if (dice < 480) {
		purge(world);
	} else if (dice < 484 && durable) {
		close_world(world);
		open_world(world);
	} else if (dice < 487 && durable) {
		back_up(world);
	} else if (dice < 489 && durable) {
		restore(world);
	} else if (dice < 492 && durable) {
		lose_a_while(world);
	} else if (dice < 494) {
		assert_int_equal(token_ring_rotate(world->ring), OK);
	} else if (dice < 500) {
		start_over(&world->readers[rng_below(&world->rng, READERS)]);
	} else if (dice < 520) {
		look(world);
	} else {
		read_page(world, &world->readers[rng_below(&world->rng, READERS)]);
	}
	arena_reset(world->arena);
}

/* With the writers still, every reader must come to hold exactly what is live, in a bounded number of pages. */
static inline void
settle(struct world *world)
{
	for (int i = 0; i < READERS; i++) {
		struct reader *reader = &world->readers[i];

		for (int round = 0; round < 3; round++)
			for (int pages = 0;; pages++) {
				assert_true(pages < 200);
				read_page(world, reader);
				arena_reset(world->arena);
				if (reader->has_token && !reader->in_round)
					break;
			}
		for (int id = 0; id < IDS; id++)
			assert_int_equal(reader->mirror[id],
			                 world->model.lines[id].live ? world->model.lines[id].value + 1 : 0);
	}
}

static inline void
found_fault(void *ctx, struct str sentence)
{
	(void)ctx;
	fail_msg("%.*s", STR_ARG(sentence));
}

/* The world is zeroed but for its writer, url, feed and dir. */
static inline void
begin_world(struct world *world, uint64_t seed)
{
	world->rng.state = seed;
	world->entropy = entropy_system;
	world->time.ns = 1700000000000000000;
	world->clock = still_clock_of(&world->time);
	world->arena = arena_open((size_t)4 << 20);
	for (uint32_t i = 0; i < READERS; i++)
		world->readers[i].limit = 1 + i * i * 2; /* 1, 3, 9, 19 */
	open_world(world);
}

static inline void
end_world(struct world *world, uint64_t totals[3])
{
	world->writer->end(world);
	settle(world);
	if (world->url)
		assert_int_equal(store_check(world->store, found_fault, NULL), OK);
	totals[0] += world->rounds;
	totals[1] += world->pages;
	totals[2] += world->gone;
	close_world(world);
	arena_close(&world->arena);
}

static inline void
make_dir(struct world *world)
{
	snprintf(world->dir, sizeof(world->dir), "%s/tidemark-feed-XXXXXX", runs_folder());
	assert_non_null(mkdtemp(world->dir));
}

static inline void
remove_dir(const struct world *world)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", world->dir);
	assert_int_equal(system(command), 0);
}

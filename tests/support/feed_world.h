/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed_world — what a history of feed_histories.h is made of: the model of the feed, its readers, the store, and what
 * the model knows of epochs.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/seal.h"
#include "support/pg_test.h"
#include "support/rng.h"
#include "support/runs.h"
#include "token/token.h"

#define IDS          24
#define READERS      4
#define STEPS        400
#define RESTORES_MAX (STEPS * 2)

struct line { /* the model's item: where it stands, what it is */
	uint64_t          seq;
	bool              live, known; /* known: the store still has its line */
	uint32_t          value;
	enum item_removal removal;
};

struct model {
	struct line lines[IDS];
	uint64_t    head, purged_through;
	uint32_t    generation; /* 0: the feed does not exist; each time that it is made it gets a new one */
	bool        may_move;   /* a purge may be refused for now */
};

struct reader {
	char     token[TOKEN_TEXT_MAX];
	size_t   token_len;
	bool     has_token, in_round, initial;
	uint32_t generation; /* of the token, as the model knows it */
	uint64_t until;      /* the round's, as the model knows it */
	uint32_t limit, pages, pages_max;
	bool     seen[IDS];   /* in this round */
	uint32_t mirror[IDS]; /* value + 1; 0: not there */
	uint32_t staged[IDS]; /* the mirror of a fresh round */
	bool     lost_epoch;  /* a restore happened since its round began */
};

struct world;

struct feed_writer {
	uint32_t share;                     /* of 1,000 steps so many are the writer's */
	void (*open)(struct world *world);  /* also the store */
	void (*close)(struct world *world); /* also the store */
	void (*write)(struct world *world); /* at most one commit */
	void (*look)(struct world *world);  /* what else can be read of the feed is as the model says */
	void (*end)(struct world *world);   /* nothing more will be written */
	void (*keep)(struct world *world,
	             bool          back); /* its own part of the model: saved at a backup, or back from it */
};

struct world {
	const struct feed_writer *writer;
	struct rng                rng;
	struct entropy            entropy;
	struct still_clock        time;
	struct clock              clock;
	const char               *url; /* NULL: the model of the store */
	char                      dir[64];
	struct store             *store;
	struct token_ring        *ring;
	struct arena             *arena;
	struct store_feed         feed;
	struct model              model, saved; /* saved: at the last backup */
	uint32_t                  generations;  /* that were ever made */
	bool                      has_backup;
	struct {
		uint32_t epoch;
		uint64_t base;
	} restores[RESTORES_MAX];                 /* newest last */
	size_t        restore_count, saved_count; /* in PostgreSQL: the epochs of the feed, which go back with it */
	struct reader readers[READERS];
	uint64_t      rounds, pages, gone, digest;
};

/* ---- epochs --------------------------------------------------------------------------------------- */

static inline bool
is_in_pg(const struct world *world)
{
	return pg_test_database() && world->url;
}

/* In PostgreSQL each feed has its own, and the first change after a restore raises it. */
static inline uint32_t
epoch_of(const struct world *world)
{
	struct store_range range = { .limit = 0 };
	struct store_scan *scan;
	struct feed_state  state;

	if (!is_in_pg(world))
		return store_epoch(world->store);
	scan = store_scan_open(world->store, &world->feed, &range, world->arena);
	state = *store_scan_state(scan);
	assert_int_equal(store_scan_close(&scan), OK);
	return state.exists ? state.epoch : 1;
}

static inline void
note_epoch(struct world *world, uint32_t epoch, uint64_t base)
{
	world->restores[world->restore_count].epoch = epoch;
	world->restores[world->restore_count++].base = base;
}

/* It was given out in this history. */
static inline bool
epoch_is_known(const struct world *world, uint32_t epoch)
{
	bool is = !is_in_pg(world) || epoch == 1;

	for (size_t i = 0; i < world->restore_count && !is; i++)
		is = world->restores[i].epoch == epoch;
	return is;
}

static inline void
write_one(struct world *world)
{
	uint32_t epoch = is_in_pg(world) ? epoch_of(world) : 0;
	uint64_t head = world->model.head;

	world->writer->write(world);
	if (is_in_pg(world) && epoch_of(world) != epoch)
		note_epoch(world, epoch_of(world), head);
}

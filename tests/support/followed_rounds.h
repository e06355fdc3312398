/* SPDX-License-Identifier: Apache-2.0 */
/* followed_rounds — what a round of a follower does to the lines of a feed (support/feed_histories.h), by the model. */
#pragma once

#include "store/replica.h"
#include "support/feed_histories.h"

#define ROWS_MAX 64
#define MEMBERS  3 /* values of a member; few, so that an item often comes as it was */

struct row {
	uint32_t          id, value;
	enum replica_life life;
};

struct round {
	enum replica_phase phase;
	enum replica_kind  kind;
	struct row         rows[ROWS_MAX];
	uint32_t           count, pages_left;
	bool               has_letter[IDS];
	bool               exists, from_now, is_forgotten;
	bool               was_seen[IDS]; /* ever in the view or in its removals */
};

static inline bool
drops_items(const struct round *round)
{
	return (round->from_now && round->kind == REPLICA_FIRST) || round->kind == REPLICA_GAP;
}

static inline bool
is_named(const struct round *round, uint32_t id, uint32_t from)
{
	for (uint32_t i = from; i < round->count; i++)
		if (round->rows[i].id == id)
			return true;
	return false;
}

/* A value has two members; one that is 0 is not there.  Those of `received` come on top of the others. */
static inline uint32_t
merged(uint32_t held, uint32_t received)
{
	uint32_t a = received / MEMBERS ? received / MEMBERS : held / MEMBERS;
	uint32_t b = received % MEMBERS ? received % MEMBERS : held % MEMBERS;

	return a * MEMBERS + b;
}

/* What the rows of an item come to, the last of them being that one. */
static inline struct row
folded(const struct round *round, const struct line *before, uint32_t last)
{
	struct row row = round->rows[last];
	bool       is_on_top = round->kind == REPLICA_NEXT && before->live; /* of what is held */

	row.value = is_on_top ? before->value : 0;
	for (uint32_t i = 0; i <= last; i++)
		if (round->rows[i].id == row.id)
			row.value = round->rows[i].life == REPLICA_LIVE ? merged(row.value, round->rows[i].value) : 0;
	return row;
}

static inline bool
changes_view(const struct round *round, const struct line *line, const struct row *row)
{
	if (row->life == REPLICA_LIVE)
		return !line->live || line->value != row->value;
	return line->live || (round->from_now && round->kind != REPLICA_RESYNC && round->kind != REPLICA_FIRST &&
	                      !round->was_seen[row->id]);
}

static inline struct line
line_of(const struct row *row, uint64_t seq)
{
	bool live = row->life == REPLICA_LIVE;

	return (struct line){
		.seq = seq,
		.live = live,
		.known = true,
		.value = live ? row->value : 0,
		.removal = row->life == REPLICA_CHANGED   ? ITEM_CHANGED
		           : row->life == REPLICA_DELETED ? ITEM_DELETED
		                                          : ITEM_UNNAMED,
	};
}

/* The lines after the round: one that changes has the number of its row, from 1, and others 0.  False: none does. */
static inline bool
lines_after(const struct round *round, const struct line before[IDS], struct line lines[IDS], uint32_t *swept_out)
{
	uint32_t rows = round->count;
	bool     changes = false;

	memcpy(lines, before, IDS * sizeof(lines[0]));
	for (uint32_t id = 0; id < IDS; id++)
		lines[id].seq = 0;
	for (uint32_t i = 0; i < round->count; i++) {
		const struct line *line = &before[round->rows[i].id];
		struct row         row = folded(round, line, i);

		if (is_named(round, row.id, i + 1) || !changes_view(round, line, &row))
			continue;
		lines[row.id] = line_of(&row, i + 1);
		changes = true;
	}
	for (uint32_t id = 0; id < IDS && round->kind == REPLICA_RESYNC; id++) {
		if (!before[id].live || is_named(round, id, 0) || round->has_letter[id])
			continue;
		lines[id] = (struct line){ .seq = ++rows, .known = true, .removal = ITEM_UNNAMED };
		changes = true;
	}
	*swept_out = rows - round->count;
	return changes;
}

static inline bool
is_guarded(const struct round *round, const struct line before[IDS], const struct replica_guard *guard)
{
	struct line lines[IDS];
	uint32_t    swept, items = 0;

	(void)lines_after(round, before, lines, &swept);
	for (uint32_t id = 0; id < IDS; id++)
		items += before[id].live;
	return swept >= guard->at_least && swept * 100 > items * guard->percent;
}

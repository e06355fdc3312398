/* SPDX-License-Identifier: Apache-2.0 */
/* family_reader — a reader of a followed feed who makes the things of families.h of its rows, page by page. */
#pragma once

#include "store/store_followed.h"
#include "support/families.h"
#include "text/json_span.h"

static inline bool
number_in(struct str body, struct str name, unsigned *value)
{
	struct str raw;

	if (!json_span_member(body, name, &raw) || str_eq(raw, STR("null")))
		return false;
	*value = (unsigned)strtod(raw.at, NULL);
	return true;
}

static inline void
take_body(struct thing *thing, struct str body)
{
	assert_true(memmem(body.at, body.len, "@microsoft", 10) == NULL &&
	            memmem(body.at, body.len, "@delta", 6) == NULL);
	thing->live = true;
	thing->a = thing->b = 0;
	thing->has_a = number_in(body, STR("a"), &thing->a);
	thing->has_b = number_in(body, STR("b"), &thing->b);
}

static inline void
set_member(struct thing *thing, struct str relation, struct str member, bool is_in)
{
	unsigned r = str_eq(relation, STR("members")) ? 0 : 1;

	assert_true(str_eq(relation, str_from_c(relations[r])) && member.len == 2);
	thing->in[r][member.at[1] - '0'] = is_in;
}

struct reader {
	struct rng   rng;
	uint64_t     after;
	struct thing things[THINGS];
	unsigned     late; /* how often it was too late */
};

static inline void
reader_take(struct reader *reader, const struct world *world, const struct item *item)
{
	struct thing *thing = &reader->things[thing_of(world, item->id)];

	if (item->seq <= reader->after)
		fail_msg("%s: seq %llu comes after %llu", world->url, (unsigned long long)item->seq,
		         (unsigned long long)reader->after);
	reader->after = item->seq;
	if (item->member)
		set_member(thing, item->member->relation, item->member->member, item->life == ITEM_LIVE);
	else if (item->life == ITEM_LIVE)
		take_body(thing, item->body);
	else
		*thing = (struct thing){ 0 };
}

/* A round, in pages of a few rows.  Who is too late begins again, as after 410. */
static inline void
reader_read(struct reader *reader, const struct world *world, struct store *store, const struct store_feed *feed,
            struct arena *arena)
{
	struct store_range range = { .until = STORE_TO_HEAD, .epoch = UINT32_MAX };
	struct store_scan *scan = store_scan_open(store, feed, &range, arena);
	struct feed_state  seen = *store_scan_state(scan);
	struct item        item;
	uint32_t           rows;

	assert_int_equal(store_scan_close(&scan), OK);
	assert_true(seen.exists);
	if (seen.purged_through > reader->after) {
		reader->late += reader->after > 0;
		*reader = (struct reader){ .rng = reader->rng, .late = reader->late };
	}
	range.until = seen.head;
	do {
		range.after = reader->after;
		range.limit = 1 + rng_below(&reader->rng, 4);
		scan = store_scan_open(store, feed, &range, arena);
		for (rows = 0; store_scan_next(scan, &item); rows++)
			reader_take(reader, world, &item);
		assert_int_equal(store_scan_close(&scan), OK);
	} while (rows == range.limit);
	assert_true(reader->after <= seen.head);
	reader->after = seen.head;
}

/* Tombstones that some readers have not seen. */
static inline uint32_t
reader_purge(struct reader *reader, struct store *store, const struct store_feed *feed, struct arena *arena)
{
	struct store_txn *txn = store_begin(store, NULL, arena);
	uint32_t          purged = 0;

	store_purge(txn, feed, INT64_MAX, 1 + rng_below(&reader->rng, 8), &purged);
	assert_int_equal(store_commit(&txn), OK);
	return purged;
}

static inline void
print_fault(void *ctx, struct str sentence)
{
	++*(unsigned *)ctx;
	print_error("%.*s\n", STR_ARG(sentence));
}

static inline void
reader_expect_sound(struct store *store)
{
	unsigned faults = 0;

	assert_int_equal(store_check(store, print_fault, &faults), OK);
	assert_int_equal(faults, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed — where a reader stands, and one page from there.  The law of the feed lives here.
 *
 * There is one verb: scan (after, until].  A first enumeration is the delta from nothing,
 * a later round the delta from where you were, a page boundary the same thing in the middle.
 *
 *   - `until` is the head at the round's first page, so a round ends although writers go on;
 *     what changes later is beyond it and belongs to the next round.
 *   - a fresh round (the first) skips tombstones.
 *   - a reader is too late when horizon > (fresh ? until : after), judged in the snapshot of
 *     the scan itself: the answer is then ERR_GONE, never part of a page.
 *   - `seen` is the newest head any page of the reader's rounds was read at.  After a restore
 *     a place of an older epoch is good only if seen <= base: what the reader knows is then
 *     still history.  (after alone is not enough: an item it passed over because it had moved
 *     beyond `until` may have moved back.)
 *
 * A place holds all there is to know about a reader; the token module seals it.
 */
#pragma once

#include "store/store.h"

struct span {
	uint64_t after;
	uint64_t until;
	bool     initial;
};

struct cursor {
	struct span span;
	struct guid generation; /* zero: there was no feed yet */
	uint32_t    epoch;
	uint64_t    seen;
};

/* Nothing is left to tell: the next page from here begins a new round. */
bool cursor_is_complete(const struct cursor *cursor);

struct feed_page {
	struct store_scan *scan;
	struct span        span;        /* shrinks from the left as items are taken */
	uint64_t           before_last; /* where span.after stood before the last item */
	uint64_t           seen;
	uint32_t           left;        /* items this page may still take */
	bool               additions;   /* tombstones are passed over */
	bool               bodies_only; /* as in struct store_range */
	bool               put_back, ended;
};

/*
 * Opens a page.  `from` NULL starts a fresh round.  At most `limit` items will be taken
 * (one more row is looked at, so the end of the round is known on the page with its last item).
 * ERR_GONE: too late, or another history.  After any failure the page needs no closing.
 */
enum err feed_open(struct feed_page *page, struct store *store, const struct store_feed *feed,
                   const struct cursor *from, uint32_t limit, struct arena *arena) MUST_CHECK;
/*
 * As feed_open(), for a reader that is never told removals: every round passes over tombstones, and since it
 * misses none of them, a purge never makes it too late.  Such a reader must always open its pages this way.
 */
enum err feed_open_additions(struct feed_page *page, struct store *store, const struct store_feed *feed,
                             const struct cursor *from, uint32_t limit, struct arena *arena) MUST_CHECK;
/* As feed_open(); of a live item only seq and body are told. */
enum err feed_open_bodies(struct feed_page *page, struct store *store, const struct store_feed *feed,
                          const struct cursor *from, uint32_t limit, struct arena *arena) MUST_CHECK;
/* A reader that wants only what comes after now: the place at the head, told. */
enum err feed_from_now(struct store *store, const struct store_feed *feed, struct arena *arena,
                       struct cursor *cursor_out) MUST_CHECK;

bool feed_next(struct feed_page *page, struct item *item_out);
void feed_put_back(struct feed_page *page); /* the item just taken did not fit; once after each feed_next */

/* Ends the snapshot and says where the reader now stands; told when the round is complete. */
enum err feed_close(struct feed_page *page, struct cursor *rest_out) MUST_CHECK;
void     feed_abort(struct feed_page *page); /* for AUTO(); fine after feed_close */

enum err cursor_validate(const struct cursor *cursor, const struct feed_state *state) MUST_CHECK;

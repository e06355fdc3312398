/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed — where a reader stands, and one page from there.  The law of the feed lives here.
 *
 * There is one verb: scan (after, until].  A first enumeration, a later round and a page boundary are all this scan.
 *
 *   - `until` is the head at the round's first page, so a round ends although writers go on.  Later changes belong to
 *     the next round.
 *   - An initial round skips tombstones.
 *   - A reader is too late when purged_through > (initial ? until : after), judged in the snapshot of the scan itself.
 *     The answer is then ERR_GONE, never part of a page.
 *   - `seen` is the newest head that the reader's pages were read at.  After a restore, a cursor of an older epoch is
 *     good only if seen <= base, so that all it has seen is still history.  `after` does not suffice: the reader may
 *     have passed over an item that had moved beyond `until`, and the restore may have moved it back.
 *
 * A cursor is all there is to know about a reader; the token module seals it.
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
	struct guid generation; /* zero: the feed did not exist yet */
	uint32_t    epoch;
	uint64_t    seen;
};

/* Nothing is left of the round: the next page from here begins a new one. */
bool cursor_is_complete(const struct cursor *cursor);

struct feed_page {
	bool additions;   /* set before feed_open(): no round reports removals */
	bool bodies_only; /* set before feed_open(): live items have only seq and body */

	struct store_scan *scan;
	struct span        span;        /* its left end moves with each item taken */
	uint64_t           before_last; /* span.after before the last item */
	uint64_t           seen;
	uint32_t           left; /* items this page may still take */
	bool               put_back, ended;
};

/*
 * Opens a page; what its caller may set is set, the rest is zero.  `from` NULL starts an initial round.  The page takes
 * at most `limit` items.  One more row is read, so the page with the last item knows that the round has ended.
 * ERR_GONE: too late, or another history.  After a failure the page needs no closing.
 *
 * A reader without removals misses none, so a purge never makes it too late.  It must always set `additions`.
 */
enum err feed_open(struct feed_page *page, struct store *store, const struct store_feed *feed,
                   const struct cursor *from, uint32_t limit, struct arena *arena) MUST_CHECK;
/* A complete cursor at the head, for a reader that wants only later changes. */
enum err feed_from_now(struct store *store, const struct store_feed *feed, struct arena *arena,
                       struct cursor *cursor_out) MUST_CHECK;

bool feed_next(struct feed_page *page, struct item *item_out);
void feed_put_back(struct feed_page *page); /* the item just taken did not fit; ends the page */

/* Ends the snapshot.  *rest_out is where the reader now stands; complete when the round is. */
enum err feed_close(struct feed_page *page, struct cursor *rest_out) MUST_CHECK;
void     feed_abort(struct feed_page *page); /* for AUTO(); fine after feed_close() */

enum err cursor_validate(const struct cursor *cursor, const struct feed_state *state) MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
#include "feed/feed.h"

bool
cursor_is_complete(const struct cursor *cursor)
{
	return !cursor->span.initial && cursor->span.after == cursor->span.until;
}

/* `additions`: the reader gets no removals, so it missed none that were purged. */
static enum err
validate(const struct cursor *cursor, const struct feed_state *state, bool additions)
{
	const struct span *span = &cursor->span;

	/* The feed did not exist when this reader began, so it holds nothing that could be out of date. */
	if (guid_is_zero(&cursor->generation))
		return cursor->seen == 0 ? OK : ERR_GONE;
	if (!state->exists || !guid_eq(&cursor->generation, &state->generation))
		return ERR_GONE;
	if (!additions && state->purged_through > (span->initial ? span->until : span->after))
		return ERR_GONE;
	if (cursor->epoch > state->epoch)
		return ERR_GONE;
	/* An initial round left tombstones out because of its `until`, which is not in this epoch's history. */
	if (cursor->epoch < state->epoch && (span->initial || cursor->seen > state->base))
		return ERR_GONE;
	return cursor->seen > state->head ? ERR_GONE : OK;
}

enum err
cursor_validate(const struct cursor *cursor, const struct feed_state *state)
{
	return validate(cursor, state, false);
}

static struct store_range
range_from(const struct store *store, const struct cursor *from, uint32_t limit, bool additions)
{
	if (!from)
		return (struct store_range){
			.until = STORE_TO_HEAD,
			.epoch = store_epoch(store),
			.limit = limit + 1,
			.live_only = true,
		};
	return (struct store_range){
		.after = from->span.after,
		.until = cursor_is_complete(from) ? STORE_TO_HEAD : from->span.until,
		.epoch = from->epoch,
		.limit = limit + 1,
		.live_only = from->span.initial || additions,
	};
}

/* In the middle of a later round, `until` means nothing after a new epoch: the head takes its place. */
static bool
until_is_void(const struct cursor *from, const struct store_range *range, const struct feed_state *state)
{
	return from && !from->span.initial && range->until != STORE_TO_HEAD && from->epoch != state->epoch;
}

enum err
feed_open(struct feed_page *page, struct store *store, const struct store_feed *feed, const struct cursor *from,
          uint32_t limit, struct arena *arena)
{
	struct store_range                        range = range_from(store, from, limit, page->additions);
	AUTO(store_scan_abort) struct store_scan *scan = NULL;
	const struct feed_state                  *state;

	MUST(limit > 0);
	range.bodies_only = page->bodies_only;
	scan = store_scan_open(store, feed, &range, arena);
	state = store_scan_state(scan);
	if (until_is_void(from, &range, state)) {
		TRY(store_scan_close(&scan));
		range.until = STORE_TO_HEAD;
		scan = store_scan_open(store, feed, &range, arena);
		state = store_scan_state(scan);
	}
	if (!state->exists && store_scan_failed(scan))
		return store_scan_close(&scan);
	if (from)
		TRY(validate(from, state, page->additions));

	page->scan = scan;
	page->span = (struct span){ range.after, range.until == STORE_TO_HEAD ? state->head : range.until,
		                    !from || from->span.initial };
	page->seen = from && from->seen > state->head ? from->seen : state->head;
	page->left = limit;
	scan = NULL;
	return OK;
}

enum err
feed_from_now(struct store *store, const struct store_feed *feed, struct arena *arena, struct cursor *cursor_out)
{
	struct store_range      range = { .epoch = store_epoch(store), .limit = 1 };
	struct store_scan      *scan = store_scan_open(store, feed, &range, arena);
	const struct feed_state state = *store_scan_state(scan);

	TRY(store_scan_close(&scan));
	*cursor_out = (struct cursor){
		.span = { state.head, state.head, false },
		.generation = state.generation,
		.epoch = state.exists ? state.epoch : range.epoch,
		.seen = state.head,
	};
	return OK;
}

bool
feed_next(struct feed_page *page, struct item *item_out)
{
	MUST(page->scan && !page->put_back);
	if (page->ended || page->left == 0)
		return false;
	if (!store_scan_next(page->scan, item_out)) {
		page->ended = true;
		return false;
	}
	MUST(item_out->seq > page->span.after && item_out->seq <= page->span.until);
	page->left--;
	page->before_last = page->span.after;
	page->span.after = item_out->seq;
	return true;
}

void
feed_put_back(struct feed_page *page)
{
	MUST(!page->put_back && page->span.after > page->before_last);
	page->put_back = true;
	page->span.after = page->before_last;
}

enum err
feed_close(struct feed_page *page, struct cursor *rest_out)
{
	struct feed_state state = *store_scan_state(page->scan);
	struct item       next_item;

	if (!page->put_back && !page->ended)
		page->ended = !store_scan_next(page->scan, &next_item);
	TRY(store_scan_close(&page->scan));
	if (page->ended)
		page->span = (struct span){ page->span.until, page->span.until, false };
	*rest_out = (struct cursor){
		.span = page->span,
		.generation = state.generation,
		.epoch = state.epoch,
		.seen = page->seen,
	};
	return OK;
}

void
feed_abort(struct feed_page *page)
{
	store_scan_abort(&page->scan);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "feed/feed.h"

bool
place_is_told(const struct place *place)
{
	return !place->span.fresh && place->span.after == place->span.until;
}

/* `additions`: what was purged would not have been told. */
static enum err
judge(const struct place *place, const struct store_mark *mark, bool additions)
{
	const struct span *span = &place->span;

	/* A reader that was there before the feed holds nothing, so nothing can be missing. */
	if (guid_is_zero(&place->incarnation))
		return place->seen == 0 ? OK : ERR_GONE;
	if (!mark->exists || !guid_eq(&place->incarnation, &mark->incarnation))
		return ERR_GONE;
	if (!additions && mark->horizon > (span->fresh ? span->until : span->after))
		return ERR_GONE;
	if (place->epoch > mark->epoch)
		return ERR_GONE;
	/* Pages of an initial round left out tombstones on the strength of its `until`, which is history no more. */
	if (place->epoch < mark->epoch && (span->fresh || place->seen > mark->base))
		return ERR_GONE;
	return place->seen > mark->head ? ERR_GONE : OK;
}

enum err
place_judge(const struct place *place, const struct store_mark *mark)
{
	return judge(place, mark, false);
}

static struct store_range
range_from(const struct store *store, const struct place *from, uint32_t limit, bool additions)
{
	if (!from)
		return (struct store_range){
			.until = STORE_TO_HEAD, .epoch = store_epoch(store), .limit = limit + 1, .live_only = true,
		};
	return (struct store_range){
		.after = from->span.after,
		.until = place_is_told(from) ? STORE_TO_HEAD : from->span.until,
		.epoch = from->epoch,
		.limit = limit + 1,
		.live_only = from->span.fresh || additions,
	};
}

/* In the middle of an incremental round `until` means nothing in a later epoch: the head takes its place. */
static bool
until_is_void(const struct place *from, const struct store_range *range, const struct store_mark *mark)
{
	return from && !from->span.fresh && range->until != STORE_TO_HEAD && from->epoch != mark->epoch;
}

/* page->additions and page->bodies_only are set. */
static enum err
open_page(struct feed_page *page, struct store *store, const struct store_feed *feed, const struct place *from,
          uint32_t limit, struct arena *arena)
{
	bool                                       additions = page->additions;
	bool                                       bodies_only = page->bodies_only;
	struct store_range                         range = range_from(store, from, limit, additions);
	AUTO(store_scan_abort) struct store_scan  *scan = NULL;
	const struct store_mark                   *mark;

	MUST(limit > 0);
	range.bodies_only = bodies_only;
	scan = store_scan_open(store, feed, &range, arena);
	mark = store_scan_mark(scan);
	if (until_is_void(from, &range, mark)) {
		TRY(store_scan_close(&scan));
		range.until = STORE_TO_HEAD;
		scan = store_scan_open(store, feed, &range, arena);
		mark = store_scan_mark(scan);
	}
	if (!mark->exists && store_scan_failed(scan))
		return store_scan_close(&scan);
	if (from)
		TRY(judge(from, mark, additions));

	*page = (struct feed_page){
		.scan = scan,
		.span = { range.after, range.until == STORE_TO_HEAD ? mark->head : range.until,
		          !from || from->span.fresh },
		.seen = from && from->seen > mark->head ? from->seen : mark->head,
		.left = limit,
		.additions = additions,
		.bodies_only = bodies_only,
	};
	scan = NULL;
	return OK;
}

enum err
feed_open(struct feed_page *page, struct store *store, const struct store_feed *feed, const struct place *from,
          uint32_t limit, struct arena *arena)
{
	page->additions = page->bodies_only = false;
	return open_page(page, store, feed, from, limit, arena);
}

enum err
feed_open_bodies(struct feed_page *page, struct store *store, const struct store_feed *feed, const struct place *from,
                 uint32_t limit, struct arena *arena)
{
	page->additions = false;
	page->bodies_only = true;
	return open_page(page, store, feed, from, limit, arena);
}

enum err
feed_open_additions(struct feed_page *page, struct store *store, const struct store_feed *feed, const struct place *from,
                    uint32_t limit, struct arena *arena)
{
	page->additions = true;
	page->bodies_only = false;
	return open_page(page, store, feed, from, limit, arena);
}

enum err
feed_from_now(struct store *store, const struct store_feed *feed, struct arena *arena, struct place *place_out)
{
	struct store_range       range = { .epoch = store_epoch(store), .limit = 1 };
	struct store_scan       *scan = store_scan_open(store, feed, &range, arena);
	const struct store_mark  mark = *store_scan_mark(scan);

	TRY(store_scan_close(&scan));
	*place_out = (struct place){
		.span = { mark.head, mark.head, false },
		.incarnation = mark.incarnation,
		.epoch = mark.exists ? mark.epoch : range.epoch,
		.seen = mark.head,
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
feed_close(struct feed_page *page, struct place *rest_out)
{
	struct store_mark mark = *store_scan_mark(page->scan);
	struct item       ahead;

	if (!page->put_back && !page->ended)
		page->ended = !store_scan_next(page->scan, &ahead);
	TRY(store_scan_close(&page->scan));
	if (page->ended)
		page->span = (struct span){ page->span.until, page->span.until, false };
	*rest_out = (struct place){
		.span = page->span,
		.incarnation = mark.incarnation,
		.epoch = mark.epoch,
		.seen = page->seen,
	};
	return OK;
}

void
feed_abort(struct feed_page *page)
{
	store_scan_abort(&page->scan);
}

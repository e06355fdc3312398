/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_list — GET of a collection of items, or of those in one group, window or meeting, and the number of them.
 *
 * The order is that of creation, and the default item comes first; of a followed feed it is that of ids.  A plain list
 * reads only the items of its page.
 * With a filter it reads on until the page is full.  An ordered list reads every item, and so does a count with a
 * filter: these read in slices, each of which is a scan of its own that begins behind the last.
 */
#include "base/bytes.h"
#include "feed/feed.h"
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/list.h"

#define RANK_BYTES  8
#define SCRATCH_MAX ((size_t)4 << 20)

/* ---- ranks: the number `made`, its highest byte first; of a followed feed the id --------------------------- */

static struct str
rank_of(const struct listed *listed, const struct item *item, char bytes_out[RANK_BYTES])
{
	uint64_t made = htobe64(item->made);

	if (listed->by_id)
		return item->id;
	memcpy(bytes_out, &made, RANK_BYTES);
	return str_of(bytes_out, RANK_BYTES);
}

/* Empty: before the first. */
static uint64_t
made_of(struct str rank)
{
	uint64_t made = 0;

	memcpy(&made, rank.at ? rank.at : "", rank.len);
	return be64toh(made);
}

/* ---- items ---------------------------------------------------------------------------------------------- */

/* Every item of the feed is in the list, so the feed knows their number. */
static bool
is_whole_feed(const struct list *list, const struct listed *listed)
{
	return !list->filter && !listed->holds && listed->key.len == 0;
}

static bool
holds(const struct call *call, const struct listed *listed, const struct item *item)
{
	return !listed->holds || listed->holds(call, listed->ctx, item);
}

/* The list, from one slice to the next. */
struct slices {
	struct list       list;
	struct feed_state state; /* of the first */
	struct str        after; /* a rank */
	bool              any;   /* item was there, whatever the filter lets pass */
};

/* The page bounds what is read. */
static bool
is_bounded(const struct list *list, const struct listed *listed)
{
	return !list->filter && !listed->holds && !list->ordered && list->skip <= PAGE_SIZE_MAX &&
	       (listed->key.len == 0 || !list_needs_all(list));
}

static struct store_range
range_of(const struct call *call, const struct slices *slices, const struct listed *listed)
{
	const struct list *list = &slices->list;
	uint64_t page = list->skip + list->top + 2; /* the item that came first, and one to see whether more are */

	return (struct store_range){
		.after = listed->by_id ? 0 : made_of(slices->after),
		.until = STORE_TO_HEAD,
		.epoch = list->goes_on ? list->cursor.epoch : store_epoch(call->graph->parts.store),
		.limit = !is_bounded(list, listed) ? LIST_SLICE_ITEMS
		         : list_is_count(list)     ? 0
		                                   : (uint32_t)page,
		.live_only = true,
		.by_made = listed->key.len == 0 && !listed->by_id,
		.by_id = listed->by_id,
		.after_id = listed->by_id ? slices->after : STR_EMPTY,
		.key = listed->key,
	};
}

/* The default item comes first, if there is one. */
static enum err
take_default(struct call *call, struct list *list, const struct listed *listed)
{
	char        rank[RANK_BYTES];
	struct item item;
	enum err    err;

	if (list->goes_on || list->ordered || list_is_count(list) || listed->by_id)
		return OK;
	err = store_get_default(call->graph->parts.store, &call->feed, call->arena, &item);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	if (holds(call, listed, &item))
		(void)list_take_first(list, &item, rank_of(listed, &item, rank));
	return OK;
}

static enum err
begin_items(struct call *call, struct slices *slices, const struct listed *listed)
{
	struct list *list = &slices->list;
	bool         all = list_needs_all(list) && (list->ordered || !is_whole_feed(list, listed));

	if (!listed->by_id && list->from.len != 0 && list->from.len != RANK_BYTES)
		return ERR_BAD_TOKEN;
	slices->after = all ? STR_EMPTY : list->from;
	slices->state = (struct feed_state){ .exists = false };
	list_open(list, listed->context);
	return take_default(call, list, listed);
}

/* A feed that was made anew, or a store that was restored, since the first slice: the numbers are others. */
static enum err
check_state(struct slices *slices, const struct feed_state *state)
{
	struct list *list = &slices->list;

	if (slices->state.exists)
		return guid_eq(&slices->state.generation, &state->generation) && slices->state.epoch == state->epoch
		               ? OK
		               : ERR_BUSY;
	slices->state = *state;
	return list->goes_on ? cursor_validate(&list->cursor, state) : OK;
}

static enum err
take_slice(struct call *call, struct slices *slices, const struct listed *listed)
{
	struct list       *list = &slices->list;
	struct store_range range = range_of(call, slices, listed);
	size_t             count = 0, bytes = 0;
	bool               more = true, bounded = is_bounded(list, listed);
	char               rank[RANK_BYTES];
	struct str         last;
	struct item        item;
	AUTO(store_scan_abort)
	struct store_scan *scan = store_scan_open(call->graph->parts.store, &call->feed, &range, call->arena);

	if (!store_scan_failed(scan))
		TRY(check_state(slices, store_scan_state(scan)));
	while (more && (bounded || bytes < LIST_SLICE_BYTES) && store_scan_next(scan, &item)) {
		count++;
		bytes += item.body.len;
		last = rank_of(listed, &item, rank);
		slices->any = true;
		if (holds(call, listed, &item))
			more = list_take(list, &item, last);
		if (count == range.limit || !more || bytes >= LIST_SLICE_BYTES)
			slices->after = arena_copy(call->arena, last);
	}
	TRY(store_scan_close(&scan));
	return !bounded && more && (count == range.limit || bytes >= LIST_SLICE_BYTES) ? list_pause(list) : OK;
}

static enum err
take_page(struct call *call, struct slices *slices, const struct listed *listed)
{
	struct list *list = &slices->list;

	if (!call->slice) {
		TRY(list_read(call, call->route.resource, list));
		TRY(call_check_group(call));
		if (!is_bounded(list, listed) && !call->req->may_block)
			return list_pause(list);
		TRY(begin_items(call, slices, listed));
		call->slice = slices;
	}
	TRY(take_slice(call, slices, listed));
	if (!slices->state.exists && call->route.resource->ensure) {
		TRY(call_ensure(call));
		TRY(begin_items(call, slices, listed));
		TRY(take_slice(call, slices, listed));
	}
	if (is_whole_feed(list, listed))
		list->found = slices->state.live;
	if (listed->key.len > 0 && !slices->any && !list->goes_on)
		return call_refuse(call, GRAPH_NO_ITEM, str_from_c(listed->none));
	return list_close(list, &slices->state);
}

enum err
call_list(struct call *call, const struct listed *listed)
{
	struct slices *slices = call->slice ? call->slice : arena_take(call->arena, sizeof(*slices));
	enum err       err = take_page(call, slices, listed);

	if (!call_goes_on(call))
		list_free(&slices->list);
	return err == ERR_GONE && call->route.served ? served_refuse_gone(call, &slices->list.cursor.generation) : err;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

static bool
in_group(const struct call *call, const void *ctx, const struct item *item)
{
	struct arena *scratch = *(struct arena *const *)ctx;
	bool          in = call->route.resource->is_in(&call->owner.id, item->body, call->route.group, scratch);

	arena_reset(scratch);
	return in;
}

enum err
graph_list(struct call *call)
{
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	struct listed listed = { .context = entity_context(call, call->route.resource->collection, ""),
		                 .by_id = call->route.served != NULL,
		                 .ctx = &scratch };

	if (call->route.group.len > 0)
		listed.holds = in_group;
	return call_list(call, &listed);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_list — GET of a collection of items, or of the calendars of one group, and the number of them.
 *
 * The order is that of creation, and the default item comes first.  A plain list reads only the items of its page.
 * With a filter it reads on until the page is full.  An ordered list reads every item, and so does a count with a
 * filter.
 */
#include "base/bytes.h"
#include "feed/feed.h"
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/list.h"

#define RANK_BYTES  8
#define SCRATCH_MAX ((size_t)4 << 20)

/* ---- ranks: the number `made`, its highest byte first ----------------------------------------------- */

static struct str
rank_of(uint64_t made, char bytes_out[RANK_BYTES])
{
	made = htobe64(made);
	memcpy(bytes_out, &made, RANK_BYTES);
	return str_of(bytes_out, RANK_BYTES);
}

/* Empty: before the first. */
static enum err
made_of(struct str rank, uint64_t *made_out)
{
	uint64_t made = 0;

	if (rank.len != 0 && rank.len != RANK_BYTES)
		return ERR_BAD_TOKEN;
	memcpy(&made, rank.at ? rank.at : "", rank.len);
	*made_out = be64toh(made);
	return OK;
}

/* ---- groups ------------------------------------------------------------------------------------------ */

static bool
in_group(const struct call *call, const struct item *item, struct arena *scratch)
{
	bool in = call->route.group.len == 0 ||
	          call->route.resource->is_in(&call->owner.id, item->body, call->route.group, scratch);

	arena_reset(scratch);
	return in;
}

/* ---- items ---------------------------------------------------------------------------------------------- */

/* Every item of the feed is in the list, so the feed knows their number. */
static bool
is_whole_feed(const struct call *call, const struct list *list)
{
	return !list->filter && call->route.group.len == 0;
}

static struct store_range
range_of(const struct call *call, const struct list *list, uint64_t after)
{
	bool     whole = is_whole_feed(call, list);
	bool     all = list_needs_all(list) && (list->ordered || !whole);
	uint64_t limit = list->skip + list->top +
	                 2; /* the item that came first, and one to see whether there are more */

	return (struct store_range){
		.after = all ? 0 : after,
		.until = STORE_TO_HEAD,
		.epoch = list->goes_on ? list->cursor.epoch : store_epoch(call->graph->parts.store),
		.limit = list_is_count(list) && whole ? 0
		         : all || !whole              ? UINT32_MAX
		                                      : (uint32_t)limit,
		.live_only = true,
		.by_made = true,
	};
}

/* The default item comes first, if there is one. */
static enum err
take_default(struct call *call, struct list *list, struct arena *scratch)
{
	char        rank[RANK_BYTES];
	struct item item;
	enum err    err;

	if (list->goes_on || list->ordered || list_is_count(list))
		return OK;
	err = store_get_default(call->graph->parts.store, &call->feed, call->arena, &item);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	if (in_group(call, &item, scratch))
		(void)list_take_first(list, &item, rank_of(item.made, rank));
	return OK;
}

static enum err
take_items(struct call *call, struct list *list, struct arena *scratch, struct feed_state *state_out)
{
	char     rank[RANK_BYTES];
	uint64_t after;
	bool     more = true;

	TRY(made_of(list->from, &after));
	list_open(list, entity_context(call, call->route.resource->collection, ""));
	TRY(take_default(call, list, scratch));

	struct store_range range = range_of(call, list, after);
	struct item        item;
	AUTO(store_scan_abort)
	struct store_scan *scan = store_scan_open(call->graph->parts.store, &call->feed, &range, call->arena);

	*state_out = *store_scan_state(scan);
	if (list->goes_on && !store_scan_failed(scan))
		TRY(cursor_validate(&list->cursor, state_out));
	while (more && store_scan_next(scan, &item))
		if (in_group(call, &item, scratch))
			more = list_take(list, &item, rank_of(item.made, rank));
	TRY(store_scan_close(&scan));
	if (is_whole_feed(call, list))
		list->found = state_out->live;
	return OK;
}

enum err
graph_list(struct call *call)
{
	AUTO(list_free) struct list     list = { 0 };
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	struct feed_state               state;

	TRY(list_read(call, call->route.resource, &list));
	TRY(call_check_group(call));
	TRY(take_items(call, &list, scratch, &state));
	if (!state.exists && call->route.resource->ensure) {
		TRY(call_ensure(call));
		TRY(take_items(call, &list, scratch, &state));
	}
	return list_close(&list, &state);
}

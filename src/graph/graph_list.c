/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph_list — GET of a collection, or of the calendars of one group: filtered, ordered, counted, in pages.
 *
 * A plain list reads only the items up to the end of its page.  With a filter, a count or a group it reads every item
 * of the feed.  An ordered list also keeps all items that it finds, up to a bound.
 */
#include <stdlib.h>

#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/expand.h"
#include "graph/headers.h"
#include "graph/filter.h"
#include "graph/page.h"
#include "text/uri.h"
#include "resource/values.h"

#define PAGE_DEFAULT      10 /* as Graph's own lists */
#define SKIP_MAX          1000000
#define SCRATCH_MAX       ((size_t)64 << 20)
#define ORDERED_MAX       ((size_t)20000)
#define ORDERED_BYTES_MAX ((size_t)64 << 20)
#define HELD_STEP         ((size_t)1 << 20)

struct list {
	uint64_t             top, skip;
	uint32_t             select;
	const struct filter *filter; /* NULL: all */
	bool                 ordered, descending, counted;
	size_t               order;   /* the row it is ordered by */
	struct arena        *scratch; /* for one item at a time */
	struct item         *items;   /* ordered: all that were found */
	size_t               count, bytes;
	uint64_t             found; /* items of the list, whatever page they are on */
	bool                 more, exists;
};

/* ---- options ------------------------------------------------------------------------------------ */

static enum err
read_flag(struct call *call, enum option option, bool *flag_out)
{
	struct str value = call->query.value[option];

	*flag_out = call->query.given[option] && str_eq_nocase(value, STR("true"));
	if (!call->query.given[option] || *flag_out || str_eq_nocase(value, STR("false")))
		return OK;
	return call_refuse(call, GRAPH_OPTION, arena_printf(call->arena, "%s is true or false.", option_name(option)));
}

static enum err
read_list(struct call *call, struct list *list)
{
	static const enum option known[] = { OPTION_SELECT,  OPTION_TOP,    OPTION_SKIP,   OPTION_COUNT, OPTION_FILTER,
		                             OPTION_ORDERBY, OPTION_EXPAND, OPTION_FORMAT, OPTION_KINDS };
	uint64_t                 size = call->query.page_size ? call->query.page_size : PAGE_DEFAULT;
	struct str               why = STR_EMPTY;

	TRY(query_allow(
		call, known, "on this list",
		"Use $select, $top, $skip, $count, $filter, $orderby and $expand; there is nothing to search."));
	TRY(query_number(call, OPTION_TOP, 1, PAGE_SIZE_MAX, size, &list->top));
	TRY(query_number(call, OPTION_SKIP, 0, SKIP_MAX, 0, &list->skip));
	TRY(read_flag(call, OPTION_COUNT, &list->counted));
	TRY(entity_select(call, call->route.resource, &list->select));
	TRY(expand_read(call));
	if (call->query.given[OPTION_FILTER] && filter_read(call->route.resource, call->query.value[OPTION_FILTER],
	                                                    call->route.beta, call->arena, &list->filter, &why) != OK)
		return call_refuse(call, GRAPH_OPTION, why);
	list->ordered = call->query.given[OPTION_ORDERBY];
	if (list->ordered && order_read(call->route.resource, call->query.value[OPTION_ORDERBY], call->route.beta,
	                                call->arena, &list->order, &list->descending, &why) != OK)
		return call_refuse(call, GRAPH_OPTION, why);
	if (call->query.page_size && !call->query.given[OPTION_TOP])
		headers_preference_applied(
			call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)call->query.page_size));
	return OK;
}

/* ---- the next link ------------------------------------------------------------------------------------- */

static struct str
with_option(const struct call *call, struct str query, enum option option)
{
	if (!call->query.given[option])
		return query;
	return arena_printf(call->arena, "%.*s%s=%.*s&", STR_ARG(query), option_name(option),
	                    STR_ARG(uri_encode(call->query.value[option], ",()'", call->arena)));
}

/* The same list from `skip` on, with the other options of the request. */
static struct str
next_link(const struct call *call, uint64_t skip)
{
	static const enum option kept[] = { OPTION_SELECT, OPTION_FILTER, OPTION_ORDERBY, OPTION_COUNT,
		                            OPTION_TOP,    OPTION_EXPAND, OPTION_FORMAT };
	struct str               base = call_base_url(call), query = STR_EMPTY;

	for (size_t i = 0; i < COUNT_OF(kept); i++)
		query = with_option(call, query, kept[i]);
	return arena_printf(call->arena, "%.*s%.*s?%.*s$skip=%llu", STR_ARG(base), STR_ARG(call->req->path),
	                    STR_ARG(query), (unsigned long long)skip);
}

/* ---- items ---------------------------------------------------------------------------------- */

static bool
belongs(const struct call *call, const struct list *list, const struct item *item)
{
	const struct resource *resource = call->route.resource;
	struct values          values;
	bool                   in = true;

	if (call->route.group.len > 0)
		in = resource->is_in(&call->owner.id, item->body, call->route.group, list->scratch);
	if (in && list->filter)
		in = resource->read(resource, item->body, NULL, list->scratch, &values) &&
		     filter_holds(list->filter, &values, list->scratch);
	arena_reset(list->scratch);
	return in;
}

static bool
page_is_full(const struct list *list, const struct page *page)
{
	return page->count == list->top || (page->count > 0 && page->buf->len > PAGE_BYTES_MAX);
}

/* In the order of the scan.  Items behind the page are only counted, if a count is wanted. */
static void
take_as_found(const struct call *call, struct list *list, struct store_scan *scan, struct page *page)
{
	struct item item;

	while ((!list->more || list->counted) && store_scan_next(scan, &item)) {
		if (!belongs(call, list, &item))
			continue;
		if (list->found++ < list->skip || list->more)
			continue;
		if (page_is_full(list, page))
			list->more = true;
		else
			page_put_entity(page, &item);
	}
}

/* What the item is ordered by, as bytes to compare. */
static struct str
order_of(const struct call *call, const struct list *list, const struct item *item)
{
	struct values values;

	if (list->order == call->route.resource->key)
		return item->key;
	if (!call->route.resource->read(call->route.resource, item->body, NULL, list->scratch, &values))
		return STR_EMPTY;
	return call->route.resource->properties[list->order].type == TYPE_BOOLEAN
	               ? values.raw[list->order]
	               : values_folded(&values, list->order, list->scratch);
}

static enum err
keep(struct call *call, struct list *list, const struct item *item)
{
	size_t before = list->bytes;

	list->bytes += item->key.len + item->id.len + item->body.len;
	if (list->bytes / HELD_STEP > before / HELD_STEP)
		TRY(call_hold(call, HELD_STEP));
	if (list->count == ORDERED_MAX || list->bytes > ORDERED_BYTES_MAX)
		return call_refuse(call, GRAPH_OPTION,
		                   STR("There are too many items to be ordered; narrow them down by $filter."));
	list->items[list->count++] = (struct item){
		.id = arena_copy(call->arena, item->id),
		.key = arena_copy(call->arena, order_of(call, list, item)),
		.body = arena_copy(call->arena, item->body),
	};
	return OK;
}

static int
by_name(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int                order = str_cmp(left->key, right->key);

	return order ? order : str_cmp(left->id, right->id);
}

static enum err
take_ordered(struct call *call, struct list *list, struct store_scan *scan, struct page *page)
{
	struct item item;

	list->count = list->bytes = 0;
	while (store_scan_next(scan, &item))
		if (belongs(call, list, &item))
			TRY(keep(call, list, &item));
	qsort(list->items, list->count, sizeof(*list->items), by_name);
	list->found = list->count;
	for (uint64_t i = list->skip; i < list->count && !list->more; i++) {
		if (page_is_full(list, page))
			list->more = true;
		else
			page_put_entity(page, &list->items[list->descending ? list->count - 1 - i : i]);
	}
	return OK;
}

static enum err
list_page(struct call *call, struct list *list)
{
	bool               all = list->filter || list->ordered || list->counted || call->route.group.len > 0;
	struct store_range range = {
		.until = STORE_TO_HEAD,
		.live_only = true,
		.limit = all ? UINT32_MAX : (uint32_t)(list->skip + list->top + 1),
	};
	AUTO(store_scan_abort)
	struct store_scan *scan = store_scan_open(call->graph->parts.store, &call->feed, &range, call->arena);
	struct page        page;

	page_open(&page, call, call->route.resource, entity_context(call, call->route.resource->collection, ""),
	          list->select);
	list->exists = store_scan_state(scan)->exists;
	if (list->ordered)
		TRY(take_ordered(call, list, scan, &page));
	else
		take_as_found(call, list, scan, &page);
	TRY(store_scan_close(&scan));
	page.counted = list->counted;
	page.total = list->found;
	page_close(&page, list->more ? STR("@odata.nextLink") : STR_EMPTY, next_link(call, list->skip + page.count));
	return OK;
}

static enum err
answer_list(struct call *call, struct list *list)
{
	TRY(list_page(call, list));
	if (list->exists)
		return OK;
	TRY(call_ensure(call));
	buf_cut(http_resp_body(call->resp), 0);
	return list_page(call, list);
}

enum err
graph_list(struct call *call)
{
	struct list list = { 0 };

	TRY(read_list(call, &list));
	TRY(call_check_group(call));
	if (list.ordered)
		list.items = arena_take(call->arena, ORDERED_MAX * sizeof(*list.items));

	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);

	list.scratch = scratch;
	return answer_list(call, &list);
}

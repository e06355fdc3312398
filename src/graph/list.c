/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/list.h"

#include <stdlib.h>

#include "graph/entity.h"
#include "graph/expand.h"
#include "graph/headers.h"
#include "graph/list_link.h"
#include "resource/values.h"

#define PAGE_DEFAULT   10 /* as Graph's own lists */
#define SKIP_MAX       1000000
#define SCRATCH_MAX    ((size_t)64 << 20)
#define KEPT_MAX       ((size_t)20000) /* of an ordered list: what it skips and one page */
#define KEPT_BYTES_MAX ((size_t)64 << 20)
#define KEPT_ARENA_MAX (4 * KEPT_BYTES_MAX) /* chunks are not filled to their end */
#define HELD_STEP      ((size_t)1 << 20)

struct kept {
	struct item item;
	struct str  key, rank;
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
read_filter(struct list *list)
{
	struct call *call = list->call;
	struct str   why = STR_EMPTY;

	if (call->query.given[OPTION_FILTER] && filter_read(list->resource, call->query.value[OPTION_FILTER],
	                                                    call->route.beta, call->arena, &list->filter, &why) != OK)
		return call_refuse(call, GRAPH_OPTION, why);
	list->ordered = call->query.given[OPTION_ORDERBY];
	if (list->ordered && order_read(list->resource, call->query.value[OPTION_ORDERBY], call->route.beta,
	                                call->arena, &list->order, &list->descending, &why) != OK)
		return call_refuse(call, GRAPH_OPTION, why);
	return OK;
}

static enum err
read_page(struct list *list)
{
	struct call *call = list->call;
	uint64_t     size = call->query.page_size ? call->query.page_size : PAGE_DEFAULT;

	TRY(query_number(call, OPTION_TOP, 1, PAGE_SIZE_MAX, size, &list->top));
	TRY(query_number(call, OPTION_SKIP, 0, SKIP_MAX, 0, &list->skip));
	if (call->query.given[OPTION_SKIP] && call->query.given[OPTION_TOKEN])
		return call_refuse(call, GRAPH_OPTION,
		                   STR("$skip does not go with $skiptoken, which says where the page "
		                       "begins. Use the link as it was given."));
	TRY(read_flag(call, OPTION_COUNT, &list->counted));
	TRY(entity_select(call, list->resource, &list->select));
	TRY(expand_read(call));
	if (call->query.page_size && !call->query.given[OPTION_TOP])
		headers_preference_applied(
			call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)call->query.page_size));
	list->kept_max = list->skip + list->top + 1;
	if (list->ordered && list->kept_max > KEPT_MAX)
		return call_refuse(
			call, GRAPH_OPTION,
			STR("An ordered list skips at most 20,000 items with its page; follow the nextLinks."));
	return list_link_read(list);
}

enum err
list_read(struct call *call, const struct resource *resource, struct list *list_out)
{
	static const enum option known[] = { OPTION_SELECT,  OPTION_TOP,    OPTION_SKIP,   OPTION_COUNT, OPTION_FILTER,
		                             OPTION_ORDERBY, OPTION_EXPAND, OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	size_t                   kept_bytes;

	*list_out = (struct list){ .call = call, .resource = resource };
	TRY(query_allow(
		call, known, "on this list",
		"Use $select, $top, $skip, $count, $filter, $orderby and $expand; there is nothing to search."));
	TRY(read_filter(list_out));
	/* The number does not depend on the other options. */
	list_out->ordered = list_out->ordered && !call->route.count;
	if (!call->route.count)
		TRY(read_page(list_out));
	list_out->scratch = arena_open(SCRATCH_MAX);
	if (!list_out->ordered)
		return OK;
	kept_bytes = 2 * list_out->kept_max * sizeof(*list_out->kept);
	TRY(call_hold(call, kept_bytes));
	list_out->table = arena_open(kept_bytes + ((size_t)4 << 10));
	list_out->kept = arena_take(list_out->table, kept_bytes);
	for (int i = 0; i < 2; i++)
		list_out->keep[i] = arena_open(KEPT_ARENA_MAX);
	return OK;
}

void
list_free(struct list *list)
{
	arena_close(&list->scratch);
	arena_close(&list->keep[0]);
	arena_close(&list->keep[1]);
	arena_close(&list->table);
}

bool
list_is_count(const struct list *list)
{
	return list->call->route.count;
}

bool
list_needs_all(const struct list *list)
{
	return list->ordered || list->counted || list_is_count(list);
}

/* ---- an ordered list ------------------------------------------------------------------------------------ */

/* What the item is ordered by, as bytes to compare.  A link has room for so many of them. */
static struct str
order_key(const struct list *list, const struct item *item)
{
	const struct resource *resource = list->resource;
	struct values          values;
	struct str             key;

	if (list->order == resource->key)
		key = item->key;
	else if (!resource->read(resource, item->body, NULL, list->scratch, &values))
		key = STR_EMPTY;
	else
		key = resource->properties[list->order].type == TYPE_BOOLEAN
		              ? values.raw[list->order]
		              : values_folded(&values, list->order, list->scratch);
	return str_first(key, LIST_KEY_MAX);
}

/* Items with equal keys keep their order in every direction. */
static int
compare(const struct list *list, struct str key, struct str rank, const struct kept *other)
{
	int order = list->descending ? str_cmp(other->key, key) : str_cmp(key, other->key);

	return order ? order : str_cmp(rank, other->rank);
}

static int
by_order(const void *a, const void *b, void *ctx)
{
	const struct kept *left = a;

	return compare(ctx, left->key, left->rank, b);
}

static size_t
bytes_of(const struct item *item, struct str key, struct str rank)
{
	return item->id.len + item->key.len + item->body.len + key.len + rank.len;
}

/* Only the items that may be on the page are kept, so twice as many as that are the most. */
static void
sort_kept(struct list *list)
{
	struct arena *from = list->keep[0], *to = list->keep[1];

	qsort_r(list->kept, list->kept_count, sizeof(*list->kept), by_order, list);
	if (list->kept_count > list->kept_max) {
		list->kept_count = list->kept_max;
		list->more = true;
	}
	list->bytes = 0;
	for (size_t i = 0; i < list->kept_count; i++) {
		struct kept *kept = &list->kept[i];

		list->bytes += bytes_of(&kept->item, kept->key, kept->rank);
		kept->item.id = arena_copy(to, kept->item.id);
		kept->item.key = arena_copy(to, kept->item.key);
		kept->item.body = arena_copy(to, kept->item.body);
		kept->key = arena_copy(to, kept->key);
		kept->rank = arena_copy(to, kept->rank);
	}
	arena_reset(from);
	list->keep[0] = to;
	list->keep[1] = from;
}

static enum err
keep(struct list *list, const struct item *item, struct str key, struct str rank)
{
	size_t        bytes = bytes_of(item, key, rank);
	struct arena *arena;

	if (list->kept_count == 2 * list->kept_max || list->bytes + bytes > KEPT_BYTES_MAX)
		sort_kept(list);
	if (list->bytes + bytes > KEPT_BYTES_MAX)
		return call_refuse(list->call, GRAPH_OPTION,
		                   STR("The items are too large to be ordered; ask for fewer with $top."));
	list->bytes += bytes;
	if (list->bytes > list->held + HELD_STEP) {
		TRY(call_hold(list->call, HELD_STEP));
		list->held += HELD_STEP;
	}
	arena = list->keep[0];
	list->kept[list->kept_count++] = (struct kept){
		.item = { .id = arena_copy(arena, item->id),
		          .key = arena_copy(arena, item->key),
		          .body = arena_copy(arena, item->body) },
		.key = arena_copy(arena, key),
		.rank = arena_copy(arena, rank),
	};
	return OK;
}

/* ---- items ---------------------------------------------------------------------------------- */

static bool
passes(const struct list *list, const struct item *item)
{
	struct values values;

	return !list->filter || (list->resource->read(list->resource, item->body, NULL, list->scratch, &values) &&
	                         filter_holds(list->filter, &values, list->scratch));
}

static bool
page_is_full(const struct list *list)
{
	const struct page *page = &list->page;

	return page->count == list->top || (page->count > 0 && page->buf->len > PAGE_BYTES_MAX);
}

static void
put(struct list *list, const struct item *item, struct str key, struct str rank)
{
	page_put_entity(&list->page, item);
	list->last = arena_copy(list->call->arena, rank);
	list->last_key = arena_copy(list->call->arena, key);
}

/* An item that the filter lets pass, in its turn. */
static void
take_plain(struct list *list, const struct item *item, struct str rank)
{
	if (list->more || (list->goes_on && str_cmp(rank, list->from) <= 0))
		return;
	if (list->found <= list->skip)
		return;
	if (page_is_full(list))
		list->more = true;
	else
		put(list, item, STR_EMPTY, rank);
}

static void
take_ordered(struct list *list, const struct item *item, struct str rank)
{
	struct str  key = order_key(list, item);
	struct kept from = { .key = list->from_key, .rank = list->from };

	if (!list->goes_on || compare(list, key, rank, &from) > 0)
		list->err = keep(list, item, key, rank);
}

bool
list_take(struct list *list, const struct item *item, struct str rank)
{
	bool came = list->first.len > 0 && str_eq(rank, list->first);

	if (list->err == OK && !(came && list->first_taken) && passes(list, item)) {
		list->found++;
		if (list->ordered)
			take_ordered(list, item, rank);
		else if (!came && !list_is_count(list))
			take_plain(list, item, rank);
	}
	arena_reset(list->scratch);
	return list->err == OK && (!list->more || list_needs_all(list));
}

bool
list_take_first(struct list *list, const struct item *item, struct str rank)
{
	MUST(!list->goes_on && !list->ordered);
	list->first = STR_EMPTY;
	(void)list_take(list, item, STR_EMPTY);
	list->first = arena_copy(list->call->arena, rank);
	list->first_taken = true;
	return list->err == OK;
}

void
list_stop(struct list *list, struct str rank)
{
	list->more = true;
	list->last = arena_copy(list->call->arena, rank);
}

/* ---- the page ------------------------------------------------------------------------------------ */

void
list_open(struct list *list, struct str context)
{
	buf_cut(http_resp_body(list->call->resp), 0);
	list->more = list->first_taken = false;
	list->found = list->kept_count = list->bytes = 0;
	list->last = list->from;
	list->last_key = list->from_key;
	if (!list_is_count(list))
		page_open(&list->page, list->call, list->resource, context, list->select);
}

static void
put_ordered(struct list *list)
{
	sort_kept(list);
	for (size_t i = list->skip; i < list->kept_count; i++) {
		if (page_is_full(list)) {
			list->more = true;
			return;
		}
		put(list, &list->kept[i].item, list->kept[i].key, list->kept[i].rank);
	}
}

enum err
list_close(struct list *list, const struct feed_state *state)
{
	struct call *call = list->call;

	TRY(list->err);
	if (list_is_count(list)) {
		buf_printf(http_resp_body(call->resp), "%llu", (unsigned long long)list->found);
		http_resp_field(call->resp, "Content-Type", STR("text/plain"));
		return OK;
	}
	if (list->ordered)
		put_ordered(list);
	list->page.counted = list->counted;
	list->page.total = list->found;
	page_close(&list->page, list->more ? STR("@odata.nextLink") : STR_EMPTY,
	           list->more ? list_link(list, state) : STR_EMPTY);
	return OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/list.h"

#include <endian.h>
#include <stdlib.h>

#include "graph/entity.h"
#include "graph/steps.h"
#include "resource/values.h"
#include "text/date.h"

#define PAGE_DEFAULT   10 /* as Graph's own lists, but for recordings */
#define SKIP_MAX       1000000
#define SCRATCH_MAX    ((size_t)64 << 20)
#define KEPT_MAX       ((size_t)20000) /* of an ordered list: what it skips and one page */
#define KEPT_ARENA_MAX ((size_t)256 << 20)
#define HELD_STEP      ((size_t)1 << 20)

/* What the order needs of an item; the page reads the rest. */
struct kept {
	struct str id, key, rank;
};

/* ---- options ------------------------------------------------------------------------------------ */

static enum err
read_flag(struct call *call, enum option option, bool *flag_out)
{
	struct str value = call->query.value[option];

	*flag_out = call->query.given[option] && str_eq_nocase(value, STR("true"));
	if (!call->query.given[option] || *flag_out || str_eq_nocase(value, STR("false")))
		return OK;
	return call_refuse_f(call, GRAPH_OPTION, "%s is true or false.", option_name(option));
}

static enum err
read_filter(struct list *list)
{
	struct call *call = list->call;
	struct str   why = STR_EMPTY;

	if (list->resource->property_count == 0 &&
	    (call->query.given[OPTION_FILTER] || call->query.given[OPTION_ORDERBY]))
		return call_refuse(
			call, GRAPH_OPTION,
			STR("These items are neither filtered nor ordered: no property of them is known here."));
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
	uint64_t     usual = list->resource->content ? PAGE_SIZE_DEFAULT : PAGE_DEFAULT;
	uint64_t     size = call->query.page_size ? call->query.page_size : usual;

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

enum err
list_pause(struct list *list)
{
	struct call *call = list->call;

	if (http_req_is_abandoned(call->req))
		return ERR_BUSY;
	return call_pause(call, call->req->may_block ? HTTP_AGAIN : HTTP_BLOCKS);
}

/* ---- an ordered list ------------------------------------------------------------------------------------ */

/* What the item is ordered by, as bytes to compare.  A link has room for so many of them. */
static struct str
order_key(const struct list *list, const struct item *item)
{
	const struct resource *resource = list->resource;
	struct values          values;
	int64_t                moment_ns;
	uint64_t               moment;

	if (list->order == resource->key)
		return str_first(item->key, LIST_KEY_MAX);
	if (!resource->read(resource, item->body, NULL, list->scratch, &values))
		return STR_EMPTY;
	if (resource->properties[list->order].type == TYPE_BOOLEAN)
		return values.raw[list->order];
	if (resource->properties[list->order].type != TYPE_MOMENT)
		return str_first(values_folded(&values, list->order, list->scratch), LIST_KEY_MAX);
	if (!date_parse(values_text(&values, list->order, list->scratch), &moment_ns))
		return STR_EMPTY;
	moment = htobe64((uint64_t)moment_ns ^ (uint64_t)1 << 63);
	return arena_copy(list->scratch, str_of(&moment, sizeof(moment)));
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
bytes_of(const struct kept *kept)
{
	return kept->id.len + kept->key.len + kept->rank.len;
}

static struct kept
copy(const struct kept *kept, struct arena *arena)
{
	return (struct kept){ .id = arena_copy(arena, kept->id),
		              .key = arena_copy(arena, kept->key),
		              .rank = arena_copy(arena, kept->rank) };
}

/* Only the items that may be on the page are kept, so twice as many as that are the most. */
static void
sort_kept(struct list *list)
{
	struct arena *from = list->keep[0], *to = list->keep[1];

	qsort_r(list->kept, list->kept_count, sizeof(*list->kept), by_order, list);
	if (list->kept_count > list->kept_max) {
		list->kept_count = list->kept_max;
		list->kept_cut = true;
	}
	list->bytes = 0;
	for (size_t i = 0; i < list->kept_count; i++) {
		list->bytes += bytes_of(&list->kept[i]);
		list->kept[i] = copy(&list->kept[i], to);
	}
	arena_reset(from);
	list->keep[0] = to;
	list->keep[1] = from;
}

static enum err
keep(struct list *list, const struct kept *kept)
{
	if (list->kept_count == 2 * list->kept_max)
		sort_kept(list);
	list->bytes += bytes_of(kept);
	if (list->bytes > list->held + HELD_STEP) {
		TRY(call_hold(list->call, HELD_STEP));
		list->held += HELD_STEP;
	}
	list->kept[list->kept_count++] = copy(kept, list->keep[0]);
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

/* The next page begins behind it. */
static void
pass(struct list *list, struct str key, struct str rank)
{
	list->last = arena_copy(list->call->arena, rank);
	list->last_key = arena_copy(list->call->arena, key);
}

static void
put(struct list *list, const struct item *item, struct str key, struct str rank)
{
	list->more = page_is_full(list) || !page_put_entity(&list->page, item);
	if (!list->more)
		pass(list, key, rank);
}

/* An item that the filter lets pass, in its turn. */
static void
take_plain(struct list *list, const struct item *item, struct str rank)
{
	if (list->more || (list->goes_on && str_cmp(rank, list->from) <= 0))
		return;
	if (list->found > list->skip)
		put(list, item, STR_EMPTY, rank);
}

static void
take_ordered(struct list *list, const struct item *item, struct str rank)
{
	struct kept kept = { .id = item->id, .key = order_key(list, item), .rank = rank };
	struct kept from = { .key = list->from_key, .rank = list->from };

	if (!list->goes_on || compare(list, kept.key, rank, &from) > 0)
		list->err = keep(list, &kept);
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

/* ---- the page ------------------------------------------------------------------------------------ */

void
list_open(struct list *list, struct str context)
{
	buf_cut(http_resp_body(list->call->resp), 0);
	list->more = list->first_taken = list->kept_cut = false;
	list->found = list->kept_count = list->bytes = 0;
	list->last = list->from;
	list->last_key = list->from_key;
	if (!list_is_count(list))
		page_open(&list->page, list->call, list->resource, context, list->select);
}

static enum err
get(struct list *list, struct str id, struct item *item_out)
{
	struct call *call = list->call;

	return list->get ? list->get(call, id, list->scratch, item_out)
	                 : store_get(call->graph->parts.store, &call->feed, id, list->scratch, item_out);
}

/* An item may have been removed or changed since it was kept. */
static enum err
put_ordered(struct list *list)
{
	struct item item;

	sort_kept(list);
	for (size_t i = list->skip; i < list->kept_count && !list->more; i++) {
		const struct kept *kept = &list->kept[i];
		enum err           err = get(list, kept->id, &item);

		if (err == OK && passes(list, &item))
			put(list, &item, kept->key, kept->rank);
		else if (err == OK || err == ERR_NOT_FOUND)
			pass(list, kept->key, kept->rank);
		else
			return err;
		arena_reset(list->scratch);
	}
	list->more = list->more || list->kept_cut;
	return OK;
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
		TRY(put_ordered(list));
	list->page.counted = list->counted;
	list->page.total = list->found;
	page_close(&list->page, list->more ? STR("@odata.nextLink") : STR_EMPTY,
	           list->more ? list_link(list, state) : STR_EMPTY);
	return OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* graph_members — GET …/{id}/NAME of a followed feed: the members of an item in one of its relations, by their ids. */
#include "graph/calls.h"
#include "graph/list.h"
#include "text/json_write.h"

/* A member as an item: what its source sent of it. */
static struct item
item_of(const struct store_member *member, struct buf *space)
{
	struct json_out json;

	if (member->value.len > 0)
		return (struct item){ .id = member->member, .body = member->value };
	buf_cut(space, 0);
	json = json_out_object(space);
	json_put_member(&json, STR("id"), member->member);
	json_end_object(&json);
	return (struct item){ .id = member->member, .body = buf_str(space) };
}

/* Of others only their members tell.  A name may have any letter case; then it becomes the relation's own. */
static bool
is_known(struct call *call)
{
	const char *const *names = call->route.resource->relations;

	for (; names && *names; names++)
		if (str_eq_nocase(call->route.relation, str_from_c(*names))) {
			call->route.relation = str_from_c(*names);
			return true;
		}
	return false;
}

/* The list, from one slice to the next. */
struct slices {
	struct list       list;
	struct feed_state state; /* of the first */
	struct str        last;  /* member that was read */
	bool              any;   /* member is there */
};

/* The members are those of a scope that is still the same. */
static enum err
check_state(const struct call *call, struct slices *slices)
{
	struct list      *list = &slices->list;
	struct feed_state state;

	TRY(served_feed_state(call, list->goes_on ? list->cursor.epoch : 0, &state));
	if (slices->state.exists)
		return guid_eq(&state.generation, &slices->state.generation) ? OK : ERR_BUSY;
	slices->state = state;
	return list->goes_on ? cursor_validate(&list->cursor, &state) : OK;
}

static enum err
begin(struct call *call, struct slices *slices)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_TOP,   OPTION_COUNT,
		                             OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	struct list             *list = &slices->list;
	struct item              item;

	TRY(query_allow(call, known, "on the members of a relation", "Use $select, $top and $count."));
	TRY(list_read(call, call->route.resource, list));
	if (!call->req->may_block)
		return list_pause(list);
	TRY(check_state(call, slices));
	TRY(store_get(call->graph->parts.store, &call->feed, call->route.id, call->arena, &item));
	slices->last = list_needs_all(list) ? STR_EMPTY : list->from;
	slices->any = list->goes_on;
	list_open(list, STR("directoryObjects"));
	call->slice = slices;
	return OK;
}

static enum err
take_slice(struct call *call, struct slices *slices)
{
	AUTO(buf_close) struct buf      space;
	AUTO(arena_close) struct arena *arena = arena_open(2 * STORE_BODY_MAX);
	struct store_member             member = { .member = slices->last };
	struct list                    *list = &slices->list;
	bool                            more = true;
	size_t                          bytes = 0;

	TRY(check_state(call, slices));
	buf_open(&space, (size_t)8 << 10);
	for (unsigned count = 0; more && count < LIST_SLICE_ITEMS && bytes < LIST_SLICE_BYTES; count++) {
		struct str after = arena_copy(list->scratch, member.member);
		enum err   err;

		arena_reset(arena);
		member.member = arena_copy(arena, after);
		member.relation = call->route.relation;
		err = store_next_member(call->graph->parts.store, &call->feed, call->route.id, &member, arena, &member);
		if (err == ERR_NOT_FOUND || (err == OK && !str_eq(member.relation, call->route.relation)))
			return OK;
		TRY(err);
		slices->any = true;
		bytes += member.value.len;
		struct item item = item_of(&member, &space);

		more = list_take(list, &item, item.id);
	}
	slices->last = arena_copy(call->arena, member.member);
	return more ? list_pause(list) : OK;
}

static enum err
take_page(struct call *call, struct slices *slices)
{
	if (!call->slice)
		TRY(begin(call, slices));
	TRY(take_slice(call, slices));
	if (!slices->any && !is_known(call))
		return call_refuse_f(call, GRAPH_UNKNOWN_SEGMENT, "Resource not found for the segment '%.*s'.",
		                     STR_ARG(str_cut(call->route.relation, 128)));
	/* Perhaps it has members by its own name. */
	if (!slices->any)
		TRY(take_slice(call, slices));
	return list_close(&slices->list, &slices->state);
}

enum err
graph_list_members(struct call *call)
{
	struct slices *slices = call->slice ? call->slice : arena_take(call->arena, sizeof(*slices));
	enum err       err = take_page(call, slices);

	if (!call_goes_on(call))
		list_free(&slices->list);
	return err == ERR_GONE ? served_refuse_gone(call, &slices->list.cursor.generation) : err;
}

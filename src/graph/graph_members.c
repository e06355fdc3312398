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

/* The relation is one of the descriptor's, or the item has such a member. */
static bool
is_known(const struct call *call)
{
	const char *const *names = call->route.resource->relations;

	for (; names && *names; names++)
		if (str_eq(call->route.relation, str_from_c(*names)))
			return true;
	return false;
}

static enum err
take_members(struct call *call, struct list *list)
{
	AUTO(buf_close) struct buf      space;
	AUTO(arena_close) struct arena *arena = arena_open(2 * STORE_BODY_MAX);
	struct store_member             member = { .relation = call->route.relation, .member = list->from };
	bool                            more = true, any = list->goes_on;
	enum err                        err = OK;

	buf_open(&space, (size_t)8 << 10);
	if (list_needs_all(list))
		member.member = STR_EMPTY;
	while (more) {
		struct str after = arena_copy(list->scratch, member.member);

		arena_reset(arena);
		member.member = arena_copy(arena, after);
		member.relation = call->route.relation;
		err = store_next_member(call->graph->parts.store, &call->feed, call->route.id, &member, arena, &member);
		if (err != OK || !str_eq(member.relation, call->route.relation))
			break;
		struct item item = item_of(&member, &space);

		any = true;
		more = list_take(list, &item, item.id);
	}
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	return any || is_known(call)
	               ? OK
	               : call_refuse_f(call, GRAPH_UNKNOWN_SEGMENT, "Resource not found for the segment '%.*s'.",
	                               STR_ARG(str_cut(call->route.relation, 128)));
}

static enum err
answer(struct call *call, struct list *list)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_TOP,   OPTION_COUNT,
		                             OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	struct item              item;

	TRY(query_allow(call, known, "on the members of a relation", "Use $select, $top and $count."));
	TRY(list_read(call, call->route.resource, list));
	if (!call->req->may_block)
		return list_pause(list);
	TRY(store_get(call->graph->parts.store, &call->feed, call->route.id, call->arena, &item));
	list_open(list, STR("directoryObjects"));
	TRY(take_members(call, list));
	return list_close(list, NULL);
}

enum err
graph_list_members(struct call *call)
{
	struct list list = { .call = call };
	enum err    err = answer(call, &list);

	list_free(&list);
	return err;
}

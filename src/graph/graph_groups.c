/* SPDX-License-Identifier: Apache-2.0 */
/* graph_groups — calendar groups, read only, derived from the calendars (group.h). */
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/group.h"
#include "resource/calendar.h"
#include "resource/values.h"
#include "text/json_write.h"

#define GROUPS_MAX  100
#define SCRATCH_MAX ((size_t)64 << 20)

struct groups {
	struct group at[GROUPS_MAX];
	size_t       count;
};

static bool
holds(const struct groups *groups, struct str id)
{
	for (size_t i = 0; i < groups->count; i++)
		if (str_eq(groups->at[i].id, id))
			return true;
	return false;
}

static void
add(struct groups *groups, const struct group *group, struct arena *arena)
{
	if (groups->count == GROUPS_MAX || holds(groups, group->id))
		return;
	groups->at[groups->count++] = (struct group){
		.id = arena_copy(arena, group->id),
		.change_key = arena_copy(arena, group->change_key),
		.name = group->name,
		.class_id = group->class_id,
	};
}

static enum err
collect(struct call *call, struct groups *groups, bool *exists_out)
{
	struct store_range              range = { .until = STORE_TO_HEAD, .limit = UINT32_MAX, .live_only = true };
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	AUTO(store_scan_abort)
	struct store_scan *scan = store_scan_open(call->graph->parts.store, &call->feed, &range, call->arena);
	struct group       group = group_default(call, call->arena);
	struct item        item;

	groups->count = 0;
	*exists_out = store_scan_state(scan)->exists;
	add(groups, &group, call->arena);
	while (store_scan_next(scan, &item)) {
		struct values calendar;

		if (!resource_calendar.read(&resource_calendar, item.body, NULL, scratch, &calendar))
			continue;
		group = group_of(call, &calendar, scratch);
		add(groups, &group, call->arena);
		arena_reset(scratch);
	}
	return store_scan_close(&scan);
}

static enum err
read_groups(struct call *call, struct groups *groups)
{
	static const enum option known[] = { OPTION_FORMAT, OPTION_KINDS };
	bool                     exists;

	TRY(query_allow(call, known, "on calendar groups", "Leave them out."));
	TRY(collect(call, groups, &exists));
	if (exists)
		return OK;
	TRY(call_ensure(call));
	return collect(call, groups, &exists);
}

/* An unknown text is null. */
static void
put_text(struct json_out *out, struct str name, struct str text)
{
	if (text.len)
		json_put_member(out, name, text);
	else
		json_put_member_raw(out, name, STR("null"));
}

static void
put_group(const struct call *call, struct json_out *out, const struct group *group)
{
	struct str url = entity_url(call, "users('{owner}@{tenant}')/calendarGroups('{id}')",
	                            &(struct item){ .id = group->id });

	if (call->accept.level == METADATA_FULL) {
		json_put_member(out, STR("@odata.type"), STR("#microsoft.graph.calendarGroup"));
		json_put_member(out, STR("classId@odata.type"), STR("#Guid"));
	}
	json_put_member(out, STR("@odata.id"), url);
	json_put_member(out, STR("id"), group->id);
	put_text(out, STR("name"), group->name);
	put_text(out, STR("changeKey"), group->change_key);
	json_put_member(out, STR("classId"), group->class_id);
}

static void
open_answer(struct call *call, struct json_out *out, const char *tail)
{
	struct str version = call_version_url(call), context = entity_context(call, "calendarGroups", tail);

	*out = json_out_object(http_resp_body(call->resp));
	json_put_member(out, STR("@odata.context"),
	                arena_printf(call->arena, "%.*s/$metadata#%.*s", STR_ARG(version), STR_ARG(context)));
}

enum err
graph_list_groups(struct call *call)
{
	struct groups  *groups = arena_take(call->arena, sizeof(*groups));
	struct json_out out;

	TRY(read_groups(call, groups));
	open_answer(call, &out, "");
	json_put_name(&out, STR("value"));
	json_put_array(&out);
	for (size_t i = 0; i < groups->count; i++) {
		json_put_object(&out);
		put_group(call, &out, &groups->at[i]);
		json_end_object(&out);
	}
	json_end_array(&out);
	json_end_object(&out);
	return OK;
}

enum err
graph_get_group(struct call *call)
{
	struct groups  *groups = arena_take(call->arena, sizeof(*groups));
	struct json_out out;

	TRY(read_groups(call, groups));
	for (size_t i = 0; i < groups->count; i++) {
		if (!str_eq(groups->at[i].id, call->route.group))
			continue;
		open_answer(call, &out, "/$entity");
		put_group(call, &out, &groups->at[i]);
		json_end_object(&out);
		return OK;
	}
	return call_refuse_item(call, call->route.group);
}

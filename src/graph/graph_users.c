/* SPDX-License-Identifier: Apache-2.0 */
/* graph_users — the users of the caller's tenant, as the directory has them: the list, one user, oneself. */
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/list.h"
#include "graph/page.h"
#include "resource/user.h"

#define SCRATCH_MAX ((size_t)1 << 20)

static struct item
item_of(const struct user *user, struct arena *arena)
{
	struct user_values values = {
		.display_name = user->display_name,
		.mail = user->mail,
		.principal_name = user->upn,
	};

	values.id = arena_printf(arena, "%s", guid_str(&user->id).c);
	return user_item(&values, arena);
}

/* ---- one user ------------------------------------------------------------------------------------------- */

enum err
graph_get_user(struct call *call)
{
	static const enum option known[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_KINDS };
	struct item              item = item_of(&call->owner, call->arena);
	uint32_t                 select;

	TRY(query_allow(call, known, "on a single user", "Use $select."));
	TRY(entity_select(call, &resource_user, &select));
	page_single(call, &resource_user, STR("users/$entity"), &item, select);
	return OK;
}

/* ---- the list: in the order of the ids, which never change ------------------------------------------------ */

/* The list, from one slice to the next. */
struct slices {
	struct list list;
	struct user last; /* that was read */
};

static enum err
get_again(struct call *call, struct str id, struct arena *arena, struct item *item_out)
{
	struct guid user_id;
	struct user user;

	MUST(guid_parse(id, &user_id));
	TRY(directory_find_owner(call->graph->parts.store, &user_id, arena, &user));
	*item_out = item_of(&user, arena);
	return OK;
}

static enum err
begin(struct call *call, struct slices *slices)
{
	struct list *list = &slices->list;

	TRY(list_read(call, &resource_user, list));
	list->get = get_again;
	/* Users of other tenants are read, too: the page does not bound it. */
	if (!call->req->may_block)
		return list_pause(list);
	if (list->from.len != 0 && list->from.len != sizeof(slices->last.id))
		return ERR_BAD_TOKEN;
	if (list->from.len > 0 && !list_needs_all(list))
		memcpy(slices->last.id.b, list->from.at, sizeof(slices->last.id));
	list_open(list, STR("users"));
	call->slice = slices;
	return OK;
}

static enum err
take_slice(struct call *call, struct slices *slices)
{
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	bool                            more = true;
	struct user                     next;

	for (unsigned count = 0; more && count < LIST_SLICE_ITEMS; count++) {
		enum err err = directory_next_user(call->graph->parts.store, &slices->last, scratch, &next);

		if (err != OK)
			return err == ERR_NOT_FOUND ? OK : err;
		slices->last.id = next.id;
		if (guid_eq(&next.tenant, &call->caller.tenant)) {
			struct item item = item_of(&next, scratch);

			more = list_take(&slices->list, &item, guid_bytes(&next.id));
		}
		arena_reset(scratch);
	}
	return more ? list_pause(&slices->list) : OK;
}

static enum err
take_page(struct call *call, struct slices *slices)
{
	if (!call->slice)
		TRY(begin(call, slices));
	TRY(take_slice(call, slices));
	return list_close(&slices->list, NULL);
}

enum err
graph_list_users(struct call *call)
{
	struct slices *slices = call->slice ? call->slice : arena_take(call->arena, sizeof(*slices));
	enum err       err = take_page(call, slices);

	if (!call_goes_on(call))
		list_free(&slices->list);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* graph_users — the users of the caller's tenant, as the directory has them: the list, one user, oneself. */
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/list.h"
#include "graph/page.h"
#include "resource/user.h"

/* The most users that a page reads to find the wanted ones.  So a page may be short or empty without being the last. */
#define READ_MAX    2000
#define SCRATCH_MAX ((size_t)1 << 20)

static struct item
item_of(const struct user *user, struct arena *arena)
{
	char               id[GUID_TEXT_LEN];
	struct user_values values = {
		.display_name = user->display_name,
		.mail = user->mail,
		.principal_name = user->upn,
	};

	guid_format(&user->id, id);
	values.id = arena_copy(arena, str_of(id, sizeof(id)));
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

static enum err
take_users(struct call *call, struct list *list, struct arena *scratch)
{
	bool        all = list_needs_all(list), more = true;
	struct user user = { .upn = STR_EMPTY }, next;
	enum err    err = OK;

	if (list->from.len != 0 && list->from.len != sizeof(user.id))
		return ERR_BAD_TOKEN;
	if (list->from.len > 0 && !all)
		memcpy(user.id.b, list->from.at, sizeof(user.id));
	list_open(list, STR("users"));
	for (int count = 0; more; count++) {
		if (count == READ_MAX && !all) {
			list_stop(list, str_of(user.id.b, sizeof(user.id)));
			break;
		}
		arena_reset(scratch);
		err = directory_next_user(call->graph->parts.store, &user, scratch, &next);
		if (err != OK)
			break;
		user.id = next.id;
		if (guid_eq(&next.tenant, &call->caller.tenant)) {
			struct item item = item_of(&next, scratch);

			more = list_take(list, &item, str_of(next.id.b, sizeof(next.id)));
		}
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
graph_list_users(struct call *call)
{
	AUTO(list_free) struct list     list = { 0 };
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);

	TRY(list_read(call, &resource_user, &list));
	TRY(take_users(call, &list, scratch));
	return list_close(&list, NULL);
}

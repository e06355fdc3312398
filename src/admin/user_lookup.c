/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/user_lookup.h"

static enum err
search_all(struct store *store, struct str upn, struct arena *arena, struct user *user_out)
{
	AUTO(arena_close) struct arena *walk_arena = arena_open((size_t)1 << 20);
	struct user                     after = { 0 }, next;
	bool                            found = false;
	enum err                        err = directory_next_user(store, &after, walk_arena, &next);

	while (err == OK) {
		after = (struct user){ .tenant = next.tenant, .id = next.id };
		if (str_eq_nocase(next.upn, upn)) {
			if (found)
				return ERR_CONFLICT;
			found = true;
			*user_out = next;
			user_out->upn = arena_copy(arena, next.upn);
			user_out->display_name = arena_copy(arena, next.display_name);
			user_out->mail = arena_copy(arena, next.mail);
		}
		arena_reset(walk_arena);
		err = directory_next_user(store, &after, walk_arena, &next);
	}
	return err == ERR_NOT_FOUND && found ? OK : err;
}

enum err
user_lookup(struct store *store, const struct guid *tenant, struct str id_or_upn, struct arena *arena,
            struct user *user_out)
{
	struct guid own, id;
	enum err    err;

	if (tenant)
		return directory_find_user(store, tenant, id_or_upn, arena, user_out);
	if (guid_parse(id_or_upn, &id))
		return directory_find_owner(store, &id, arena, user_out);
	TRY(directory_tenant(store, arena, &own));
	err = directory_find_user(store, &own, id_or_upn, arena, user_out);
	return err == ERR_NOT_FOUND ? search_all(store, id_or_upn, arena, user_out) : err;
}

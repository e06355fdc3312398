/* SPDX-License-Identifier: Apache-2.0 */

#include "admin/writer.h"

static enum err
search_all(struct store *store, struct str upn, struct arena *arena, struct user *user_out)
{
	AUTO(arena_close) struct arena *walk_arena = arena_open((size_t)1 << 20);
	struct user                     after = { 0 }, next;
	bool                            found = false;
	enum err                        err;

	while ((err = directory_next_user(store, &after, walk_arena, &next)) == OK) {
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
	}
	return err == ERR_NOT_FOUND && found ? OK : err;
}

static enum err
find(struct store *store, const struct guid *tenant, struct str id_or_upn, struct arena *arena, struct user *user_out)
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

static bool
has_tenant_option(const struct cmd *cmd)
{
	for (const struct cmd_option *option = cmd->options; option && option->name; option++)
		if (strcmp(option->name, "tenant") == 0)
			return true;
	return false;
}

int
user_lookup(struct cmd_run *run, struct store *store, const struct guid *tenant, const char *id_or_upn,
            struct user *user_out)
{
	enum err err = find(store, tenant, str_from_c(id_or_upn), run->arena, user_out);

	if (err == ERR_CONFLICT)
		return console_fail(EXIT_PERMANENT, "several tenants have a user \"%s\"; give %s", id_or_upn,
		                    has_tenant_option(run->cmd) ? "--tenant" : "the id");
	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT,
		                    "there is no user \"%s\" in %.*s; `tidemark user list` shows who is there",
		                    id_or_upn, STR_ARG(conf_get(&run->conf, CONF_STORE)));
	return store_read_code(err);
}

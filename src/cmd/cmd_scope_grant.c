/* SPDX-License-Identifier: Apache-2.0 */
/* To whom a served scope is open besides those whose permissions open it. */
#include "cmd/cmd.h"

#include "admin/writer.h"
#include "auth/grant.h"
#include "resource/family.h"
#include "store/replica.h"
#include "store/store_followed.h"
#include "text/json_write.h"

#define LINES_MAX      ((size_t)256 << 10)
#define LIST_ARENA_MAX ((size_t)4 * STORE_KV_MAX)

/* A client's id stays as it is; a person is known by id. */
static int
id_of(struct cmd_run *run, struct store *store, const char *text, struct str *id_out)
{
	struct user user;

	*id_out = str_from_c(text);
	if (!grant_to_valid(*id_out))
		return cmd_usage(run, "\"%s\" is not the id of a client or a user", text);
	if (str_find(*id_out, '@') == id_out->len)
		return EXIT_DONE;
	TRY_CODE(user_lookup(run, store, NULL, text, &user));
	*id_out = arena_printf(run->arena, "%s", guid_str(&user.id).c);
	return EXIT_DONE;
}

static int
add_lines(struct cmd_run *run, struct store *store, const char *option, struct buf *lines)
{
	struct str  id;
	const char *text;

	for (size_t i = 0; (text = cmd_value_at(run, option, i)) != NULL; i++) {
		TRY_CODE(id_of(run, store, text, &id));
		line_put_grant(lines, strcmp(option, "revoke") == 0, str_from_c(run->args[0]), id);
	}
	return EXIT_DONE;
}

/* Grants of a scope that is not there may be taken back: an import brought them. */
static int
check_scope(struct cmd_run *run, struct store *store)
{
	struct store_followed followed;
	enum err              err = OK;

	if (cmd_has(run, "to"))
		err = store_get_followed(store, str_from_c(run->args[0]), run->arena, &followed);
	if (err == ERR_NOT_FOUND)
		return console_fail(
			EXIT_PERMANENT,
			"nothing in the store is followed as \"%s\"; `tidemark status` lists the scopes, and "
			"`tidemark sync` or a server with --follow makes one when it begins to follow",
			run->args[0]);
	return store_read_code(err);
}

static int
change(struct cmd_run *run)
{
	AUTO(writer_close) struct writer writer = { .sock = { NULL, -1 } };
	AUTO(buf_close) struct buf       lines;

	buf_open(&lines, LINES_MAX);
	TRY_CODE(writer_open(run, false, &writer));
	TRY_CODE(check_scope(run, writer.store));
	TRY_CODE(add_lines(run, writer.store, "to", &lines));
	TRY_CODE(add_lines(run, writer.store, "revoke", &lines));
	return writer_send(&writer, &lines, "there is no such grant; `tidemark scope grant` shows all");
}

static void
put_one(struct cmd_run *run, struct str scope, struct str to)
{
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%.*s  %.*s\n", STR_ARG(scope), STR_ARG(to));
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("scope"), scope);
	json_put_member(&json, STR("to"), to);
	out_end_object(run->out, &json);
}

/* Of one scope, or of all. */
static int
list(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	AUTO(arena_close) struct arena *arena = arena_open(LIST_ARENA_MAX);
	char                            last[STORE_KEY_MAX];
	struct str                      scope = STR_EMPTY, to, one;
	enum err                        err = OK;

	TRY_CODE(open_for_reading(run, &store));
	while (run->out->failed == 0 && (err = grant_next(store, scope, arena, &scope, &to)) == OK) {
		while ((run->arg_count == 0 || str_eq(scope, str_from_c(run->args[0]))) &&
		       str_take_until(&to, '\n', &one))
			put_one(run, scope, one);
		memcpy(last, scope.at, scope.len);
		scope.at = last;
		arena_reset(arena);
	}
	return store_read_code(err);
}

static int
run_grant(struct cmd_run *run)
{
	bool changes = cmd_has(run, "to") || cmd_has(run, "revoke");

	if (run->arg_count > 0 && !scope_name_is_good(str_from_c(run->args[0])))
		return cmd_usage(run, SCOPE_NAME_RULE, REPLICA_NAME_MAX);
	if (changes && run->arg_count == 0)
		return cmd_usage(run, "the NAME of a scope is needed");
	return changes ? change(run) : list(run);
}

const struct cmd cmd_scope_grant = {
	.name = "scope grant",
	.summary = "open a served scope to a client or a user, or close it again",
	.args = "[NAME]",
	.settings = conf_store_only,
	.is_for_files = true,
	.options = OPTIONS({ "to", "CLIENT_OR_USER",
	                     "who may read it: a client's id, a user's id or name; repeat it for more", true },
	                   { "revoke", "CLIENT_OR_USER", "who may not any more; repeat it for more", true },
	                   { "json", NULL, "one JSON object a line: scope, to", false }),
	.about = ABOUT(
		"A followed scope that is served (`tidemark serve --serve-scope NAME`) is open to its owner and to "
		"applications that have the permission for its resource. A grant opens it to one more client or user "
		"of its tenant, whatever permissions their tokens name. A scope of a resource that no permission is "
		"known of is open by grants alone.",
		"The scope must be in the store: `sync` or a server with --follow makes it when it begins to follow. "
		"Grants go with the scope when it is renamed or forgotten, and with their user or client.",
		"Without --to and --revoke it prints the grants, of one scope or of all. Changes take effect at once."),
	.examples = EXAMPLES({ "tidemark scope grant items --to 6c5b0c0e-1f7c-4b6c-9f4e-1f2a3b4c5d6e",
	                       "Let one application read the scope \"items\"" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_grant,
};

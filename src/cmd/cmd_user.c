/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "admin/writer.h"
#include "text/json_write.h"
#include "text/uri.h"

static int
read_text(struct cmd_run *run, const char *option, struct str *text_out)
{
	struct str text = str_from_c(cmd_value(run, option));

	if (text.len > UPN_MAX)
		return cmd_usage(run, "--%s: longer than %d bytes", option, UPN_MAX);
	if (!utf8_valid(text))
		return cmd_usage(run, "--%s: not UTF-8", option);
	if (!utf8_is_clean(text))
		return cmd_usage(run, "--%s: has a control character in it", option);
	*text_out = text;
	return EXIT_DONE;
}

/* Checks the user here, because the answer to a line says less. */
static int
validate_user(struct cmd_run *run, const struct user *user)
{
	struct user whole = *user;
	const char *why;

	if (guid_is_zero(&whole.tenant))
		whole.tenant = whole.id; /* replaced by the store's own, once it is open */
	return user_valid(&whole, &why) ? EXIT_DONE : cmd_usage(run, "%s", why);
}

static int
read_user(struct cmd_run *run, struct user *user)
{
	TRY_CODE(read_text(run, "upn", &user->upn));
	if (user->upn.len == 0)
		return cmd_usage(run, "--upn is needed");
	TRY_CODE(read_text(run, "name", &user->display_name));
	TRY_CODE(read_text(run, "mail", &user->mail));
	user->id = guid_random(run->entropy);
	TRY_CODE(cmd_value_guid(run, "id", &user->id));
	TRY_CODE(cmd_value_guid(run, "tenant", &user->tenant));
	return validate_user(run, user);
}

static void
put_user_json(struct out *out, const struct user *user, bool with_tenant)
{
	struct json_out json = json_out_object(out_buf(out));

	json_put_member_guid(&json, STR("id"), &user->id);
	json_put_member(&json, STR("userPrincipalName"), user->upn);
	json_put_member(&json, STR("displayName"), user->display_name);
	json_put_member(&json, STR("mail"), user->mail);
	if (with_tenant)
		json_put_member_guid(&json, STR("tenantId"), &user->tenant);
	out_end_object(out, &json);
}

static int
add_user(struct cmd_run *run, const struct user *user)
{
	AUTO(writer_close) struct writer writer;
	AUTO(buf_close) struct buf       line;
	struct guid                      none = { { 0 } };

	buf_open(&line, (size_t)16 << 10);
	line_put_user(&line, user, &none);
	TRY_CODE(writer_open(run, true, &writer));
	return writer_send(&writer, &line, NULL);
}

static int
run_user_add(struct cmd_run *run)
{
	struct user user = { 0 };

	TRY_CODE(read_user(run, &user));
	TRY_CODE(add_user(run, &user));
	if (cmd_has(run, "json"))
		put_user_json(run->out, &user, false);
	else
		out_printf(run->out, "%s\n", guid_str(&user.id).c);
	return EXIT_DONE;
}

const struct cmd cmd_user_add = {
	.name = "user add",
	.stray = "upn",
	.summary = "add a user, or change one",
	.settings = conf_store_only,
	.options = OPTIONS({ "upn", "UPN", "the userPrincipalName, e.g. ann@contoso.com; required", false },
	                   { "id", "GUID", "the user's id (default: a new one)", false },
	                   { "name", "TEXT", "the display name", false },
	                   { "mail", "ADDRESS", "the mail address", false },
	                   { "tenant", "GUID", "the tenant (default: the store's own)", false },
	                   { "json", NULL, "one JSON object: id, userPrincipalName, displayName, mail", false }),
	.about = ABOUT("Adds a user and prints the id. If a user has that id already, the command changes that user."),
	.examples = EXAMPLES({ "tidemark user add --upn ann@contoso.com --name Ann", "Add a user" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_user_add,
};

static int
run_user_list(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct user                     after = { 0 }, user;
	enum err                        err;

	TRY_CODE(open_for_reading(run, &store));
	while ((err = directory_next_user(store, &after, arena, &user)) == OK && run->out->failed == 0) {
		if (cmd_has(run, "json"))
			put_user_json(run->out, &user, true);
		else
			out_printf(run->out, "%s  %-32.*s  %.*s\n", guid_str(&user.id).c, STR_ARG(user.upn),
			           STR_ARG(user.display_name));
		after = (struct user){ .tenant = user.tenant, .id = user.id };
		arena_reset(arena);
	}
	return store_read_code(err);
}

const struct cmd cmd_user_list = {
	.name = "user list",
	.summary = "print the users",
	.settings = conf_store_only,
	.options = OPTIONS(
		{ "json", NULL, "one JSON object a line: id, userPrincipalName, displayName, mail, tenantId", false }),
	.about = ABOUT("Prints the users, one a line: id, userPrincipalName, display name."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_user_list,
};

static int
run_user_remove(struct cmd_run *run)
{
	AUTO(writer_close) struct writer writer;
	AUTO(buf_close) struct buf       line;
	struct user                      user;

	buf_open(&line, (size_t)1 << 10);
	TRY_CODE(writer_open(run, false, &writer));
	TRY_CODE(user_lookup(run, writer.store, NULL, run->args[0], &user));
	line_put_removal(&line, "remove-user", &user.id);
	return writer_send(&writer, &line, "the user is not there any more; somebody else removed it just now");
}

const struct cmd cmd_user_remove = {
	.name = "user remove",
	.summary = "remove a user and all items of the user",
	.args = "ID|UPN",
	.settings = conf_store_only,
	.about = ABOUT(
		"Removes a user, everything in the user's feeds and all grants to the user (`scope grant`), at once "
		"and without asking. Readers of those feeds must start again."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_user_remove,
};

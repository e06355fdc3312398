/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdio.h>

#include "admin/user_lookup.h"
#include "admin/writer.h"
#include "text/json_write.h"
#include "text/uri.h"

static const enum conf_id settings[] = { CONF_STORE, CONF_COUNT };

/* ---- add ------------------------------------------------------------------------------------------------ */

static const struct cmd_option add_options[] = {
	{ "upn", "UPN", "the userPrincipalName, e.g. ann@contoso.com; needed", false },
	{ "id", "GUID", "the user's id; without it one is made", false },
	{ "name", "TEXT", "the display name", false },
	{ "mail", "ADDRESS", "the mail address", false },
	{ "tenant", "GUID", "the tenant; without it the store's own", false },
	{ "json", NULL, "one JSON object: id, userPrincipalName, displayName, mail", false },
	{ 0 },
};

static const char *const add_about[] = {
	"Adds a user and prints the id. With an id that is there already, the user is changed.",
	NULL,
};

static const struct cmd_example add_examples[] = {
	{ "tidemark user add --upn ann@contoso.com --name Ann", "Add a user" },
	{ 0 },
};

static int
read_text(struct cmd_run *run, const char *option, struct str *text_out)
{
	struct str text = str_from_c(cmd_value(run, option));

	if (text.len > UPN_MAX)
		return cmd_usage(run, "--%s: longer than %d bytes", option, UPN_MAX);
	if (!utf8_valid(text))
		return cmd_usage(run, "--%s: not UTF-8", option);
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return cmd_usage(run, "--%s: has a control character in it", option);
	*text_out = text;
	return EXIT_DONE;
}

/* Before it is sent off, for the answer to a line says less. */
static int
validate_user(struct cmd_run *run, const struct user *user)
{
	struct user whole = *user;
	const char *why;

	if (guid_is_zero(&whole.tenant))
		whole.tenant = whole.id; /* the store's own, once it is open */
	return user_valid(&whole, &why) ? EXIT_DONE : cmd_usage(run, "%s", why);
}

static int
read_user(struct cmd_run *run, struct user *user)
{
	int code = read_text(run, "upn", &user->upn);

	if (code == EXIT_DONE && user->upn.len == 0)
		code = cmd_usage(run, "--upn is needed");
	if (code == EXIT_DONE)
		code = read_text(run, "name", &user->display_name);
	if (code == EXIT_DONE)
		code = read_text(run, "mail", &user->mail);
	if (code == EXIT_DONE)
		code = cmd_value_guid(run, "id", &user->id);
	if (code == EXIT_DONE)
		code = cmd_value_guid(run, "tenant", &user->tenant);
	if (code == EXIT_DONE && !cmd_has(run, "id"))
		user->id = guid_random(run->entropy);
	return code == EXIT_DONE ? validate_user(run, user) : code;
}

static int
send_line(struct writer *writer, struct buf *line)
{
	struct apply_result result;
	enum err            err = writer_apply(writer, buf_str(line), &result);

	if (err == OK && result.counts.absent == 0)
		return EXIT_DONE;
	if (err == OK)
		return console_fail(EXIT_PERMANENT,
		                    "the user is not there any more; somebody else removed it just now");
	return console_fail(exit_code_of(err), "%s", result.why);
}

static void
put_guid(struct json_out *json, struct str name, const struct guid *guid)
{
	char text[GUID_TEXT_LEN];

	guid_format(guid, text);
	json_put_member(json, name, str_of(text, sizeof(text)));
}

static void
put_user_json(struct out *out, const struct user *user, bool with_tenant)
{
	struct json_out json = json_out_object(out_buf(out));

	put_guid(&json, STR("id"), &user->id);
	json_put_member(&json, STR("userPrincipalName"), user->upn);
	json_put_member(&json, STR("displayName"), user->display_name);
	json_put_member(&json, STR("mail"), user->mail);
	if (with_tenant)
		put_guid(&json, STR("tenantId"), &user->tenant);
	out_end_object(out, &json);
}

static int
run_user_add(struct cmd_run *run)
{
	struct writer writer;
	struct user   user = { 0 };
	struct guid   none = { { 0 } };
	struct buf    line;
	char          text[GUID_TEXT_LEN];
	int           code = read_user(run, &user);

	if (code != EXIT_DONE)
		return code;
	buf_open(&line, (size_t)16 << 10);
	line_put_user(&line, &user, &none);
	code = writer_open(run, true, &writer);
	if (code == EXIT_DONE)
		code = send_line(&writer, &line);
	writer_close(&writer);
	buf_close(&line);
	if (code != EXIT_DONE)
		return code;
	guid_format(&user.id, text);
	if (cmd_has(run, "json"))
		put_user_json(run->out, &user, false);
	else
		out_printf(run->out, "%.*s\n", GUID_TEXT_LEN, text);
	return EXIT_DONE;
}

const struct cmd cmd_user_add = {
	.name = "user add",
	.summary = "add a user, or change one",
	.settings = settings,
	.options = add_options,
	.about = add_about,
	.examples = add_examples,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_user_add,
};

/* ---- list ------------------------------------------------------------------------------------------------ */

static const struct cmd_option list_options[] = {
	{ "json", NULL, "one JSON object a line: id, userPrincipalName, displayName, mail, tenantId", false },
	{ 0 },
};

static const char *const list_about[] = {
	"Prints the users, one a line: id, userPrincipalName, display name.",
	NULL,
};

static int
list_users(struct cmd_run *run, struct store *store)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct user                     after = { 0 }, user;
	enum err                        err = directory_next_user(store, &after, arena, &user);

	while (err == OK && run->out->failed == 0) {
		char id[GUID_TEXT_LEN];

		guid_format(&user.id, id);
		if (cmd_has(run, "json"))
			put_user_json(run->out, &user, true);
		else
			out_printf(run->out, "%.*s  %-32.*s  %.*s\n", GUID_TEXT_LEN, id, STR_ARG(user.upn),
			           STR_ARG(user.display_name));
		after = (struct user){ .tenant = user.tenant, .id = user.id };
		arena_reset(arena);
		err = directory_next_user(store, &after, arena, &user);
	}
	if (err == OK || err == ERR_NOT_FOUND)
		return EXIT_DONE;
	return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
}

static int
run_user_list(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	int                             code = open_for_reading(run, &store);

	return code == EXIT_DONE ? list_users(run, store) : code;
}

const struct cmd cmd_user_list = {
	.name = "user list",
	.summary = "print the users",
	.settings = settings,
	.options = list_options,
	.about = list_about,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_user_list,
};

/* ---- remove ---------------------------------------------------------------------------------------------- */

static const char *const remove_about[] = {
	"Removes a user together with everything in the user's feeds, at once and without asking. Readers of "
	"those feeds have to start anew.",
	NULL,
};

static int
remove_user(struct cmd_run *run, struct writer *writer)
{
	const char *name = run->args[0];
	struct user user;
	struct buf  line;
	enum err    err = user_lookup(writer->store, NULL, str_from_c(name), run->arena, &user);
	int         code;

	if (err == ERR_CONFLICT)
		return console_fail(EXIT_PERMANENT, "several tenants have a user \"%s\"; give the id", name);
	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT, "there is no user \"%s\"; `tidemark user list` shows who is there",
		                    name);
	if (err != OK)
		return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
	buf_open(&line, (size_t)1 << 10);
	line_put_remove_user(&line, &user.id);
	code = send_line(writer, &line);
	buf_close(&line);
	return code;
}

static int
run_user_remove(struct cmd_run *run)
{
	struct writer writer;
	int           code = writer_open(run, false, &writer);

	if (code == EXIT_DONE)
		code = remove_user(run, &writer);
	writer_close(&writer);
	return code;
}

const struct cmd cmd_user_remove = {
	.name = "user remove",
	.summary = "remove a user and everything of theirs",
	.args = "ID|UPN",
	.args_min = 1,
	.args_max = 1,
	.settings = settings,
	.about = remove_about,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_user_remove,
};

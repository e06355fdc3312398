/* SPDX-License-Identifier: Apache-2.0 */
/* The application access policy: which applications may reach the meetings of which users. */
#include "cmd/cmd.h"

#include "auth/policy.h"
#include "admin/user_lookup.h"
#include "admin/writer.h"
#include "text/json_write.h"

static const enum conf_id settings[] = { CONF_STORE, CONF_COUNT };

/* ---- allow, remove ---------------------------------------------------------------------------------------- */

static const struct cmd_option change_options[] = {
	{ "global", NULL, "for all users who have no policy of their own", false },
	{ "tenant", "GUID", "the tenant of the user, or of the global policy; without it the store's own", false },
	{ 0 },
};

static const char *const allow_about[] = {
	"Lets the application APP (its client id) reach the online meetings of USER, or, with --global, of every user "
	"who has no policy of their own. Without a policy, calls on one meeting's recordings are answered with 403, "
	"as Microsoft Teams does; getAllRecordings asks it only if the configuration says so.",
	NULL,
};

static const char *const remove_about[] = {
	"Takes the application out of the user's policy, or out of the global one. A user whose policy has nobody left "
	"in it is served by the global one again.",
	NULL,
};

static const struct cmd_example allow_examples[] = {
	{ "tidemark policy allow 6c5b0c0e-1f7c-4b6c-9f4e-1f2a3b4c5d6e --global",
	  "Let one application reach all meetings" },
	{ 0 },
};

static int
find_user(struct cmd_run *run, struct store *store, const struct guid *tenant, struct guid *user_out)
{
	const char *name = run->args[1];
	struct user user;
	enum err    err = user_lookup(store, tenant, str_from_c(name), run->arena, &user);

	if (err == ERR_CONFLICT)
		return console_fail(EXIT_PERMANENT, "several tenants have a user \"%s\"; give the id", name);
	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT, "there is no user \"%s\"; `tidemark user list` shows who is there",
		                    name);
	if (err != OK)
		return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
	*user_out = user.id;
	return EXIT_DONE;
}

static int
send(struct writer *writer, struct buf *line)
{
	struct apply_result result;
	enum err            err = writer_apply(writer, buf_str(line), &result);

	if (err == OK && result.counts.absent > 0)
		return console_fail(EXIT_PERMANENT,
		                    "that policy does not have the application; `tidemark policy list` shows all");
	return err == OK ? EXIT_DONE : console_fail(exit_code_of(err), "%s", result.why);
}

static int
change(struct cmd_run *run, struct writer *writer, bool removes)
{
	struct guid tenant = { { 0 } }, user = { { 0 } };
	struct buf  line;
	bool        has_tenant = cmd_has(run, "tenant");
	int         code = cmd_value_guid(run, "tenant", &tenant);

	if (code == EXIT_DONE && !cmd_has(run, "global"))
		code = find_user(run, writer->store, has_tenant ? &tenant : NULL, &user);
	if (code != EXIT_DONE)
		return code;
	buf_open(&line, (size_t)4 << 10);
	line_put_policy(&line, removes, &user, has_tenant ? &tenant : NULL, str_from_c(run->args[0]));
	code = send(writer, &line);
	buf_close(&line);
	return code;
}

static int
run_change(struct cmd_run *run, bool removes)
{
	struct writer writer;
	int           code;

	if (!policy_app_valid(str_from_c(run->args[0])))
		return cmd_usage(run, "\"%s\" is not an application's id", run->args[0]);
	if (cmd_has(run, "global") == (run->arg_count == 2))
		return cmd_usage(run, "give either a user or --global");
	code = writer_open(run, false, &writer);
	if (code == EXIT_DONE)
		code = change(run, &writer, removes);
	writer_close(&writer);
	return code;
}

static int
run_policy_allow(struct cmd_run *run)
{
	return run_change(run, false);
}

static int
run_policy_remove(struct cmd_run *run)
{
	return run_change(run, true);
}

const struct cmd cmd_policy_allow = {
	.name = "policy allow",
	.summary = "let an application reach a user's meetings",
	.args = "APP [USER]",
	.args_min = 1,
	.args_max = 2,
	.settings = settings,
	.options = change_options,
	.about = allow_about,
	.examples = allow_examples,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_policy_allow,
};

const struct cmd cmd_policy_add = {
	.name = "policy add",
	.summary = "the same as policy allow",
	.args = "APP [USER]",
	.args_min = 1,
	.args_max = 2,
	.settings = settings,
	.options = change_options,
	.about = allow_about,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_policy_allow,
};

const struct cmd cmd_policy_remove = {
	.name = "policy remove",
	.summary = "take an application out of a policy",
	.args = "APP [USER]",
	.args_min = 1,
	.args_max = 2,
	.settings = settings,
	.options = change_options,
	.about = remove_about,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_policy_remove,
};

/* ---- list ---------------------------------------------------------------------------------------------------- */

static const struct cmd_option list_options[] = {
	{ "json", NULL, "one JSON object a line: app, user (null for the global policy), tenantId", false },
	{ 0 },
};

static const char *const list_about[] = {
	"Prints the policies, one application a line: the application, then the user's id or \"global\".",
	NULL,
};

static void
put_one(struct cmd_run *run, const struct policy *policy, struct str app)
{
	bool            global = guid_is_zero(&policy->user);
	char            user[GUID_TEXT_LEN], tenant[GUID_TEXT_LEN];
	struct json_out json;

	guid_format(&policy->user, user);
	guid_format(&policy->tenant, tenant);
	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%-36.*s  %.*s\n", STR_ARG(app), global ? 6 : GUID_TEXT_LEN,
		           global ? "global" : user);
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("app"), app);
	json_put_name(&json, STR("user"));
	if (global)
		json_put_null(&json);
	else
		json_put_text(&json, str_of(user, sizeof(user)));
	json_put_member(&json, STR("tenantId"), str_of(tenant, sizeof(tenant)));
	out_end_object(run->out, &json);
}

static int
run_policy_list(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	struct policy                   after = { .apps = STR_EMPTY }, policy;
	struct str                      app;
	enum err                        err;
	int                             code = open_for_reading(run, &store);

	if (code != EXIT_DONE)
		return code;
	while ((err = policy_next(store, &after, arena, &policy)) == OK) {
		after = policy;
		while (str_take_until(&policy.apps, '\n', &app))
			put_one(run, &policy, app);
		arena_reset(arena);
	}
	return err == ERR_NOT_FOUND ? EXIT_DONE
	                            : console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
}

const struct cmd cmd_policy_list = {
	.name = "policy list",
	.summary = "print the policies",
	.settings = settings,
	.options = list_options,
	.about = list_about,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_policy_list,
};

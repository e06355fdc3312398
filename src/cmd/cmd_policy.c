/* SPDX-License-Identifier: Apache-2.0 */
/* The application access policy: which applications may access the meetings of which users. */
#include "cmd/cmd.h"

#include "auth/policy.h"
#include "admin/writer.h"
#include "text/json_write.h"

static const struct cmd_option change_options[] = {
	{ "global", NULL, "for all users who have no policy of their own", false },
	{ "tenant", "GUID", "the tenant of the user or of the global policy (default: the store's own)", false },
	{ 0 },
};

static const char *const allow_about[] = {
	"Lets the application APP (its client id) access the online meetings of USER. With --global it may access "
	"those of every user who has no policy of their own.",
	"Without a policy, calls for the recordings of one meeting get 403, as in Microsoft Teams. getAllRecordings "
	"needs a policy only if the configuration says so.",
	NULL,
};

static int
change(struct cmd_run *run, bool removes)
{
	AUTO(writer_close) struct writer writer = { .sock = { NULL, -1 } };
	AUTO(buf_close) struct buf       line;
	struct guid                      tenant = { { 0 } };
	struct user                      user = { 0 };
	const struct guid               *given = cmd_has(run, "tenant") ? &tenant : NULL;

	buf_open(&line, (size_t)4 << 10);
	if (!policy_app_valid(str_from_c(run->args[0])))
		return cmd_usage(run, "\"%s\" is not an application's id", run->args[0]);
	if (cmd_has(run, "global") == (run->arg_count == 2))
		return cmd_usage(run, "give either a user or --global");
	TRY_CODE(writer_open(run, false, &writer));
	TRY_CODE(cmd_value_guid(run, "tenant", &tenant));
	if (!cmd_has(run, "global"))
		TRY_CODE(user_lookup(run, writer.store, given, run->args[1], &user));
	line_put_policy(&line, removes, &user.id, given, str_from_c(run->args[0]));
	return writer_send(&writer, &line,
	                   "that policy does not have the application; `tidemark policy list` shows all");
}

static int
run_policy_allow(struct cmd_run *run)
{
	return change(run, false);
}

static int
run_policy_remove(struct cmd_run *run)
{
	return change(run, true);
}

#define CHANGES_POLICY \
	.args = "APP [USER]", .settings = conf_store_only, .options = change_options, \
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED }

const struct cmd cmd_policy_allow = {
	CHANGES_POLICY,
	.name = "policy allow",
	.summary = "let an application access a user's meetings",
	.about = allow_about,
	.examples = EXAMPLES({ "tidemark policy allow 6c5b0c0e-1f7c-4b6c-9f4e-1f2a3b4c5d6e --global",
	                       "Let one application access all meetings" }),
	.run = run_policy_allow,
};

const struct cmd cmd_policy_add = {
	CHANGES_POLICY,       .name = "policy add",    .summary = "the same as policy allow",
	.about = allow_about, .run = run_policy_allow,
};

const struct cmd cmd_policy_remove = {
	CHANGES_POLICY,
	.name = "policy remove",
	.summary = "remove an application from a policy",
	.about = ABOUT(
		"Removes the application from the user's policy, or with --global from the global one. If the user's "
		"policy is then empty, the global policy applies to the user again."),
	.run = run_policy_remove,
};

static void
put_one(struct cmd_run *run, const struct policy *policy, struct str app)
{
	bool            global = guid_is_zero(&policy->user);
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%-36.*s  %s\n", STR_ARG(app), global ? "global" : guid_str(&policy->user).c);
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("app"), app);
	if (global)
		json_put_member_raw(&json, STR("user"), STR("null"));
	else
		json_put_member_guid(&json, STR("user"), &policy->user);
	json_put_member_guid(&json, STR("tenantId"), &policy->tenant);
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

	TRY_CODE(open_for_reading(run, &store));
	while ((err = policy_next(store, &after, arena, &policy)) == OK) {
		after = policy;
		while (str_take_until(&policy.apps, '\n', &app))
			put_one(run, &policy, app);
		arena_reset(arena);
	}
	return store_read_code(err);
}

const struct cmd cmd_policy_list = {
	.name = "policy list",
	.summary = "print the policies",
	.settings = conf_store_only,
	.options = OPTIONS(
		{ "json", NULL, "one JSON object a line: app, user (null for the global policy), tenantId", false }),
	.about = ABOUT(
		"Prints the policies, one application a line: the application, then the user's id or \"global\"."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_policy_list,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "resource/family.h"
#include "sync/following.h"

static int
forget_all(struct cmd_run *run, struct replica *replica, const struct replica_scope *scope)
{
	struct signals signals;
	bool           done = false;
	enum err       err = OK;
	int            code = EXIT_DONE;

	signals_open(&signals);
	while (err == OK && !done && !signals_came(&signals))
		err = replica_forget_scope(replica, scope->sid, &done);
	if (err != OK)
		code = following_failed(run, replica, err);
	else if (done)
		console_say("%.*s is forgotten: %llu items of %.*s", STR_ARG(scope->name),
		            (unsigned long long)scope->items, STR_ARG(scope->url));
	else
		code = console_fail((enum exit_code)signals_code(&signals),
		                    "stopped by a signal; the same command goes on from here");
	signals_close(&signals);
	return code;
}

static int
run_forget(struct cmd_run *run)
{
	AUTO(replica_close) struct replica *replica = NULL;
	struct replica_scope                scope;

	TRY_CODE(following_own(run, &replica));
	TRY_CODE(following_scope_named(run, replica, run->args[0], run->arena, &scope));
	return forget_all(run, replica, &scope);
}

const struct cmd cmd_scope_forget = {
	.name = "scope forget",
	.summary = "forget a followed URL with all its items",
	.args = "NAME",
	.settings = conf_store_only,
	.about = ABOUT(
		"Deletes a followed URL from the store: its items, its changes, the staged part of a round, its dead "
		"letters, its grants and its saved link. It makes no network calls and reports no removals. Files in a "
		"folder given by --content stay. A later `tidemark sync` of the URL starts from the beginning. Changes "
		"of other scopes keep their numbers, and no number is used again.",
		"You may stop or kill it at any moment. The scope is then still listed, without items, and `tidemark "
		"changes` may still print some of its changes. Run the same command again, or sync the URL, to "
		"complete it. The file does not get smaller; later data uses the space."),
	.examples = EXAMPLES({ "tidemark scope forget calendars-2", "Stop following that URL" }),
	.is_for_files = true,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED },
	.run = run_forget,
};

static int
rename_to(struct cmd_run *run, struct replica *replica, const struct replica_scope *scope, struct str name)
{
	enum err err;

	if (str_eq(scope->name, name)) {
		console_say("%.*s is called so already", STR_ARG(name));
		return EXIT_DONE;
	}
	err = replica_rename_scope(replica, scope->sid, name);
	if (err == ERR_CONFLICT)
		return console_fail(EXIT_PERMANENT, "there is already a scope \"%.*s\"", STR_ARG(name));
	if (err != OK)
		return following_failed(run, replica, err);
	console_say("%.*s is now called %.*s", STR_ARG(scope->name), STR_ARG(name));
	return EXIT_DONE;
}

static int
run_rename(struct cmd_run *run)
{
	AUTO(replica_close) struct replica *replica = NULL;
	struct replica_scope                scope;
	struct str                          name = str_from_c(run->args[1]);

	if (!scope_name_is_good(name))
		return cmd_usage(run, SCOPE_NAME_RULE, REPLICA_NAME_MAX);
	TRY_CODE(following_own(run, &replica));
	TRY_CODE(following_scope_named(run, replica, run->args[0], run->arena, &scope));
	return rename_to(run, replica, &scope, name);
}

const struct cmd cmd_scope_rename = {
	.name = "scope rename",
	.summary = "give a followed URL another name",
	.args = "NAME NEW-NAME",
	.settings = conf_store_only,
	.about = ABOUT(
		"Changes the name of a scope. `status`, `changes`, `export` and the SQL views then show the new name, "
		"also for earlier changes. Its items, its saved link, the numbers of its changes and what readers "
		"acknowledged stay. Its grants (`scope grant`) go along, and any under the new name end.",
		"Sections of the configuration name the scope, too. Rename its [scope] section, or its runs end with "
		"an error, and its [serve] section. Readers of the served scope then go on with the links that they "
		"have for the path of its URL. Links at /scopes/NAME name nothing any more."),
	.examples = EXAMPLES({ "tidemark scope rename calendars ann", "Name a scope after its owner" }),
	.is_for_files = true,
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_rename,
};

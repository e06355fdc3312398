/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "sync/round.h"
#include "sync/scopes.h"

static int
sync_url(struct cmd_run *run)
{
	AUTO(following_close) struct following following;
	int                                    code;

	TRY_CODE(following_open(run, &following, NULL));
	code = round_run(&following);
	while (cmd_has(run, "watch") && following_goes_on(code)) {
		code = following_rest(&following, code);
		if (code == EXIT_DONE)
			code = round_run(&following);
	}
	return code;
}

static int
sync_scopes(struct cmd_run *run)
{
	struct signals           signals;
	const struct scopes_conf conf = { .run = run, .round = round_run, .signals = &signals };
	struct scopes           *scopes = NULL;
	int                      code;

	signals_open(&signals);
	code = scopes_open(&conf, &scopes);
	if (code == EXIT_DONE)
		code = scopes_run(scopes);
	scopes_close(&scopes);
	signals_close(&signals);
	return code;
}

static int
run_sync(struct cmd_run *run)
{
	static const char *const for_one[] = { "scope", "resync", "content", "content-time" };
	size_t                   harmless = (size_t)cmd_has(run, "json") + cmd_has(run, "exit-code");
	bool                     is_known = false;
	int                      code = EXIT_DONE;

	if (cmd_has(run, "all") == (run->arg_count > 0))
		return cmd_usage(run, "sync needs a URL or --all");
	/* A server follows as its own configuration says, so nothing else may be asked for. */
	if (run->arg_count > 0 && run->given_count == harmless)
		code = follow_now(run, &is_known);
	if (is_known)
		return code;
	if (run->arg_count > 0)
		return sync_url(run);
	for (size_t i = 0; i < COUNT_OF(for_one); i++)
		if (cmd_has(run, for_one[i]))
			return cmd_usage(run, "--all and --%s exclude each other", for_one[i]);
	return sync_scopes(run);
}

const struct cmd cmd_sync = {
	.name = "sync",
	.summary = "keep a store up to date with a delta URL",
	.args = "[URL|NAME]",
	.settings = SETTINGS(CONF_STORE, CONF_MAX_CONTENT),
	.options = OPTIONS(FOLLOWING_SHARED_OPTIONS, FOLLOWING_SYNC_OPTIONS,
	                   { "all", NULL,
	                     "follow all [scope] sections of the configuration file at once, instead of one URL",
	                     false },
	                   { "json", NULL, "one JSON object a round on standard output", false }),
	.about = ABOUT(
		"Follows one delta URL of Microsoft Graph, or of any server that answers like it, up to its "
		"deltaLink. The store then holds the same items as the remote. The next run asks only for the "
		"changes. Read the items with `tidemark changes`, with `tidemark export`, or with SQL (the views "
		"items, calendars, recordings, scopes, changes).",
		"You may stop or kill it at any moment. The next run continues, and readers of the store see the "
		"result of a whole round, never half of one. If the remote no longer knows the cursor, the command "
		"lists everything again beside the old view. It then removes the items that are no longer listed, "
		"unless they are more than --max-delete allows.",
		"If an item cannot be stored, or content is refused, the command names it, does the rest, and exits "
		"with 8. --max-wait limits the time without a page: both the waits that the remote asks for and the "
		"time it does not answer. Eight failures in a row for which the remote asks no wait also end the run.",
		"--resync reads everything again, although the remote still knows the cursor: for a store that "
		"`tidemark verify` finds wrong. Removals are reported, the numbers of changes go on, and "
		"--max-delete holds.",
		"--all follows every [scope \"name\"] section of the configuration file, in one process: at most "
		"four at a time of one host. A wait that a host asks for is for all of its scopes, and one that "
		"fails stops no other. The exit code is the worst of all, in this order: 7, 12, 1, 3, 4, 6, 11, 5, "
		"8, 0. With --json each line names its scope.",
		"Beside a server that follows (`serve --follow`), a URL of its configuration, or the NAME of a "
		"section or scope, is followed by the server: the command asks for a round, waits for its end, and "
		"exits with its code, as `tidemark follow now` does. Only --json and --exit-code may be given then.",
		FOLLOWING_ABOUT_CREDENTIALS),
	.examples = EXAMPLES(
		{ "tidemark sync https://graph.microsoft.com/beta/me/calendars/delta --bearer-command "
	          "'az account get-access-token --resource https://graph.microsoft.com'",
	          "Copy a user's calendars to a store" },
		{ "tidemark sync URL --bearer-file token --watch --every 5m", "Keep the store up to date" },
		{ "tidemark sync --all --watch", "Keep all scopes of the configuration file up to date" }),
	.is_for_files = true,
	.exits = { FOLLOWING_EXITS },
	.run = run_sync,
};

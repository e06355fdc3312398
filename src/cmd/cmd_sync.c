/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "sync/following.h"
#include "text/json_write.h"

static const enum conf_id settings[] = { CONF_STORE, CONF_MAX_CONTENT, CONF_COUNT };

static const struct cmd_option options[] = {
	FOLLOWING_SHARED_OPTIONS,
	FOLLOWING_SYNC_OPTIONS,
	{ "json", NULL, "one JSON object a round on standard output", false },
	{ 0 },
};

static const char *const about[] = {
	"Follows one delta URL of Microsoft Graph, or of any server that answers like it, up to its deltaLink. The "
	"store then holds the same items as the remote. The next run asks only for the changes. Read the items with "
	"`tidemark changes`, with `tidemark export`, or with SQL (the views items, calendars, recordings, scopes, "
	"changes).",
	"You may stop or kill it at any moment. The next run continues, and readers of the store see the result of a "
	"whole round, never half of one. If the remote no longer knows the cursor, the command lists everything again "
	"beside the old view. It then removes the items that are no longer listed, unless they are more than "
	"--max-delete allows.",
	"If an item cannot be stored, or content is refused, the command names it, does the rest, and exits with 8. "
	"--max-wait limits the time without a page: both the waits that the remote asks for and the time it does not "
	"answer. Eight failures in a row for which the remote asks no wait also end the run.",
	"--resync reads everything again, although the remote still knows the cursor: for a store that `tidemark "
	"verify` finds wrong. Removals are reported, the numbers of changes go on, and --max-delete holds.",
	FOLLOWING_ABOUT_CREDENTIALS,
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark sync https://graph.microsoft.com/beta/me/calendars/delta --bearer-command "
	  "'az account get-access-token --resource https://graph.microsoft.com'",
	  "Copy a user's calendars to a store" },
	{ "tidemark sync URL --bearer-file token --watch --every 5m", "Keep the store up to date" },
	{ 0 },
};

static void
put_json(struct following *following, int code)
{
	const struct replica_tally *tally = &following->last.tally;
	struct json_out             json = json_out_object(out_buf(following->run->out));
	bool                        done = code == EXIT_DONE || code == EXIT_EXCEPTIONS || code == EXIT_UNCHANGED;

	json_put_member(&json, STR("event"), STR("result"));
	json_put_member_bool(&json, STR("caughtUp"), done);
	json_put_member_int(&json, STR("exitCode"), code);
	json_put_member_int(&json, STR("created"), (int64_t)tally->created);
	json_put_member_int(&json, STR("updated"), (int64_t)tally->updated);
	json_put_member_int(&json, STR("removed"), (int64_t)tally->removed);
	json_put_member_int(&json, STR("returned"), (int64_t)tally->returned);
	json_put_member_int(&json, STR("swept"), (int64_t)tally->swept);
	json_put_member_int(&json, STR("deadLetters"), (int64_t)tally->letters);
	json_put_member_int(&json, STR("throttledMs"), (int64_t)following->throttled_ms);
	json_put_member(&json, STR("message"), str_from_c(done ? "" : following->last.why));
	out_end_object(following->run->out, &json);
	(void)out_flush(following->run->out);
}

static void
report(struct following *following)
{
	const struct replica_tally *tally = &following->last.tally;

	console_say("caught up: %llu created, %llu updated, %llu removed, %llu returned",
	            (unsigned long long)tally->created, (unsigned long long)tally->updated,
	            (unsigned long long)tally->removed, (unsigned long long)tally->returned);
	if (tally->swept > 0)
		console_say("%llu of the removed were no longer listed: the remote no longer knew the cursor",
		            (unsigned long long)tally->swept);
}

static int
one_round(struct following *following)
{
	int code = following_round(following);

	if (code == EXIT_DONE) {
		report(following);
		code = following_content(following);
		if (code == EXIT_DONE)
			code = following_verdict(following);
	}
	if (cmd_has(following->run, "json"))
		put_json(following, code);
	return following->run->out->failed && following_goes_on(code) ? out_verdict(following->run->out) : code;
}

static int
sync_all(struct following *following)
{
	int code = one_round(following);

	while (cmd_has(following->run, "watch") && following_goes_on(code)) {
		code = following_rest(following, code);
		if (code == EXIT_DONE)
			code = one_round(following);
	}
	return code;
}

static int
run_sync(struct cmd_run *run)
{
	AUTO(following_close) struct following following;

	TRY_CODE(following_open(run, &following, NULL));
	return sync_all(&following);
}

const struct cmd cmd_sync = {
	.name = "sync",
	.summary = "keep a store up to date with a delta URL",
	.args = "URL",
	.args_min = 1,
	.args_max = 1,
	.settings = settings,
	.options = options,
	.about = about,
	.examples = examples,
	.is_for_files = true,
	.exits = { FOLLOWING_EXITS },
	.run = run_sync,
};

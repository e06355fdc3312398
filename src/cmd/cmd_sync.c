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
	"Follows one delta URL of Microsoft Graph, or of any server that answers like it, up to its deltaLink: the "
	"store then holds the items as they are there. Run again, it asks only for what has changed. What is kept "
	"can be read with `tidemark changes`, with `tidemark export`, and by SQL (the views items, calendars, "
	"recordings, scopes, changes).",
	"It may be stopped or killed at any moment: the next run goes on where it was, and readers of the store "
	"see the view of a whole round or the one before, never half of one. If the far end no longer knows our "
	"place, everything is asked for anew beside the old view; what the new listing does not name is then "
	"removed, unless that is more than --max-delete allows.",
	"Items that cannot be stored, and content that is refused, are named; the rest goes on, and the exit code is 8. "
	"--max-wait counts by the clock what the far end asks to wait and the time it keeps silent; eight failures in a row "
	"without such a wish end the run, too.",
	FOLLOWING_ABOUT_CREDENTIALS,
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark sync https://graph.microsoft.com/beta/me/calendars/delta --bearer-command 'az account get-access-token "
	  "--resource https://graph.microsoft.com'",
	  "Bring a store in step with a mailbox's calendars" },
	{ "tidemark sync URL --bearer-file token --watch --every 5m", "Stay in step" },
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
		console_say("%llu of the removed were no longer listed after the far end had forgotten our place",
		            (unsigned long long)tally->swept);
}

static bool
goes_on(int code)
{
	return following_may_go_on(code) || code == EXIT_EXCEPTIONS || code == EXIT_UNCHANGED;
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
	return following->run->out->failed && goes_on(code) ? out_verdict(following->run->out) : code;
}

static int
sync_all(struct following *following)
{
	int code = one_round(following);

	while (cmd_has(following->run, "watch") && goes_on(code)) {
		code = following_rest(following);
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
	.summary = "keep a store in step with a delta URL",
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

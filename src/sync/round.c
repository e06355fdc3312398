/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/round.h"

#include "text/json_write.h"

static void
put_json(struct following *following, int code)
{
	const struct replica_tally *tally = &following->last.tally;
	struct json_out             json = json_out_object(out_buf(following->run->out));
	bool                        done = code == EXIT_DONE || code == EXIT_EXCEPTIONS || code == EXIT_UNCHANGED;

	json_put_member(&json, STR("event"), STR("result"));
	if (following->run->label)
		json_put_member(&json, STR("scope"), str_from_c(following->run->label));
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
	const struct cmd_run       *run = following->run;

	/* Of many scopes that are watched only what happens is of interest. */
	if (run->label && (run->log || cmd_has(run, "watch")) &&
	    tally->created + tally->updated + tally->removed + tally->returned == 0)
		return;
	cmd_say(run, "caught up: %llu created, %llu updated, %llu removed, %llu returned",
	        (unsigned long long)tally->created, (unsigned long long)tally->updated,
	        (unsigned long long)tally->removed, (unsigned long long)tally->returned);
	if (tally->swept > 0)
		cmd_say(run, "%llu of the removed were no longer listed: the remote no longer knew the cursor",
		        (unsigned long long)tally->swept);
}

int
round_run(struct following *following)
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/following.h"

#define REFUSED_SHOWN  20
#define REFUSED_ID_MAX 300

static void
note_refused(struct following *following, struct str fault)
{
	following->content_err = replica_note_fault(following->replica, follow_sid(following->follow), fault,
	                                            clock_wall_ms(following->run->clock));
}

/* `status` shows the first refusal until a later run succeeds. */
static void
report_refused(void *ctx, struct str id, bool is_partial, const char *why)
{
	struct following *following = ctx;
	char              fault[2048];

	if (!is_partial && following->content_refused++ == 0)
		note_refused(following,
		             str_of(fault, str_printf(fault, sizeof(fault), "the content of %.*s is refused: %s",
		                                      STR_ARG(id), why)));
	if (++following->content_reported <= REFUSED_SHOWN)
		cmd_say(following->run, "the content of %.*s is %s: %s", STR_ARG(str_cut(id, REFUSED_ID_MAX)),
		        is_partial ? "not whole yet" : "refused", why);
}

int
following_content(struct following *following)
{
	const struct replica_tally *round = &following->last.tally;
	bool                        watches = following->run->log || cmd_has(following->run, "watch");
	struct follow_content_conf  conf = { .dir = cmd_value(following->run, "content"),
		                             .past = following->shared ? following->shared->content
		                                                       : &following->own_content,
		                             .fetch = following->curl,
		                             .bearer = following->conf.bearer,
		                             .lock = following->shared ? following->shared->lock : NULL,
		                             .clock = following->run->clock,
		                             .size_max = (int64_t)following->content_size,
		                             .time_max_ms = following->content_ms,
		                             .max_wait_ms = watches ? 0 : following->conf.max_wait_ms,
		                             .pause = following->conf.pause,
		                             .has_changes = round->created + round->updated + round->returned > 0,
		                             .stopped = signals_came,
		                             .stopped_ctx = following->signals,
		                             .refused = report_refused,
		                             .refused_ctx = following };
	struct follow_content_tally tally;
	char                        why[512];
	enum err                    err;

	if (!conf.dir)
		return EXIT_DONE;
	following->content_refused = following->content_reported = 0;
	following->content_err = OK;
	err = follow_content(&conf, following->replica, follow_sid(following->follow), &tally, why);
	if (err == OK && following->content_refused == 0 && tally.refused > 0)
		note_refused(following, STR("content is refused; it is asked for again after a pause"));
	following->content_refused = tally.refused;
	if (err == OK)
		err = following->content_err;
	if (err != OK && why[0])
		return cmd_fail(following->run, exit_code_of(err), "%s", why);
	if (err != OK)
		return following_failed(following->run, following->replica, err);
	if (!following->run->label || tally.fetched + following->content_reported > 0)
		cmd_say(following->run,
		        "content: %llu fetched, %llu bytes, %llu waiting, %llu need payment, %llu refused, "
		        "%llu in parts%s",
		        (unsigned long long)tally.fetched, (unsigned long long)tally.bytes,
		        (unsigned long long)tally.waiting, (unsigned long long)tally.payment,
		        (unsigned long long)tally.refused, (unsigned long long)tally.partial,
		        tally.partial > 0 ? " (the next run goes on with those)" : "");
	if (following->content_reported > REFUSED_SHOWN)
		cmd_say(following->run, "the content of %llu more is refused or not whole yet",
		        (unsigned long long)(following->content_reported - REFUSED_SHOWN));
	return signals_came(following->signals) ? following_stopped(following) : EXIT_DONE;
}

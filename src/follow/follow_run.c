/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_run.h"

#include <stdarg.h>

#include "fetch/fetch_secrets.h"

const struct fetch_secrets *
follow_run_secrets(const struct follow *follow)
{
	return follow->conf.bearer ? follow->conf.bearer->secrets : NULL;
}

/* With --watch another run follows in the same process. */
static void
forget_run(struct follow *follow)
{
	follow->tries = 0;
	follow->bearer_refused = follow->skims = false;
	follow->size_before = follow->begun_with = follow->size_goal = follow->size_kept = 0;
	follow->round_again = follow->location_tried = follow->everything_anew = false;
}

enum err
follow_run_end(struct step *step, enum follow_next next, const char *fmt, ...)
{
	va_list list;

	step->report->next = next;
	va_start(list, fmt);
	(void)str_vprintf(step->report->why, sizeof(step->report->why), fmt, list);
	va_end(list);
	fetch_secrets_mask(follow_run_secrets(step->follow), step->report->why, strlen(step->report->why));
	if (next >= FOLLOW_CAUGHT_UP)
		forget_run(step->follow);
	return OK;
}

enum err
follow_run_begin(struct step *step, enum replica_kind kind, struct str link)
{
	struct follow *follow = step->follow;

	follow->cycle = (struct follow_cycle){ 0 };
	follow->tries = 0;
	return replica_begin_round(follow->replica, step->scope.sid, kind, link, clock_wall_ms(follow->conf.clock));
}

enum err
follow_run_drop(struct step *step, const char *what)
{
	TRY(replica_drop_round(step->follow->replica, step->scope.sid));
	return follow_run_end(step, FOLLOW_BROKEN, "the round is dropped: %s; the view stays as it was", what);
}

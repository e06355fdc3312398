/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_wait.h"
#include "follow/follow_run.h"

#define HOST_PAUSE_MAX ((int64_t)3600 * 1000)
#define SHRINK_FROM    200 /* the first page size to halve if none was requested */

/* Counts from the start of the first failed try, so slow requests count as waiting too. */
static int64_t
left_ms(const struct follow *follow)
{
	return follow->conf.max_wait_ms - (clock_mono_ms(follow->conf.clock) - follow->since_ms);
}

/* A wait that the remote asks for is for all that follow there.  After an hour somebody asks again. */
static void
pause_host(struct follow *follow, int64_t ms)
{
	int64_t until_ms = clock_mono_ms(follow->conf.clock) + (ms < HOST_PAUSE_MAX ? ms : HOST_PAUSE_MAX);

	if (follow->conf.pause && until_ms > follow->conf.pause->until_mono_ms)
		follow->conf.pause->until_mono_ms = until_ms;
}

static enum err
wait_for(struct step *step, int64_t ms, bool throttled, const char *why)
{
	struct follow *follow = step->follow;

	if (ms > left_ms(follow) && !throttled && follow_restart_may_leave_location(step))
		return follow_restart_leave_location(step, why);
	if (ms > left_ms(follow))
		return follow_run_end(step, FOLLOW_TROUBLED,
		                      "%s; waiting %.1f s more would be too long (see --max-wait)", why,
		                      (double)ms / 1000);
	if (throttled) {
		TRY(replica_note_pause(follow->replica, step->scope.sid, ms));
		pause_host(follow, ms);
	}
	follow->asks_last = throttled && follow->conf.pause;
	follow->own_pause.until_mono_ms = clock_mono_ms(follow->conf.clock) + ms;
	step->report->wait_ms = ms;
	step->report->throttled = throttled;
	return follow_run_end(step, FOLLOW_WAIT, "%s", why);
}

/* A page that misses a deadline or breaks off may arrive whole if it is smaller. */
static void
shrink_page(struct follow *follow)
{
	if (follow->tries < 2)
		return;
	if (follow->page_size == 0)
		follow->page_size = SHRINK_FROM;
	else if (follow->page_size > 1)
		follow->page_size /= 2;
}

/* A date counts from the remote's own clock, if it says what that shows. */
static int64_t
requested_wait(const struct follow *follow, const struct follow_response *response)
{
	int64_t now_ns = follow->conf.clock->wall_ns(follow->conf.clock->ctx);

	if (!response)
		return -1;
	return fetch_wait_requested(response->retry_after, fetch_wait_now(response->date, now_ns));
}

enum err
follow_later(struct step *step, const struct follow_response *response, unsigned tries_max, const char *why)
{
	struct follow *follow = step->follow;
	int64_t        requested_ms = requested_wait(follow, response), own_ms;
	bool           throttled = requested_ms >= 0 || (response && response->status == 429);

	step->report->unanswered = !response;
	follow->tries++;
	if (!throttled) {
		if (follow->tries >= tries_max && follow_restart_may_leave_location(step))
			return follow_restart_leave_location(step, why);
		if (follow->tries >= tries_max)
			return follow_run_end(step, FOLLOW_TROUBLED, "%s; tried %u times", why, follow->tries);
		shrink_page(follow);
	}
	if (requested_ms >= FETCH_WAIT_MAX_MS)
		return follow_run_end(step, FOLLOW_TROUBLED,
		                      "%s; it asks to stay away for longer than %lld s (see --max-wait)", why,
		                      (long long)FETCH_WAIT_MAX_MS / 1000);
	if (requested_ms >= 0 && requested_ms > left_ms(follow)) {
		pause_host(follow, requested_ms);
		return follow_run_end(step, FOLLOW_TROUBLED,
		                      "%s; it asks to stay away for %.1f s, which would be too long (see --max-wait)",
		                      why, (double)requested_ms / 1000);
	}
	/* A remote that answers "Retry-After: 0" every time still gets longer and longer pauses. */
	own_ms = fetch_wait_own(follow->tries);
	return wait_for(step, fetch_wait_jitter(requested_ms > own_ms ? requested_ms : own_ms, follow->conf.entropy),
	                throttled, why);
}

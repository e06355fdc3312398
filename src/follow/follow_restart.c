/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      a page's link --> the round's own link --> the Location, if there is a good one --> the scope's own URL
 *
 * A dead link leads to the next one on its right that this run has not tried yet.  When there is none, the run ends.
 */
#include "fetch/fetch_secrets.h"
#include "follow/follow_run.h"
#include "follow/follow_scope.h"

static bool
is_own_url(const struct step *step)
{
	return str_eq(step->scope.round_link, step->scope.url);
}

bool
follow_link_is_dead(unsigned status)
{
	static const unsigned others[] = { 401, 403, 408, 423, 425, 429 };

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (status == others[i])
			return false;
	return status >= 400 && status < 500;
}

bool
follow_restart_is_due(const struct step *step, unsigned status)
{
	return status == 410 || (follow_link_is_dead(status) && !is_own_url(step));
}

/* False: there is none, or it may not be followed. */
static bool
read_location(const struct step *step, const struct follow_response *response, struct str *link_out)
{
	struct follow *follow = step->follow;
	const char    *why;

	if (!response || response->location.len == 0 || follow->location_tried)
		return false;
	*link_out = fetch_link_resolve(step->scope.round_link, response->location, follow->page);
	return !fetch_secrets_stand_in_link(follow_run_secrets(follow), *link_out, follow->page) &&
	       fetch_link_is_good(&follow->origin, *link_out, &why) && !str_eq(*link_out, step->scope.round_link) &&
	       !(follow->everything_anew && str_eq(*link_out, step->scope.url));
}

static bool
may_repeat_round(const struct step *step)
{
	return step->scope.kind == REPLICA_NEXT && step->scope.round_pages > 0 && !step->follow->round_again;
}

static enum err
read_anew(struct step *step, struct str link, const char *why)
{
	if (str_eq(link, step->scope.url))
		step->follow->everything_anew = true;
	else
		step->follow->location_tried = true;
	TRY(follow_run_begin(step, step->scope.rounds > 0 ? REPLICA_RESYNC : REPLICA_FIRST, link));
	return follow_run_end(step, FOLLOW_STARTED_OVER,
	                      "the remote no longer knows the saved link (%s): everything is read again", why);
}

/* A feed that lists nothing cannot be read again: what changed since the saved link stays unknown. */
static enum err
start_from_now(struct step *step, const char *why)
{
	step->follow->everything_anew = true;
	TRY(follow_run_begin(step, REPLICA_GAP, step->follow->conf.url));
	return follow_run_end(
		step, FOLLOW_STARTED_OVER,
		"the remote no longer knows the saved link (%s): the changes since then are lost, and the scope "
		"goes on from now; its items stay",
		why);
}

enum err
follow_restart(struct step *step, const struct follow_response *response, const char *why)
{
	struct follow *follow = step->follow;
	bool           lists = !follow_scope_lists_nothing(&step->scope, follow->resource);
	struct str     location;

	if (lists && read_location(step, response, &location))
		return read_anew(step, location, why);
	if (may_repeat_round(step)) {
		follow->round_again = true;
		TRY(follow_run_begin(step, REPLICA_NEXT, step->scope.delta_link));
		return follow_run_end(step, FOLLOW_AGAIN,
		                      "the remote no longer knows a page of this round (%s): the round begins anew",
		                      why);
	}
	if (!follow->everything_anew)
		return lists || step->scope.rounds == 0 ? read_anew(step, step->scope.url, why)
		                                        : start_from_now(step, why);
	TRY(replica_drop_round(follow->replica, step->scope.sid));
	return follow_run_end(step, FOLLOW_TROUBLED,
	                      "the remote has refused the links of this scope twice in one run (%s)", why);
}

bool
follow_restart_may_leave_location(const struct step *step)
{
	return step->scope.kind != REPLICA_NEXT && step->scope.round_pages == 0 && !is_own_url(step) &&
	       !step->follow->everything_anew;
}

enum err
follow_restart_leave_location(struct step *step, const char *why)
{
	return read_anew(step, step->scope.url, why);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_run — what the files of one step share: a follower's state in memory, and how a step ends.  Private to the
 * follow module.
 *
 * The replica stores the phase of a scope.  The state here (tries, waits, the cycle check) may be lost at any moment.
 */
#pragma once

#include "fetch/fetch_link.h"
#include "follow/follow.h"
#include "follow/follow_cycle.h"

struct follow {
	struct follow_conf  conf;
	struct replica     *replica;
	struct arena       *lasting, *page;
	struct fetch_origin origin;

	const struct resource *resource; /* what the URL lists */
	struct str             rule;     /* of its items: follow_scope_rule() */

	struct follow_pause own_pause;
	bool                asks_last; /* of those that follow there: it was throttled */
	int64_t             sid;

	unsigned            tries;          /* failures of this page in a row */
	int64_t             since_ms;       /* monotonic; start of the first try, if tries > 0 */
	uint32_t            page_size;      /* may have shrunk */
	uint32_t            size_before;    /* a page was too large: the size it was first asked for with */
	uint32_t            size_goal;      /* the size before any page of this run was too large; 0: none was */
	uint32_t            size_kept;      /* the size that this run has stored in the scope */
	uint32_t            begun_with;     /* the size with which the round was begun again; 0: it was not */
	bool                skims;          /* the next request is for the page's shape only */
	bool                bearer_refused; /* the last answer was 401 */
	struct follow_cycle cycle;

	/* What this run has done already; each may happen once. */
	bool round_again;     /* it has repeated a round from its own link */
	bool location_tried;  /* it has followed a Location */
	bool everything_anew; /* it has begun at the scope's own URL */
	bool warned;          /* it has said that removals cannot be seen */
};

struct step {
	struct follow        *follow;
	struct replica_scope  scope;
	struct follow_report *report;
};

const struct fetch_secrets *follow_run_secrets(const struct follow *follow);

/*
 * Every text that a step reports passes here, and secrets in it are masked.  An end of the run resets what may happen
 * once in a run.
 */
enum err follow_run_end(struct step *step, enum follow_next next, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_CHECK;
/* Begins a round and drops the one under way. */
enum err follow_run_begin(struct step *step, enum replica_kind kind, struct str link) MUST_CHECK;
/* Drops the round, so that the next run does not meet the same fault again. */
enum err follow_run_drop(struct step *step, const char *what) MUST_CHECK;

/*
 * follow_restart — a link that the remote no longer answers.
 *
 * The link of a later page is replaced by the link of the round's first page.  If that is dead too, everything is read
 * again: from the Location of the answer, or if that cannot be followed or keeps failing, from the scope's own URL.
 * Each happens at most once in a run.
 */
/* A saved link is dead; or the answer is 410, which counts for the scope's own URL, too. */
bool follow_restart_is_due(const struct step *step, unsigned status);
/* `response` NULL: the link cannot even be requested. */
enum err follow_restart(struct step *step, const struct follow_response *response, const char *why) MUST_CHECK;
/* Is the link a Location that may still be replaced by the scope's own URL? */
bool     follow_restart_may_leave_location(const struct step *step);
enum err follow_restart_leave_location(struct step *step, const char *why) MUST_CHECK;

/*
 * follow_size — pages that are too large.
 *
 * follow_size_reduce() asks for less, follow_size_read() reads a skimmed page of `size` bytes: with *is_item_out it
 * holds one item that is too large, and is staged without it.  follow_size_settle() follows a page that was staged.
 */
struct follow_page;

enum err follow_size_reduce(struct step *step, const char *why) MUST_CHECK;
enum err follow_size_read(struct step *step, const struct follow_page *page, size_t size, bool *is_item_out) MUST_CHECK;
enum err follow_size_settle(struct step *step, bool had_item) MUST_CHECK;

/*
 * follow_later — a request that may succeed later.  `response` NULL: there was none.  `tries_max` failures in a row end
 * the run, unless the remote asks for the wait.
 */
enum err follow_later(struct step *step, const struct follow_response *response, unsigned tries_max, const char *why)
	MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow — keep a scope of a replica in step with a delta URL.
 *
 * One step does one thing: it fetches a page and stages it with the link to the next in one commit, or
 * does a piece of settling a whole round, or finds that it must wait.  It neither sleeps nor loops nor
 * logs; whoever calls it does.  Killed anywhere, the next follower goes on where the replica says it was.
 *
 *   - Only links of the first URL's origin are fetched, as they were told.
 *   - A round that is not a round (a loop, both links or none, another origin) is dropped; the view stays.
 *   - "Your state is no longer known", told of a page's link, begins the round anew from the saved one; told of that,
 *     or again, a resync beside the view: each once in a run.  Nothing that was staged before is used.
 *   - A scope that has never been told anything stands in nobody's way: its name goes to the next who asks for it.
 */
#pragma once

#include "fetch/fetch.h"
#include "follow/follow_source.h"
#include "store/replica.h"

struct follow;

struct follow_pause { /* one for all scopes of a host: no request before that moment */
	int64_t until_mono_ms;
};

struct follow_limits {            /* of one round; zero means the usual */
	uint64_t pages_max;       /* 1,000,000 */
	uint64_t empty_pages_max; /* in a row: 10,000 */
	int64_t  round_max_ms;    /* 24 h, of a round that goes on without a deltaLink */
	unsigned tries_max;       /* failures of one page in a row: 8 */
};

struct follow_conf {
	struct str                  url;
	struct str                  name;        /* of the scope; empty: found by its URL, or made up from it */
	bool                        from_now;    /* for a new scope */
	bool                        replace;     /* an update is the whole item */
	uint32_t                    page_size;   /* 0: not asked for */
	int64_t                     max_wait_ms; /* in all, without a page in between */
	struct replica_guard        guard;
	struct follow_limits        limits;
	const struct clock         *clock;
	const struct entropy       *entropy;
	const struct follow_source *source;
	const struct fetch_bearer  *bearer; /* NULL: requests go without */
	struct follow_pause        *pause;  /* NULL: one of its own */
};

enum follow_next {
	FOLLOW_AGAIN,        /* there is more to do at once */
	FOLLOW_WAIT,         /* call again after wait_ms */
	FOLLOW_STARTED_OVER, /* the far end has forgotten us: a new round has begun */
	FOLLOW_CAUGHT_UP,    /* a whole round is in the view; the next step begins another */
	FOLLOW_REFUSED,      /* credentials: ends the run, as the next three do */
	FOLLOW_TROUBLED,     /* may go better another time */
	FOLLOW_BROKEN,       /* will not go better by itself */
	FOLLOW_GUARDED       /* a resync would have swept too much */
};

struct follow_report {
	enum follow_next     next;
	int64_t              wait_ms;
	bool                 throttled;    /* the far end asked for the wait */
	uint64_t             pages, items; /* of the round under way, or just ended */
	struct replica_tally tally;        /* when caught up or guarded */
	char                 why[512];     /* a sentence about a wait, a new start or an end */
};

/*
 * ERR_BAD_REQUEST: the URL cannot be followed; ERR_CONFLICT: the name belongs to another URL; else the
 * replica's.  why_out has a sentence.
 */
enum err follow_open(const struct follow_conf *conf, struct replica *replica, struct follow **follow_out,
                     char why_out[512]) MUST_CHECK;
void     follow_close(struct follow **follow);

/* An error is the replica's: nothing of the step is stored. */
enum err follow_step(struct follow *follow, struct follow_report *report_out) MUST_CHECK;
int64_t  follow_sid(const struct follow *follow);
/*
 * After an end that will not go better by itself: a scope of which not one page has come is not kept, since its URL
 * may be mistyped.  Of the follower nothing but follow_close() may be called then.
 */
enum err follow_give_up(struct follow *follow) MUST_CHECK;

/* For people who look into what goes wrong. */
bool       follow_url_is_good(struct str url, const char **why_out); /* *why_out ends the sentence "the URL …" */
bool       follow_page_is_good(struct str body, struct arena *arena, struct str *why_out);
struct str follow_error_text(struct str body, struct arena *arena); /* "code: message" of Graph's error, or empty */

/* False if two items say the same, annotations (@odata.…) apart; else the names that differ, as a JSON array. */
bool follow_items_differ(struct str a, struct str b, struct buf *fields_out);

/*
 * Tries the dead letters of a scope (0: all) once more: what can be stored now becomes part of the view.
 * A scope in the middle of a round keeps its letters.
 */
struct follow_retried {
	uint64_t mended, left;
};
enum err follow_retry(struct replica *replica, int64_t sid, const struct clock *clock,
                      struct follow_retried *retried_out) MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow — keeps a scope of a replica equal to what a delta URL reports.
 *
 * One step does one thing.  It requests a page and stages it with the next link in one commit, or settles a part of a
 * whole round, or reports a wait.  It does not sleep, loop or log.  After a kill the next follower continues from the
 * replica.
 *
 *   - Only links of the first URL's origin are requested, unchanged.
 *   - A round with a fault (a cycle, both links or none, another origin) is dropped, and the view stays.
 *   - If the remote no longer knows the state of a page's link, the round starts again from its saved link.  If that
 *     link is unknown too, a resync starts beside the view.  Each happens once in a run; staged pages are thrown away.
 *   - A scope without a single page reserves neither its name nor its URL.
 */
#pragma once

#include "fetch/fetch.h"
#include "follow/follow_owner.h"
#include "follow/follow_source.h"
#include "store/replica.h"

struct follow;

struct follow_pause { /* no request before that moment; of a host: as its remote asks */
	int64_t until_mono_ms;
};

struct follow_limits {            /* of one round; zero means the default */
	uint64_t pages_max;       /* 1,000,000 */
	uint64_t empty_pages_max; /* in a row: 10,000 */
	int64_t  round_max_ms;    /* until the deltaLink: 24 h */
	unsigned tries_max;       /* failures of one page in a row: 8 */
};

struct follow_conf {
	struct str                  url;
	struct str                  name;               /* of the scope; empty: found by the URL or made from it */
	bool                        from_now;           /* for a new scope */
	bool                        resync;             /* the first round reads everything again */
	bool                        replace;            /* an update is the whole item; stays with the scope */
	bool                        merge;              /* it holds changed members; stays with the scope */
	uint32_t                    page_size;          /* 0: none is requested */
	bool                        page_size_is_fixed; /* the scope's own smaller one does not count */
	int64_t                     max_wait_ms;        /* between two pages, in total */
	struct replica_guard        guard;
	struct follow_limits        limits;
	const struct clock         *clock;
	const struct entropy       *entropy;
	const struct follow_source *source;
	const struct fetch_bearer  *bearer; /* NULL: no bearer token is sent */
	struct follow_owner        *owner; /* of a URL of /me: the bearer is its; NULL: nobody asks whose the data is */
	struct follow_pause        *pause; /* of the host, for all that follow there; NULL: there is no other */
};

enum follow_next {
	FOLLOW_AGAIN,        /* call again at once */
	FOLLOW_WAIT,         /* call again after wait_ms */
	FOLLOW_STARTED_OVER, /* the remote no longer knows the state: a new round has begun */
	FOLLOW_CAUGHT_UP,    /* a whole round is in the view; the next step begins another */
	FOLLOW_REFUSED,      /* credentials; this and the next three end the run */
	FOLLOW_TROUBLED,     /* may succeed later */
	FOLLOW_BROKEN,       /* will fail again */
	FOLLOW_GUARDED       /* a resync would remove too many items */
};

struct follow_report {
	enum follow_next     next;
	int64_t              wait_ms;
	bool                 throttled;    /* the remote requested the wait */
	bool                 unanswered;   /* no answer that can be read came to the last request */
	bool                 gap;          /* when caught up: changes before the round are lost */
	uint64_t             pages, items; /* of the round under way, or just ended */
	struct replica_tally tally;        /* when caught up or guarded */
	char                 why[512];     /* a sentence about a wait, a new start or an end */
};

/*
 * ERR_BAD_REQUEST: the URL cannot be followed; ERR_CONFLICT: the name belongs to another URL, or it must say which of
 * several scopes is meant; ERR_NOT_ALLOWED: the scope of that name is another owner's; else the replica's.  why_out has
 * a sentence.
 */
enum err follow_open(const struct follow_conf *conf, struct replica *replica, struct follow **follow_out,
                     char why_out[512]) MUST_CHECK;
void     follow_close(struct follow **follow);

#define FOLLOW_SEVERAL_OWNERS "this URL is followed for several owners; say which (--scope, or a section's name): %.*s"

/* An error is the replica's; the step has stored nothing. */
enum err follow_step(struct follow *follow, struct follow_report *report_out) MUST_CHECK;
int64_t  follow_sid(const struct follow *follow);
/*
 * When a run ends: removes the scope if not one page of it has come, since its URL may be mistyped.  Only
 * follow_close() may be called afterwards.
 */
enum err follow_give_up(struct follow *follow) MUST_CHECK;

/* For `doctor`. */
/* Of a saved link: any 4xx but those that say something about the caller or the moment. */
bool       follow_link_is_dead(unsigned status);
bool       follow_url_is_good(struct str url, const char **why_out); /* *why_out ends the sentence "the URL …" */
bool       follow_page_is_good(struct str body, struct arena *arena, struct str *why_out);
struct str follow_error_text(struct str body, struct arena *arena); /* "code: message" of Graph's error, or empty */

/* False if two items are equal except for annotations (@odata.…).  Else the members that differ, as a JSON array. */
bool follow_items_differ(struct str a, struct str b, struct buf *fields_out);

/*
 * Tries the dead letters of a scope (0: of all) again and puts the good ones into the view.  A scope in the middle of a
 * round keeps its dead letters.
 */
struct follow_retrying {
	struct replica             *replica;
	int64_t                     sid;
	const struct clock         *clock;
	const struct follow_source *source; /* of one scope: to ask for items that are not held whole; NULL: none is */
	const struct fetch_bearer  *bearer; /* NULL: no bearer token is sent */
};
struct follow_retried {
	uint64_t mended, left;
};
enum err follow_retry(const struct follow_retrying *retrying, struct follow_retried *retried_out) MUST_CHECK;

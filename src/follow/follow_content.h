/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_content — downloads what an item's content member (`recordingContentUrl`) points to into a folder.
 *
 * A file is named after its item's id, escaped, and its scope.  The replica stores a state for each item: `waiting`
 * (404: not there yet), `payment` (402), `refused`, `partial` (cut), `done`, with the name of the file.
 *
 * A pass goes over all items.  It ends at 429, and at 503 with Retry-After: then the remote means all requests.  What
 * has failed is left alone for a while.  A pass that follows a whole one has something to do only if a round has
 * changed items, or if that time is over.
 *
 * The name of an incomplete file ends in ".part".  When its bytes are on the disk, the replica records their number,
 * the total, the version (strong ETag), the URL and a SHA-256: when the transfer is cut, and every 8 MiB or 5 seconds
 * before, for a run that is killed.  A later run continues only if the file still has these bytes and the remote still
 * has this version; otherwise it begins at zero.  So a file of any other name is one complete version.  One process at
 * a time writes a part file (flock).
 *
 * The bearer token goes to the scope's origin only.  Up to three redirects are followed without it, never from https to
 * http, and only where fetch_link.h lets the scope's server lead.  A faulty item does not stop the next one.
 */
#pragma once

#include <pthread.h>

#include "follow/follow.h"
#include "fetch/fetch_save.h"

struct follow_content_tally { /* all but the first two: how many are so, also of those that were left alone */
	uint64_t fetched, bytes, waiting, payment, refused, partial;
};

struct follow_content_past { /* what a process knows of a scope from one pass to the next; zero at first */
	bool                        is_whole; /* the last pass saw all items, and the files of those done */
	int64_t                     again_ms; /* what has failed is left alone until then, */
	int64_t                     pause_ms; /* which was so long */
	int64_t                     until_ms; /* no request before: the remote has asked for it */
	struct follow_content_tally left;     /* after the last pass */
};

struct follow_content_conf {
	const char                 *dir; /* created with mode 0700 if missing */
	struct fetch               *fetch;
	const struct fetch_bearer  *bearer; /* may be NULL */
	pthread_mutex_t            *lock;   /* the caller holds it, and it is free while bytes come; NULL: none */
	const struct clock         *clock;
	int64_t                     size_max;    /* bytes of one file */
	int64_t                     time_max_ms; /* for one file in one run; the next run continues it */
	int64_t                     max_wait_ms; /* a longer pause ends the pass */
	struct follow_pause        *pause;       /* of the scope's host; NULL: it has none */
	struct follow_content_past *past;
	bool                        has_changes; /* the scope has new or changed items since the last pass */
	bool (*stopped)(void *ctx);
	void *stopped_ctx;
	/* Called for each item that is refused or partial; `why` is a sentence.  May be NULL. */
	void (*refused)(void *ctx, struct str id, bool is_partial, const char *why);
	void *refused_ctx;
};

/* Downloads what is not done yet.  ERR_IO, ERR_FULL: the folder; ERR_CORRUPT: the stored URL; see why_out.  Else the
 * replica's. */
enum err follow_content(const struct follow_content_conf *conf, struct replica *replica, int64_t sid,
                        struct follow_content_tally *tally_out, char why_out[512]) MUST_CHECK;

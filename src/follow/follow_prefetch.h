/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_prefetch — a source that fetches the next pages of a round while the last one is being stored.
 *
 *   Law  No page is asked for before the one that names it is safe: stored by the follower, or kept whole in a file
 *        beside the store.  So whoever is killed has at most one page to fetch again, as without this.
 *
 * A thread of its own asks the source within, one page at a time, at most FOLLOW_PREFETCH_PAGES before the follower and only
 * along links it would follow, too.  It stops at anything that is not a good page: the follower is handed that answer
 * when it gets there, and asks on itself.  If the source can, a page is sent for before the one that names it has been
 * read, by a guess that differs from the last link in the query alone; a wrong one is let go, and is the round's last.
 * A page that was kept is given out again only as the very page it was: same round, same place in it, same link.
 *
 * The calls belong to one thread.
 */
#pragma once

#include <stdatomic.h>

#include "follow/follow_source.h"

#define FOLLOW_PREFETCH_PAGES 32                /* as many as the file has room for: follow_spool.h */
#define FOLLOW_PREFETCH_BYTES ((size_t)8 << 20) /* of pages waiting; the next is asked for below that */

struct follow_prefetch;

struct follow_prefetch_conf {
	struct str                  url;  /* its origin is the only one asked */
	const char                 *path; /* of the file that keeps pages; only of whoever holds the store's lock */
	bool                        is_passing; /* nobody will go on with this store: nothing is kept at the end */
	const struct follow_source *source;     /* is called by the thread */
	atomic_bool                *unwanted;   /* set while the source should give up what it is doing */
	bool (*stopped)(void *ctx);             /* asked while a page is waited for, ten times a second */
	void *stopped_ctx;
};

/* ERR_BAD_REQUEST: the URL; ERR_IO. */
enum err follow_prefetch_open(const struct follow_prefetch_conf *conf, struct follow_prefetch **prefetch_out)
	MUST_CHECK;
void follow_prefetch_drop(struct follow_prefetch *prefetch);   /* nobody will go on with this round: nothing is kept */
void follow_prefetch_close(struct follow_prefetch **prefetch); /* the file goes, too, unless pages wait in it */

struct follow_source follow_prefetch_source(struct follow_prefetch *prefetch);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_prefetch — a source that requests the next pages of a round while the last one is being stored.
 *
 *   Law  A page is requested only after the page that names it is safe: stored by the follower, or whole in a file
 *        beside the store.  So a kill costs at most one page, as without prefetch.
 *
 * Its thread calls the inner source for one page at a time, at most FOLLOW_PREFETCH_PAGES ahead of the follower, and
 * only for links that the follower would accept.  It stops at a response that is not a good page; the follower gets
 * that response in its turn.  If the inner source can, the next page may be requested before the current one is parsed,
 * by a guessed link that differs from the last one in its query only.  A wrong guess is cancelled, and guessing stops
 * for this round. A page from the file is used only for the same round, the same page number and the same link.
 *
 * The calls belong to one thread.
 */
#pragma once

#include <stdatomic.h>

#include "follow/follow_source.h"

#define FOLLOW_PREFETCH_PAGES 32                /* as many as the file has places: follow_spool.h */
#define FOLLOW_PREFETCH_BYTES ((size_t)8 << 20) /* of waiting pages; no request above that */

struct follow_prefetch;

struct follow_prefetch_conf {
	struct str                  url;        /* pages come from its origin only */
	const char                 *path;       /* of the file of pages; the caller holds the store's lock */
	bool                        is_passing; /* no later run uses this store: the file is removed at the end */
	const struct follow_source *source;     /* called by the thread */
	atomic_bool                *unwanted;   /* true while the source should cancel its request */
	bool (*stopped)(void *ctx);             /* called ten times a second while a page is waited for */
	void *stopped_ctx;
};

/* ERR_BAD_REQUEST: the URL; ERR_IO. */
enum err follow_prefetch_open(const struct follow_prefetch_conf *conf, struct follow_prefetch **prefetch_out)
	MUST_CHECK;
void follow_prefetch_drop(struct follow_prefetch *prefetch);   /* no later run continues this round: remove the file */
void follow_prefetch_close(struct follow_prefetch **prefetch); /* removes the file unless pages wait in it */

struct follow_source follow_prefetch_source(struct follow_prefetch *prefetch);

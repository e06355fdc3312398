/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc — tombstones older than the retention go, in small transactions, and so do old idempotency keys.
 *
 * A job is done in steps, so that one step is short enough for a request to the control socket.
 */
#pragma once

#include "store/store.h"

#define GC_OPS_KEPT_MS ((int64_t)24 * 3600 * 1000)

struct gc {
	struct store       *store;
	const struct clock *clock;
	int64_t             until_ms; /* tombstones changed at or before that go */
	bool                dry_run;  /* count only */
	struct store_feed   after;    /* feeds up to this one are done; zeroed at first */
	bool                done;
	uint64_t            feeds;  /* looked at */
	uint64_t            purged; /* or, in a dry run, would be */
};

/* Goes on until about `max` tombstones are purged (rows looked at, in a dry run), or all is done. */
enum err gc_step(struct gc *gc, uint64_t max) MUST_CHECK;

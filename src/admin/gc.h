/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc — purges tombstones older than the retention, and deletes old idempotency keys, in small transactions.
 *
 * It works in steps, each short enough for a request to the control socket.
 */
#pragma once

#include "store/store.h"

#define GC_OPS_KEPT_MS ((int64_t)24 * 3600 * 1000)

struct gc {
	struct store       *store;
	const struct clock *clock;
	int64_t             until_ms; /* tombstones changed at or before this are purged */
	bool                dry_run;  /* count only */
	struct store_feed   after;    /* the last feed that is done; zeroed at the start */
	bool                done;
	uint64_t            feeds;  /* done so far */
	uint64_t            purged; /* or, in a dry run, would be */
};

/* Stops after about `max` purged tombstones (in a dry run: rows read), or when all is done. */
enum err gc_step(struct gc *gc, uint64_t max) MUST_CHECK;

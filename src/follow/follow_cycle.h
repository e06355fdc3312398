/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_cycle — finds a round that never ends.  Private to the follow module.
 *
 * Brent's algorithm: one link and the hash of one page are remembered, and replaced after 1, 2, 4, 8 … pages.  It finds
 * a cycle of any length within three times its length, in constant memory.  A repeated link is a cycle at once.
 * Repeated content may be correct (a remote may begin its listing again), so it is a cycle only after
 * FOLLOW_SAME_CONTENT_MAX repeats.
 */
#pragma once

#include "base/str.h"

#define FOLLOW_SAME_CONTENT_MAX 5

struct follow_cycle {
	uint64_t link, content; /* the remembered hashes */
	uint64_t steps, power;  /* pages since then; pages until the next replacement */
	uint64_t content_again, empty;
};

/* Why the round never ends, as the end of a sentence; NULL if it may end. */
const char *follow_cycle_note(struct follow_cycle *cycle, struct str link, uint64_t content, uint64_t empty_max);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_cycle — does a round go round in circles?  Private to the follow module.
 *
 * Brent's way: one link and one page's content are remembered, and replaced after 1, 2, 4, 8 … pages.  A
 * circle of any length is noticed within three times around it, in constant memory.  A link that comes
 * again is a circle at once; content may come again honestly (a far end that began a listing anew), so
 * it is a circle only when the remembered page has come back several times.
 */
#pragma once

#include "base/str.h"

#define FOLLOW_SAME_CONTENT_MAX 5

struct follow_cycle {
	uint64_t link, content; /* hashes of what is remembered */
	uint64_t steps, power;  /* since it was remembered; until the next is */
	uint64_t content_again, empty;
};

/* Why the round must be given up, as the end of a sentence; NULL for no reason. */
const char *follow_cycle_note(struct follow_cycle *loop, struct str link, uint64_t content, uint64_t empty_max);

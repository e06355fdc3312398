/* SPDX-License-Identifier: Apache-2.0 */
/* suggest — "did you mean": the known word that is nearest to a wrong one, if it is near enough. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

struct suggestion {
	struct str  word; /* the wrong one */
	const char *best; /* NULL: none is near */
	unsigned    distance;
};

/* Keeps the candidate if it is nearer than the best so far. It is borrowed. Letter case counts for nothing. */
void suggestion_try(struct suggestion *suggestion, const char *candidate);
/* "; did you mean \"serve\"", or "". */
const char *suggestion_text(const struct suggestion *suggestion, struct arena *arena);

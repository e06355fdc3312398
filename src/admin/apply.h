/* SPDX-License-Identifier: Apache-2.0 */
/* apply — a batch of lines into the store: all of them in one transaction, or none. */
#pragma once

#include "admin/ndjson.h"

#define APPLY_LINES_MAX 10000
#define APPLY_WHY_MAX   512

struct apply_result {
	struct line_counts counts;
	uint64_t           lines;
	bool               again;    /* done before: nothing was changed, the counts are what it asks for */
	uint64_t           bad_line; /* from 1 within the batch; 0 if no line is to blame */
	char               why[APPLY_WHY_MAX];
};

/*
 * At most APPLY_LINES_MAX lines; `op` may be NULL.  ERR_BAD_REQUEST: a line is refused (bad_line and why say
 * which), nothing is stored.  Anything else is the store's, with why.
 */
enum err apply_lines(struct store *store, struct content *content, const struct entropy *entropy,
                     const struct store_op *op, struct str lines, struct apply_result *result_out) MUST_CHECK;

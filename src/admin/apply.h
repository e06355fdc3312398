/* SPDX-License-Identifier: Apache-2.0 */
/* apply — stores a batch of lines in one transaction: all of them, or none. */
#pragma once

#include "admin/ndjson.h"

#define APPLY_LINES_MAX 10000
#define APPLY_WHY_MAX   512

struct apply_result {
	struct line_counts counts;
	uint64_t           lines;
	bool               again;    /* a repeat: nothing was changed; the counts are of what the lines ask for */
	uint64_t           bad_line; /* from 1 within the batch; 0: the failure is of no line */
	char               why[APPLY_WHY_MAX];
};

/*
 * At most APPLY_LINES_MAX lines; `op` may be NULL. ERR_BAD_REQUEST: a line is refused, see bad_line and why; nothing is
 * stored. Other errors are of the store, with why.
 */
enum err apply_lines(struct store *store, struct content *content, const struct entropy *entropy,
                     const struct store_op *op, struct str lines, struct apply_result *result_out) MUST_CHECK;

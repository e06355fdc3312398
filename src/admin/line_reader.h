/* SPDX-License-Identifier: Apache-2.0 */
/* line_reader — reads lines of limited length from a descriptor, in fixed memory. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct line_reader {
	int      fd;
	char    *at;
	size_t   from, to; /* read, but not yet returned */
	size_t   size;
	uint64_t line;  /* number of the last returned line, from 1 */
	uint64_t bytes; /* returned so far */
	bool     ended;
	int      failed; /* errno of a failed read */
};

void line_reader_open(struct line_reader *reader, int fd, size_t line_max);
void line_reader_close(struct line_reader *reader); /* leaves the descriptor open */

/*
 * Returns the next line without its line end; the view lives until the next call. A line over the limit is an empty
 * view with *too_long_out set. False at the end, or when a read failed (reader->failed).
 */
bool line_reader_next(struct line_reader *reader, struct str *text_out, bool *too_long_out);
/* Back to the first line. False if the descriptor cannot. */
bool line_reader_rewind(struct line_reader *reader);

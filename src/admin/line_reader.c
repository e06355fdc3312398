/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PREFETCH_BYTES ((size_t)256 << 10)

void
line_reader_open(struct line_reader *reader, int fd, size_t line_max)
{
	*reader = (struct line_reader){ .fd = fd, .size = line_max + PREFETCH_BYTES };
	reader->at = malloc(reader->size);
	MUST(reader->at);
}

void
line_reader_close(struct line_reader *reader)
{
	free(reader->at);
	reader->at = NULL;
}

/* Reads more behind what is there. False at the end of the input or on a fault. */
static bool
fill(struct line_reader *reader)
{
	ssize_t n;

	if (reader->ended)
		return false;
	if (reader->from > 0) {
		memmove(reader->at, reader->at + reader->from, reader->to - reader->from);
		reader->to -= reader->from;
		reader->from = 0;
	}
	n = TEMP_FAILURE_RETRY(read(reader->fd, reader->at + reader->to, reader->size - reader->to));
	if (n <= 0) {
		reader->ended = true;
		reader->failed = n < 0 ? errno : 0;
		return false;
	}
	reader->to += (size_t)n;
	return true;
}

static void
give(struct line_reader *reader, size_t len, struct str *text_out)
{
	*text_out = str_of(reader->at + reader->from, len);
	reader->from += len;
	reader->bytes += len;
	if (reader->from < reader->to) {
		reader->from++;
		reader->bytes++;
	}
	reader->line++;
}

/* The limit is passed: what follows up to the line end is dropped. */
static void
pass_over(struct line_reader *reader)
{
	char *end;

	do {
		end = memchr(reader->at + reader->from, '\n', reader->to - reader->from);
		reader->bytes += (end ? (size_t)(end - reader->at) + 1 : reader->to) - reader->from;
		reader->from = end ? (size_t)(end - reader->at) + 1 : reader->to;
	} while (!end && fill(reader));
	reader->line++;
}

bool
line_reader_next(struct line_reader *reader, struct str *text_out, bool *too_long_out)
{
	size_t looked = 0;

	*too_long_out = false;
	for (;;) {
		char  *start = reader->at + reader->from;
		size_t have = reader->to - reader->from;
		char  *end = memchr(start + looked, '\n', have - looked);

		if (end || (reader->ended && !reader->failed && have > 0)) {
			size_t len = end ? (size_t)(end - start) : have;

			*too_long_out = len > reader->size - PREFETCH_BYTES;
			give(reader, len, text_out);
			return true;
		}
		looked = have;
		if (have == reader->size) {
			*too_long_out = true;
			*text_out = STR_EMPTY;
			pass_over(reader);
			return true;
		}
		if (reader->ended)
			return false;
		fill(reader);
	}
}

bool
line_reader_rewind(struct line_reader *reader)
{
	if (lseek(reader->fd, 0, SEEK_SET) != 0)
		return false;
	reader->from = reader->to = 0;
	reader->line = reader->bytes = 0;
	reader->ended = false;
	reader->failed = 0;
	return true;
}

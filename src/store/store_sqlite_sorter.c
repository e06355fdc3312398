/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_sqlite_sorter.h"

#include <sqlite3.h>
#include <stdlib.h>

#include "base/arena.h"

#define RECORD_MAX  ((size_t)4096) /* longer ones are lost */
#define RUN_BYTES   ((size_t)4 << 20)
#define RUN_RECORDS ((size_t)1 << 16)
#define RUNS_MAX    4096
#define OUT_BYTES   (16 * RECORD_MAX)
#define READ_BYTES  ((size_t)4 << 20) /* for all runs, or a record of each */
#define OPEN_AS \
	(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_DELETEONCLOSE | \
	 SQLITE_OPEN_TEMP_DB)

struct head { /* of a record in the file */
	int64_t key;
	size_t  len;
};

struct record { /* in the run that is being made */
	int64_t  key;
	uint32_t at, len;
};

struct run {
	int64_t at, until; /* in the file: what was not read yet */
	char   *bytes;
	size_t  pos, len; /* of the bytes: the next record, and their end */
};

struct sorter {
	struct arena        *arena; /* first for a run, then for what is read */
	struct sqlite3_file *file;  /* NULL: there are no records */
	char                *bytes, *out;
	struct record       *records;
	size_t               used, count, read_bytes;
	int64_t              size;
	struct run           runs[RUNS_MAX]; /* once sorted a heap: the run with the lowest key is the first */
	size_t               run_count;
};

static void
lose(struct sorter *sorter)
{
	if (sorter->file && sorter->file->pMethods)
		(void)sorter->file->pMethods->xClose(sorter->file);
	free(sorter->file);
	sorter->file = NULL;
	sorter->run_count = sorter->count = 0;
}

struct sorter *
sorter_open(void)
{
	struct sorter *sorter = handle_new(sizeof(*sorter));
	sqlite3_vfs   *vfs = sqlite3_vfs_find(NULL);
	int            flags;

	sorter->arena = arena_open(RUN_BYTES + OUT_BYTES + RUN_RECORDS * sizeof(struct record));
	sorter->records = arena_take(sorter->arena, RUN_RECORDS * sizeof(struct record));
	sorter->bytes = arena_take_raw(sorter->arena, RUN_BYTES);
	sorter->out = arena_take_raw(sorter->arena, OUT_BYTES);
	sorter->file = handle_new((size_t)vfs->szOsFile);
	if (vfs->xOpen(vfs, NULL, sorter->file, OPEN_AS, &flags) != SQLITE_OK)
		lose(sorter);
	return sorter;
}

void
sorter_close(struct sorter **sorter)
{
	if (!*sorter)
		return;
	lose(*sorter);
	arena_close(&(*sorter)->arena);
	free(*sorter);
	*sorter = NULL;
}

/* ---- making runs ------------------------------------------------------------------------------ */

static int
by_key(const void *a, const void *b)
{
	int64_t key_a = ((const struct record *)a)->key, key_b = ((const struct record *)b)->key;

	return (key_a > key_b) - (key_a < key_b);
}

static bool
write_out(struct sorter *sorter, struct str bytes)
{
	if (sorter->file->pMethods->xWrite(sorter->file, bytes.at, (int)bytes.len, sorter->size) != SQLITE_OK)
		return false;
	sorter->size += (int64_t)bytes.len;
	return true;
}

static bool
write_run(struct sorter *sorter)
{
	char  *out = sorter->out;
	size_t len = 0;

	qsort(sorter->records, sorter->count, sizeof(*sorter->records), by_key);
	for (size_t i = 0; i < sorter->count; i++) {
		const struct record *record = &sorter->records[i];
		struct head          head = { record->key, record->len };

		if (len + sizeof(head) + head.len > OUT_BYTES) {
			if (!write_out(sorter, str_of(out, len)))
				return false;
			len = 0;
		}
		memcpy(out + len, &head, sizeof(head));
		memcpy(out + len + sizeof(head), sorter->bytes + record->at, head.len);
		len += sizeof(head) + head.len;
	}
	return write_out(sorter, str_of(out, len));
}

static void
end_run(struct sorter *sorter)
{
	int64_t at = sorter->size;

	if (sorter->count == 0)
		return;
	if (sorter->run_count == RUNS_MAX || !write_run(sorter)) {
		lose(sorter);
		return;
	}
	sorter->runs[sorter->run_count++] = (struct run){ .at = at, .until = sorter->size };
	sorter->used = sorter->count = 0;
}

void
sorter_put(struct sorter *sorter, int64_t key, struct str bytes)
{
	if (bytes.len > RECORD_MAX - sizeof(struct head))
		return;
	if (sorter->count == RUN_RECORDS || sorter->used + bytes.len > RUN_BYTES)
		end_run(sorter);
	if (!sorter->file)
		return;
	if (bytes.len > 0)
		memcpy(sorter->bytes + sorter->used, bytes.at, bytes.len);
	sorter->records[sorter->count++] = (struct record){ key, (uint32_t)sorter->used, (uint32_t)bytes.len };
	sorter->used += bytes.len;
}

/* ---- reading them ----------------------------------------------------------------------------- */

static struct head
head_of(const struct run *run)
{
	struct head head;

	memcpy(&head, run->bytes + run->pos, sizeof(head));
	return head;
}

/* The next record of the run, whole in its memory; false at its end. */
static bool
fill(struct sorter *sorter, struct run *run)
{
	size_t left = run->len - run->pos, more = sorter->read_bytes - left;

	if (left >= sizeof(struct head) && left - sizeof(struct head) >= head_of(run).len)
		return true;
	if ((int64_t)more > run->until - run->at)
		more = (size_t)(run->until - run->at);
	if (more == 0)
		return false;
	memmove(run->bytes, run->bytes + run->pos, left);
	if (sorter->file->pMethods->xRead(sorter->file, run->bytes + left, (int)more, run->at) != SQLITE_OK)
		return false;
	run->at += (int64_t)more;
	run->pos = 0;
	run->len = left + more;
	return true;
}

static void
sift_down(struct sorter *sorter, size_t at)
{
	struct run *runs = sorter->runs, moved;
	size_t      child;

	for (; (child = 2 * at + 1) < sorter->run_count; at = child) {
		if (child + 1 < sorter->run_count && head_of(&runs[child + 1]).key < head_of(&runs[child]).key)
			child++;
		if (head_of(&runs[at]).key <= head_of(&runs[child]).key)
			return;
		moved = runs[at];
		runs[at] = runs[child];
		runs[child] = moved;
	}
}

void
sorter_sort(struct sorter *sorter)
{
	end_run(sorter);
	arena_close(&sorter->arena);
	if (sorter->run_count == 0)
		return;
	sorter->read_bytes = READ_BYTES / sorter->run_count;
	if (sorter->read_bytes < RECORD_MAX)
		sorter->read_bytes = RECORD_MAX;
	sorter->arena = arena_open(sorter->read_bytes * sorter->run_count);
	for (size_t i = 0; i < sorter->run_count; i++) {
		sorter->runs[i].bytes = arena_take_raw(sorter->arena, sorter->read_bytes);
		if (!fill(sorter, &sorter->runs[i])) {
			lose(sorter);
			return;
		}
	}
	for (size_t i = sorter->run_count; i-- > 0;)
		sift_down(sorter, i);
}

bool
sorter_next(const struct sorter *sorter, int64_t *key_out, struct str *bytes_out)
{
	const struct run *run = &sorter->runs[0];
	struct head       head;

	if (sorter->run_count == 0)
		return false;
	head = head_of(run);
	*key_out = head.key;
	*bytes_out = str_of(run->bytes + run->pos + sizeof(head), head.len);
	return true;
}

void
sorter_pass(struct sorter *sorter)
{
	struct run *run = &sorter->runs[0];

	if (sorter->run_count == 0)
		return;
	run->pos += sizeof(struct head) + head_of(run).len;
	if (!fill(sorter, run))
		*run = sorter->runs[--sorter->run_count];
	sift_down(sorter, 0);
}

bool
sorter_find(struct sorter *sorter, int64_t key, struct str *bytes_out)
{
	struct str bytes;
	int64_t    next = key;

	while (sorter_next(sorter, &next, &bytes) && next < key)
		sorter_pass(sorter);
	if (sorter->run_count == 0 || next != key)
		return false;
	*bytes_out = bytes;
	return true;
}

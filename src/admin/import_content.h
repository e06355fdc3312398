/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_content — the files that lines of an import name. They are checked with the lines, and copied to the folder of
 * content before their lines are stored. A file that the recording already has is not copied again.
 */
#pragma once

#include "base/buf.h"
#include "cli/command.h"
#include "content/content.h"
#include "store/store.h"

#define IMPORT_HELD_MAX 64 /* each is an open file */

struct import_content {
	struct cmd_run       *run;
	struct store         *store;   /* only read */
	struct content       *content; /* opened when the first file comes */
	struct arena         *arena;   /* reset for each line */
	int                   dir;     /* the folder of the files: --content-root, or the folder of the import */
	const char           *root;    /* the path of `dir`, without links */
	uint64_t              size_max;
	struct content_write *held[IMPORT_HELD_MAX]; /* copied, but their lines are not stored yet */
	size_t                held_count;
};

/* `file`: the import's own path, NULL for standard input.  An exit code; the message has been printed. */
int  import_content_open(struct cmd_run *run, struct store *store, const char *file, struct import_content *files_out);
void import_content_close(struct import_content *files);

/* Does this line name a file? May be true for a line that does not. */
bool import_content_names(struct str line);
/* Does the file exist, and may it be read? ERR_BAD_REQUEST, with the reason. */
enum err import_content_check(struct import_content *files, struct str line, struct str *why_out) MUST_CHECK;
/* Call it when the lines so far are stored, or will not be. */
void import_content_release(struct import_content *files);
/*
 * Copies the file and holds it until import_content_release(); at most IMPORT_HELD_MAX are held. Writes the line to
 * store to `buf`. ERR_BAD_REQUEST, with the reason · ERR_FULL · ERR_IO.
 */
enum err import_content_bring(struct import_content *files, struct str line, struct buf *buf, struct str *why_out)
	MUST_CHECK;

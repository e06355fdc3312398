/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_content — the files that lines of an import name: looked at while lines are checked, copied to where
 * content is kept before their lines are stored.  A file the recording has already is not copied again.
 */
#pragma once

#include "base/buf.h"
#include "cli/command.h"
#include "content/content.h"
#include "store/store.h"

#define IMPORT_HELD_MAX 64 /* each is an open file */

struct import_content {
	struct cmd_run       *run;
	struct store         *store;   /* to look into */
	struct content       *content; /* opened when the first file comes */
	struct arena         *arena;   /* reset for each line */
	int                   dir;     /* below which the files lie: --content-root, or the folder of the import */
	const char           *root;    /* its path, without links */
	uint64_t              size_max;
	struct content_write *held[IMPORT_HELD_MAX]; /* brought, but not stored yet */
	size_t                held_count;
};

/* `file`: the import's own path, NULL for standard input.  An exit code; the message has been printed. */
int  import_content_open(struct cmd_run *run, struct store *store, const char *file, struct import_content *files_out);
void import_content_close(struct import_content *files);

/* Does this line name a file? It may say true of one that does not. */
bool import_content_names(struct str line);
/* Is the file there, and may it be taken? ERR_BAD_REQUEST, with the reason. */
enum err import_content_check(struct import_content *files, struct str line, struct str *why_out) MUST_CHECK;
/* The lines so far are stored (or will not be). */
void import_content_release(struct import_content *files);
/*
 * Copies the file, which then waits for import_content_release(): at most IMPORT_HELD_MAX may.  The line to store in its
 * place goes into `buf`.  ERR_BAD_REQUEST, with the reason · ERR_FULL · ERR_IO.
 */
enum err import_content_bring(struct import_content *files, struct str line, struct buf *buf, struct str *why_out)
	MUST_CHECK;

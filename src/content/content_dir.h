/* SPDX-License-Identifier: Apache-2.0 */
/* content_dir — the folder itself: made when needed, opened safely, walked. Private to the content module. */
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/scratch_dir.h"
#include "content/content.h"

struct content {
	pthread_mutex_t       lock;   /* guards making the folder, and the list */
	struct content_write *writes; /* that are not ended yet */
	_Atomic int           fd;
	char                 *path;
	bool                  create;
	struct scratch_dir    scratch;    /* open when there is no path */
	_Atomic bool          is_durable; /* its name is durable: files may be made in it */
	uint64_t              free_min, size_max;
	const struct entropy *entropy;
};

/* -1 while there is no folder. */
int content_dir_fd(struct content *content);
/* Makes the folder if it is missing. ERR_FULL, ERR_IO. */
enum err content_dir_make(struct content *content) MUST_CHECK;
/* Below the folder, through no link. -1 and errno. */
int content_dir_open_file(struct content *content, const char *name, int flags, mode_t mode);

struct content_walk {
	DIR     *dir; /* NULL: there is no folder */
	enum err err;
};

enum err    content_walk_open(struct content *content, struct content_walk *walk_out) MUST_CHECK;
const char *content_walk_next(struct content_walk *walk);  /* NULL at the end; "." and ".." are left out */
enum err    content_walk_close(struct content_walk *walk); /* walk.err */

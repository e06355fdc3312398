/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch_dir — a folder for files that end with the process.  Its mode is 0700.
 *
 * Closing it removes the folder with all that is in it.  While it is open the process holds flock(2) on it, so a folder
 * that a killed process left is known by its free lock: the next process that opens one in the same place removes it.
 */
#pragma once

#include "base/err.h"

enum scratch_location {
	SCRATCH_IN_MEMORY, /* /dev/shm, if it is there and has 256 MB free; else as below */
	SCRATCH_ON_DISK    /* $TMPDIR, or /tmp */
};

struct scratch_dir {
	char path[256]; /* empty: not open */
	int  fd;
};

/* ERR_IO.  why_out (512 bytes) gets the sentence. */
enum err scratch_dir_open(enum scratch_location location, struct scratch_dir *dir_out, char why_out[512]) MUST_CHECK;
void     scratch_dir_close(struct scratch_dir *dir); /* nothing is done when it is not open */

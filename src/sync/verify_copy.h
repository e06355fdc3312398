/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_copy — where `verify` keeps the listing it compares with: a throw-away store beside the store, PATH.verify-PID,
 * or in a folder of its own in the temporary directory where nothing can be written beside the store.
 *
 * A lock of its own says that its process lives.  What a process that was killed has left is taken away by the next.
 */
#pragma once

#include "base/scratch_dir.h"
#include "cli/command.h"
#include "store/store_file.h"

struct verify_copy {
	const char        *path;
	const char        *lock_path;
	struct scratch_dir dir; /* not open beside the store */
	struct file_lock   lock;
};

/* An exit code; the message has been printed.  Close it even then, after the store at its path. */
int  verify_copy_open(struct cmd_run *run, const char *store_path, struct verify_copy *copy_out);
void verify_copy_close(struct verify_copy *copy, struct arena *arena);

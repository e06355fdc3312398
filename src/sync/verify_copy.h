/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify_copy — the temporary store for the listing of `verify`: PATH.verify-PID beside the store, or in a folder in
 * the temporary directory if the folder of the store cannot be written.
 *
 * A lock file shows that its process is alive. The next `verify` removes what a killed one left.
 */
#pragma once

#include "base/scratch_dir.h"
#include "cli/command.h"
#include "store/store_file.h"

struct verify_copy {
	const char        *path;
	const char        *lock_path;
	struct scratch_dir dir; /* only used in the temporary directory */
	struct file_lock   lock;
};

/* An exit code; the message has been printed.  Close it even then, after the store at its path. */
int  verify_copy_open(struct cmd_run *run, const char *store_path, struct verify_copy *copy_out);
void verify_copy_close(struct verify_copy *copy, struct arena *arena);

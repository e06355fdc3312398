/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file — files that a power cut leaves whole.
 *
 * The order is always the same: the bytes, a sync of the file, its name, a sync of the folder that holds the name.
 * Only then may anything be stored or answered that needs the file.  docs/why/0008-durable-files.md lists every file.
 *
 * Names are looked up below `dir`, an open folder or AT_FDCWD.  A call that fails returns false and sets errno.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

void file_close(int *fd); /* for AUTO(); -1 is no file */
/* Reads to the end, or until `size` bytes are there. *len_out is the number of bytes, also when it fails. */
bool file_read(int fd, void *bytes, size_t size, size_t *len_out) MUST_CHECK;
bool file_write(int fd, struct str bytes) MUST_CHECK; /* all of them, at the file's position */
/* Makes the names in the folder that holds `path` durable. */
bool file_sync_folder_of(int dir, const char *path) MUST_CHECK;
/*
 * What this program makes beside other files may have been planted by another account.  So these refuse a symbolic link
 * (ELOOP), another name of some file (EMLINK), and what belongs to neither this account, root, nor the owner of the
 * folder around it, who can replace it anyway (EPERM).  -1: errno.
 */
int         file_make(int dir, const char *name) MUST_CHECK;           /* for reading and writing; 0600 if it is new */
int         file_open_folder(const char *path, bool make) MUST_CHECK;  /* 0700 if it is new */
bool        file_is_own(int fd, int dir, const char *path) MUST_CHECK; /* false: errno */
const char *file_fault_text(int fault);                                /* errno in words, also of those above */
bool        file_fault_is_full(int fault);                             /* no space, by the disk or by a limit */
/*
 * Gives the open file `fd`, complete and named `from`, the name `to` in the same folder, durably, and replaces a file
 * of that name. After a failure it may have either name.
 */
bool file_publish(int fd, int dir, const char *from, const char *to) MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_file — what stands beside a store's file: its directory, the lock that keeps one writer, the witness.
 *
 * The lock is flock(2) on PATH.lock, which goes with the process however it ends; the text inside
 * only names the holder.  Its file may be removed by the holder alone, who then lets it go: whoever
 * opened it before looks whether what was locked still has that name.
 *
 * The witness PATH.witness tells which state of the store this machine has already seen, so a start can
 * notice that the store's file was replaced by an older one.
 *
 * The store's own file is never opened here once SQLite may have it open: closing any descriptor
 * of a file drops all POSIX locks the process holds on it.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/guid.h"
#include "base/str.h"

/*
 * The file's real path: the directory resolved, the last name as it is, so a link in its place is refused
 * later.  ERR_NOT_FOUND no such directory (with `make` it is made, mode 0700) · ERR_BAD_REQUEST · ERR_IO.
 */
enum err store_file_resolve(struct str path, bool make, struct arena *arena, const char **path_out, char why_out[512])
	MUST_CHECK;

/* OK a plain file · ERR_NOT_FOUND nothing there · ERR_FOREIGN something else (a link, a directory) · ERR_IO. */
enum err store_file_look(const char *path, uint64_t *bytes_out, char why_out[512]) MUST_CHECK;
/* Empty, mode 0600; ERR_CONFLICT if there is one. */
enum err store_file_make(const char *path, char why_out[512]) MUST_CHECK;
enum err store_file_sync(const char *path, char why_out[512]) MUST_CHECK;
enum err store_file_sync_dir_of(const char *path, char why_out[512]) MUST_CHECK;
/* Renames, durably; ERR_CONFLICT if `to` is there. */
enum err store_file_publish(const char *from, const char *to, char why_out[512]) MUST_CHECK;

struct file_lock {
	int  fd;     /* -1: not held */
	bool is_new; /* its file was not there before */
};

/* ERR_LOCKED: why_out names the holder.  Let go by one of the next two. */
enum err store_file_lock(const char *lock_path, const struct clock *clock, struct file_lock *lock_out,
                         char why_out[512]) MUST_CHECK;
void     store_file_unlock(struct file_lock *lock); /* its file stays */
void     store_file_unlock_and_remove(struct file_lock *lock, const char *lock_path);

struct rollback_guard {
	struct guid id; /* the store's */
	uint32_t    epoch;
	uint64_t    marker;
};

/* ERR_NOT_FOUND none · ERR_CORRUPT unreadable · ERR_IO. */
enum err store_guard_read(const char *path, struct rollback_guard *guard_out) MUST_CHECK;
enum err store_guard_write(const char *path, const struct rollback_guard *guard) MUST_CHECK; /* durable; ERR_IO */

/* Writes the sentence "WHAT PATH: reason" of errno and gives the code: ERR_FULL or ERR_IO. */
enum err store_file_fail(const char *what, const char *path, char why_out[512]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_file — the files beside a store's file: its directory, the lock that admits one writer, the rollback guard.
 *
 * The lock is flock(2) on PATH.lock.  The kernel releases it when the process ends; the text inside
 * only names the holder.  Only the holder may remove the file, and then releases the lock.  Whoever opened it
 * before checks whether the locked file still has that name.
 *
 * The rollback guard PATH.witness records which state of the store this machine has seen.  At the next start it
 * shows whether the store's file was replaced by an older one.
 *
 * A second flock(2), on the store's file itself, admits one writer to a file that was renamed while it is open.
 *
 * Nothing here closes the store's own file while SQLite may have it open: closing any descriptor
 * of a file drops all POSIX locks that the process holds on it.  flock(2) does not touch those.
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
/*
 * The same, and locks the file itself: ERR_FOREIGN if another process has locked it under a name that it had before.
 * ERR_FOREIGN also for a hard link and for a mount of one file: the log lies beside one name, and is lost to a run that
 * comes later by the other.
 */
enum err store_file_hold(const char *path, int *fd_out, char why_out[512]) MUST_CHECK;
/* Does the name still lead to the open file? */
bool store_file_is_at(int fd, const char *path);
/* Has the open file lost its last name?  Then it ends with the process. */
bool store_file_is_deleted(int fd);
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

/* ERR_LOCKED: why_out names the holder. One of the next two functions releases it. */
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

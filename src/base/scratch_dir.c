/* SPDX-License-Identifier: Apache-2.0 */
#include "base/scratch_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define PREFIX      "tidemark-scratch-"
#define MEMORY      "/dev/shm"
#define MEMORY_MIN  ((unsigned long long)256 << 20) /* a container has 64 MB there by default */
#define ENTRIES_MAX 10000                           /* entries of the location that are checked for old folders */
#define TRIES_MAX   10

static const char *
path_of(enum scratch_location location)
{
	const char    *disk = getenv("TMPDIR");
	struct statvfs memory;

	if (location == SCRATCH_IN_MEMORY && access(MEMORY, W_OK) == 0 && statvfs(MEMORY, &memory) == 0 &&
	    (unsigned long long)memory.f_bavail * memory.f_frsize >= MEMORY_MIN)
		return MEMORY;
	return disk && disk[0] ? disk : "/tmp";
}

/* A folder of this user; -1 for anything else. */
static int
open_own(const char *path)
{
	int         fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat is;

	if (fd >= 0 && fstat(fd, &is) == 0 && is.st_uid == geteuid())
		return fd;
	file_close(&fd);
	return -1;
}

static int
remove_entry(const char *path, const struct stat *is, int kind, struct FTW *at)
{
	(void)is;
	(void)kind;
	(void)at;
	(void)remove(path);
	return 0;
}

/* Closing fd releases the lock, after the name is gone. */
static void
remove_dir(const char *path, int fd)
{
	(void)nftw(path, remove_entry, 4, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	(void)close(fd);
}

static void
remove_what_is_left(const char *location)
{
	DIR           *list = opendir(location);
	struct dirent *entry;
	char           path[sizeof(((struct scratch_dir *)NULL)->path)];

	for (int i = 0; list && i < ENTRIES_MAX && (entry = readdir(list)) != NULL; i++) {
		int fd = -1;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", location, entry->d_name) < sizeof(path))
			fd = open_own(path);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_dir(path, fd);
		else
			file_close(&fd);
	}
	if (list)
		(void)closedir(list);
}

/* False with errno. Between making the folder and locking it, another process may take it for an old one. */
static bool
make_dir(const char *location, struct scratch_dir *dir)
{
	if ((size_t)snprintf(dir->path, sizeof(dir->path), "%s/" PREFIX "XXXXXX", location) >= sizeof(dir->path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (!mkdtemp(dir->path))
		return false;
	dir->fd = open_own(dir->path);
	/* Where a folder cannot be locked, no process removes it. */
	if (dir->fd >= 0)
		(void)TEMP_FAILURE_RETRY(flock(dir->fd, LOCK_EX));
	if (dir->fd >= 0 && access(dir->path, F_OK) == 0)
		return true;
	file_close(&dir->fd);
	errno = ENOENT;
	return false;
}

enum err
scratch_dir_open(enum scratch_location location, struct scratch_dir *dir_out, char why_out[512])
{
	const char        *path = path_of(location);
	struct scratch_dir dir;
	bool               is_made = false;

	remove_what_is_left(path);
	for (int i = 0; i < TRIES_MAX && !is_made; i++)
		is_made = make_dir(path, &dir);
	if (!is_made) {
		str_printf(why_out, 512, "no folder can be made in %.*s: %s", STR_CUT_ARG(path, 300),
		           strerrordesc_np(errno));
		return ERR_IO;
	}
	*dir_out = dir;
	return OK;
}

void
scratch_dir_close(struct scratch_dir *dir)
{
	if (!dir->path[0])
		return;
	remove_dir(dir->path, dir->fd);
	dir->path[0] = '\0';
}

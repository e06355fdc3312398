/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void
file_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

bool
file_read(int fd, void *bytes, size_t size, size_t *len_out)
{
	ssize_t got = 1;
	size_t  len = 0;

	while (len < size && got != 0) {
		got = read(fd, (char *)bytes + len, size - len);
		if (got < 0 && errno != EINTR)
			break;
		len += got > 0 ? (size_t)got : 0;
	}
	*len_out = len;
	return got >= 0 || len == size;
}

bool
file_write(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.at, bytes.len);

		if (n == 0)
			errno = EIO;
		if (n <= 0 && errno != EINTR)
			return false;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return true;
}

/* The folder that holds `path`. */
static int
open_around(int dir, const char *path, int how)
{
	const char *slash = strrchr(path, '/');
	size_t      len = slash ? (size_t)(slash - path) + 1 : 0;
	char        folder[PATH_MAX] = ".";

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(folder, path, len);
	return openat(dir, folder, how | O_DIRECTORY | O_CLOEXEC);
}

bool
file_sync_folder_of(int dir, const char *path)
{
	AUTO(file_close) int fd = open_around(dir, path, O_RDONLY);

	return fd >= 0 && fsync(fd) == 0;
}

bool
file_is_own(int fd, int dir, const char *path)
{
	AUTO(file_close) int around_fd = open_around(dir, path, O_PATH);
	struct stat          is, around;

	if (fstat(fd, &is) != 0 || around_fd < 0 || fstat(around_fd, &around) != 0)
		return false;
	errno = !S_ISDIR(is.st_mode) && is.st_nlink > 1 ? EMLINK : EPERM;
	return errno == EPERM && (is.st_uid == geteuid() || is.st_uid == 0 || is.st_uid == around.st_uid) &&
	       (S_ISREG(is.st_mode) || S_ISDIR(is.st_mode));
}

static int
keep_own(int fd, int dir, const char *path)
{
	if (fd >= 0 && !file_is_own(fd, dir, path)) {
		int fault = errno;

		file_close(&fd);
		errno = fault;
	}
	return fd;
}

int
file_make(int dir, const char *name)
{
	return keep_own(openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600), dir, name);
}

int
file_open_folder(const char *path, bool make)
{
	struct stat is;
	int         fd;

	if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* The kernel says only that a link is no folder. */
	if (fd < 0 && errno == ENOTDIR)
		errno = lstat(path, &is) == 0 && S_ISLNK(is.st_mode) ? ELOOP : ENOTDIR;
	return keep_own(fd, AT_FDCWD, path);
}

const char *
file_fault_text(int fault)
{
	if (fault == ELOOP)
		return "it is a symbolic link, which is not followed here";
	if (fault == EMLINK)
		return "it has another name (a hard link)";
	return fault == EPERM ? "it belongs to another account, or may not be changed" : strerrordesc_np(fault);
}

bool
file_fault_is_full(int fault)
{
	return fault == ENOSPC || fault == EDQUOT || fault == EFBIG;
}

bool
file_publish(int fd, int dir, const char *from, const char *to)
{
	return fsync(fd) == 0 && renameat(dir, from, dir, to) == 0 && file_sync_folder_of(dir, to);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

bool
file_sync_folder_of(int dir, const char *path)
{
	const char          *slash = strrchr(path, '/');
	size_t               len = slash ? (size_t)(slash - path) + 1 : 0;
	char                 folder[PATH_MAX] = ".";
	AUTO(file_close) int fd = -1;

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(folder, path, len);
	fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0;
}

bool
file_publish(int fd, int dir, const char *from, const char *to)
{
	return fsync(fd) == 0 && renameat(dir, from, dir, to) == 0 && file_sync_folder_of(dir, to);
}

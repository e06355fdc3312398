/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

void
fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

bool
fd_read(int fd, void *bytes, size_t size, size_t *len_out)
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
fd_write(int fd, struct str bytes)
{
	while (bytes.len > 0) {
		ssize_t put = write(fd, bytes.at, bytes.len);

		if (put == 0)
			errno = EIO;
		if (put <= 0 && errno != EINTR)
			return false;
		bytes = str_skip(bytes, put > 0 ? (size_t)put : 0);
	}
	return true;
}

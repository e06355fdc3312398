/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define POLL_MS 100

/* A pipe without a writer reads as ended, but poll() does not call it ready. */
static bool
is_ready(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, POLL_MS) > 0;
}

int
oauth_file_read(const struct oauth_file *file, char *bytes, size_t size, size_t *len_out, mode_t *mode_out)
{
	AUTO(file_close) int fd = open(file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int64_t              end_ms = clock_mono_ms(file->clock) + OAUTH_FILE_MS;
	size_t               len = 0;
	struct stat          about;

	if (fd < 0 || fstat(fd, &about) != 0)
		return errno;
	*mode_out = about.st_mode & ALLPERMS;
	while (len < size) {
		ssize_t got;

		if (file->stopped && file->stopped(file->stopped_ctx))
			return ECANCELED;
		if (clock_mono_ms(file->clock) >= end_ms)
			return ETIMEDOUT;
		if (!is_ready(fd))
			continue;
		got = read(fd, bytes + len, size - len);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return errno;
		if (got == 0) {
			*len_out = len;
			return 0;
		}
		len += got > 0 ? (size_t)got : 0;
	}
	return EFBIG;
}

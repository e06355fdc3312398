/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_io.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/err.h"

/* One call moves no more, so that the other connections of a loop come to their turn. */
#define FILE_TURN_MAX ((size_t)1 << 20)

static enum http_io
io_from_errno(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? HTTP_IO_WAIT : HTTP_IO_BROKEN;
}

enum http_io
http_io_read(int fd, void *bytes, size_t size, size_t *len_out)
{
	ssize_t got;

	do
		got = recv(fd, bytes, size, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return io_from_errno();
	if (got == 0)
		return HTTP_IO_END;
	*len_out = (size_t)got;
	return HTTP_IO_DONE;
}

enum http_io
http_io_write(int fd, const struct str *parts, unsigned count, size_t *len_out)
{
	struct iovec  iov[3];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t       put;

	MUST(count > 0 && count <= 3);
	for (unsigned i = 0; i < count; i++) {
		iov[i].iov_base = (void *)(uintptr_t)parts[i].at;
		iov[i].iov_len = parts[i].len;
	}
	do
		put = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return io_from_errno();
	*len_out = (size_t)put;
	return HTTP_IO_DONE;
}

enum http_io
http_io_send_file(int fd, int file, uint64_t from, uint64_t left, size_t *len_out)
{
	off_t   at = (off_t)from;
	ssize_t put;

	do
		put = sendfile(fd, file, &at, left < FILE_TURN_MAX ? (size_t)left : FILE_TURN_MAX);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return io_from_errno();
	/* The file is shorter than was promised. */
	if (put == 0)
		return HTTP_IO_BROKEN;
	*len_out = (size_t)put;
	return HTTP_IO_DONE;
}

size_t
http_io_untaken(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_wire.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"
#include "http/http_tls.h"

/* One call moves at most this, so that the other connections of a loop get their time. */
#define FILE_CHUNK_MAX ((size_t)1 << 20)
#define WASTE_SIZE     ((size_t)16 * 1024)

static enum http_io
io_from_errno(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? HTTP_IO_WAIT : HTTP_IO_BROKEN;
}

static enum http_io
receive(int fd, void *bytes, size_t size, size_t *len_out)
{
	ssize_t got = TEMP_FAILURE_RETRY(recv(fd, bytes, size, 0));

	if (got <= 0)
		return got == 0 ? HTTP_IO_END : io_from_errno();
	*len_out = (size_t)got;
	return HTTP_IO_DONE;
}

bool
http_wire_secure(struct http_wire *wire, struct http_tls *tls)
{
	wire->tls = http_tls_link_open(tls, wire->fd);
	return wire->tls != NULL;
}

enum http_io
http_wire_handshake(struct http_wire *wire)
{
	return wire->tls ? http_tls_link_handshake(wire->tls) : HTTP_IO_DONE;
}

bool
http_wire_is_h2(const struct http_wire *wire)
{
	return wire->tls && http_tls_link_is_h2(wire->tls);
}

enum http_io
http_wire_read(struct http_wire *wire, void *bytes, size_t size, size_t *len_out)
{
	enum http_io io = wire->tls ? http_tls_link_read(wire->tls, bytes, size, len_out)
	                            : receive(wire->fd, bytes, size, len_out);

	if (io == HTTP_IO_DONE)
		wire->drained = wire->tls ? http_tls_link_is_drained(wire->tls) : *len_out < size;
	return io;
}

enum http_io
http_wire_waste(struct http_wire *wire)
{
	char   waste[WASTE_SIZE];
	size_t len;

	return receive(wire->fd, waste, sizeof(waste), &len);
}

enum http_io
http_wire_write(struct http_wire *wire, const struct str *parts, unsigned count, size_t *len_out)
{
	struct iovec  iov[3];
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t       put;

	if (wire->tls)
		return http_tls_link_write(wire->tls, parts, count, len_out);
	MUST(count > 0 && count <= 3);
	for (unsigned i = 0; i < count; i++) {
		iov[i].iov_base = (void *)(uintptr_t)parts[i].at;
		iov[i].iov_len = parts[i].len;
	}
	put = TEMP_FAILURE_RETRY(sendmsg(wire->fd, &message, MSG_NOSIGNAL));
	if (put < 0)
		return io_from_errno();
	*len_out = (size_t)put;
	return HTTP_IO_DONE;
}

bool
http_wire_probe(struct http_wire *wire)
{
	struct str text = STR("HTTP/1.1 100 Continue\r\n\r\n");
	size_t     len = 0;

	return http_wire_write(wire, &text, 1, &len) == HTTP_IO_DONE && len == text.len;
}

enum http_io
http_wire_send_file(struct http_wire *wire, int file, uint64_t from, uint64_t left, size_t *len_out)
{
	size_t  len = left < FILE_CHUNK_MAX ? (size_t)left : FILE_CHUNK_MAX;
	off_t   at = (off_t)from;
	ssize_t put;

	if (wire->tls)
		return http_tls_link_send_file(wire->tls, file, from, left, len_out);
	put = TEMP_FAILURE_RETRY(sendfile(wire->fd, file, &at, len));
	/* Zero: the file is shorter than was promised. */
	if (put <= 0)
		return put == 0 ? HTTP_IO_BROKEN : io_from_errno();
	*len_out = (size_t)put;
	return HTTP_IO_DONE;
}

size_t
http_wire_untaken(const struct http_wire *wire)
{
	int bytes = 0;

	return ioctl(wire->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void
http_wire_end(struct http_wire *wire)
{
	if (wire->tls)
		http_tls_link_end(wire->tls);
	(void)shutdown(wire->fd, SHUT_WR);
}

void
http_wire_close(struct http_wire *wire)
{
	http_tls_link_close(&wire->tls);
	(void)close(wire->fd);
}

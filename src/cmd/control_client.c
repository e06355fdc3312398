/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/control_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define HEAD_MAX  ((size_t)16 << 10)
#define WAIT_S    120

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval     wait = { .tv_sec = WAIT_S };
	int                fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		file_close(&fd);
	return fd;
}

static bool
send_all(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t n = send(fd, text.at, text.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text = str_skip(text, (size_t)n);
	}
	return true;
}

static bool
send_call(int fd, const struct control_call *call, struct arena *arena)
{
	struct str head = arena_printf(arena,
	                               "%s %.*s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	                               "%s%.*s%sContent-Length: %zu\r\n%s\r\n",
	                               call->method, STR_ARG(call->target), call->key.len ? "Idempotency-Key: " : "",
	                               STR_ARG(call->key), call->key.len ? "\r\n" : "", call->body.len,
	                               call->body.len ? "Content-Type: application/x-ndjson\r\n" : "");

	return send_all(fd, head) && send_all(fd, call->body);
}

/* The whole reply: the server closes the connection behind it. */
static enum err
receive(int fd, struct arena *arena, struct str *text_out)
{
	size_t size = HEAD_MAX + CONTROL_REPLY_MAX, len;
	char  *at = arena_take_raw(arena, size);

	if (!file_read(fd, at, size, &len))
		return ERR_UNSURE;
	if (len == size)
		return ERR_UP_GARBLED;
	*text_out = str_of(at, len);
	return len > 0 ? OK : ERR_UNSURE;
}

static bool
take_line(struct str *rest, struct str *line_out)
{
	size_t end = str_find(*rest, '\n');

	if (end == rest->len || end == 0 || rest->at[end - 1] != '\r')
		return false;
	*line_out = str_first(*rest, end - 1);
	*rest = str_skip(*rest, end + 1);
	return true;
}

static enum err
read_reply(struct str text, struct control_reply *reply_out)
{
	struct str line, name;
	uint64_t   status, length = UINT64_MAX;

	if (!take_line(&text, &line) || !str_starts(line, STR("HTTP/1.1 ")) || line.len < 12 ||
	    !str_to_u64(str_first(str_skip(line, 9), 3), &status))
		return ERR_UP_GARBLED;
	for (;;) {
		if (!take_line(&text, &line))
			return ERR_UNSURE;
		if (line.len == 0)
			break;
		if (str_take_until(&line, ':', &name) && str_eq_nocase(name, STR("content-length")) &&
		    !str_to_u64(str_trim(line), &length))
			return ERR_UP_GARBLED;
	}
	if (length == UINT64_MAX)
		return ERR_UP_GARBLED;
	if (text.len != length)
		return text.len < length ? ERR_UNSURE : ERR_UP_GARBLED;
	*reply_out = (struct control_reply){ (unsigned)status, text };
	return OK;
}

enum err
control_call(const char *sock_path, const struct control_call *call, struct arena *arena,
	     struct control_reply *reply_out)
{
	AUTO(file_close) int fd = connect_to(sock_path);
	struct str text;
	bool       sent;
	enum err   err;

	if (fd < 0)
		return ERR_NOT_FOUND;
	/* A server that refuses early answers before it has read everything: look at the answer all the same. */
	sent = send_call(fd, call, arena);
	err = receive(fd, arena, &text);
	if (err != OK)
		return err;
	err = read_reply(text, reply_out);
	if (err == OK && !sent && reply_out->status < 400)
		return ERR_UP_GARBLED;
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define BACKLOG 4096

struct endpoint {
	char host[256];
	char port[6];
};

static enum err
fail(const char *what, const char *where, char why_out[256])
{
	str_printf(why_out, 256, "%s %.*s: %s", what, STR_CUT_ARG(where, 160), strerror(errno));
	return ERR_IO;
}

/* HOST:PORT, or [HOST]:PORT for a host with colons. */
static bool
endpoint_parse(struct str text, struct endpoint *endpoint_out)
{
	struct str host, port;
	uint64_t   number;

	if (str_starts(text, STR("["))) {
		host = str_skip(str_first(text, str_find(text, ']')), 1);
		port = str_skip(text, host.len + 2);
		if (!str_starts(port, STR(":")) || str_find(host, ':') == host.len)
			return false;
	} else {
		host = str_first(text, str_find(text, ':'));
		port = str_skip(text, host.len);
	}
	port = str_skip(port, 1);
	if (host.len == 0 || host.len >= sizeof(endpoint_out->host) || memchr(host.at, '\0', host.len) != NULL)
		return false;
	if (port.len > 5 || !str_to_u64(port, &number) || number > UINT16_MAX)
		return false;
	memcpy(endpoint_out->host, host.at, host.len);
	endpoint_out->host[host.len] = '\0';
	str_printf(endpoint_out->port, sizeof(endpoint_out->port), "%u", (unsigned)number);
	return true;
}

static void
address_format(const struct sockaddr_storage *address, char text_out[HTTP_ADDRESS_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

		MUST(inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)) != NULL);
		str_printf(text_out, HTTP_ADDRESS_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)address;

		MUST(inet_ntop(AF_INET, &in4->sin_addr, host, sizeof(host)) != NULL);
		str_printf(text_out, HTTP_ADDRESS_MAX, "%s:%u", host, ntohs(in4->sin_port));
	}
}

/* Accepted sockets inherit TCP_NODELAY from the listening one. */
static bool
tcp_prepare(int fd)
{
	int yes = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0;
}

static enum err
tcp_open(struct str listen_text, struct http_listener *listener_out, char why_out[256])
{
	const struct addrinfo   hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct sockaddr_storage address = { 0 };
	socklen_t               address_len = sizeof(address);
	struct endpoint         endpoint;
	struct addrinfo        *found;
	AUTO(file_close) int    fd = -1;
	int                     failure;

	if (!endpoint_parse(listen_text, &endpoint)) {
		str_printf(why_out, 256, "listen address %.*s: HOST:PORT or [ADDRESS]:PORT is meant",
		           STR_ARG(str_cut(listen_text, 128)));
		return ERR_BAD_REQUEST;
	}
	failure = getaddrinfo(endpoint.host, endpoint.port, &hints, &found);
	if (failure) {
		str_printf(why_out, 256, "listen host %.*s: %s", STR_CUT_ARG(endpoint.host, 200),
		           gai_strerror(failure));
		return ERR_IO;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	failure = fd < 0 || !tcp_prepare(fd) || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, BACKLOG);
	freeaddrinfo(found);
	if (failure || getsockname(fd, (struct sockaddr *)(void *)&address, &address_len)) {
		str_printf(why_out, 256, "%s", strerror(errno)); /* the caller names the address */
		return ERR_IO;
	}
	*listener_out = (struct http_listener){ .fd = fd };
	address_format(&address, listener_out->address);
	fd = -1;
	return OK;
}

static int
unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Removes a socket file that nobody listens on; leaves everything else. */
static enum err
unix_clear(const struct sockaddr_un *address, char why_out[256])
{
	struct stat          stat;
	AUTO(file_close) int fd = -1;

	if (lstat(address->sun_path, &stat))
		return errno == ENOENT ? OK : fail("cannot look at", address->sun_path, why_out);
	errno = EEXIST;
	if (!S_ISSOCK(stat.st_mode))
		return fail("not a socket:", address->sun_path, why_out);
	fd = unix_socket();
	if (fd < 0)
		return fail("cannot open a socket for", address->sun_path, why_out);
	if (connect(fd, (const struct sockaddr *)(const void *)address, sizeof(*address)) == 0 || errno == EAGAIN) {
		errno = EADDRINUSE;
		return fail("cannot listen on", address->sun_path, why_out);
	}
	if (errno != ECONNREFUSED || unlink(address->sun_path))
		return fail("cannot replace", address->sun_path, why_out);
	return OK;
}

static enum err
unix_open(const char *path, struct http_listener *listener_out, char why_out[256])
{
	struct sockaddr_un   address = { .sun_family = AF_UNIX };
	size_t               len = strlen(path);
	AUTO(file_close) int fd = -1;
	struct stat          stat;

	if (len == 0 || len >= sizeof(address.sun_path)) {
		str_printf(why_out, 256, "socket path %.*s: it must have 1 to %zu bytes", STR_CUT_ARG(path, 128),
		           sizeof(address.sun_path) - 1);
		return ERR_BAD_REQUEST;
	}
	memcpy(address.sun_path, path, len);
	TRY(unix_clear(&address, why_out));
	fd = unix_socket();
	/* The file takes its mode from the socket, so it is never open to others, not even for a moment. */
	if (fd < 0 || fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) ||
	    listen(fd, BACKLOG) || lstat(path, &stat))
		return fail("cannot listen on", path, why_out);
	*listener_out = (struct http_listener){ .fd = fd, .is_unix = true, .dev = stat.st_dev, .ino = stat.st_ino };
	memcpy(listener_out->address, path, len);
	fd = -1;
	return OK;
}

enum err
http_listener_open(const struct http_conf *conf, struct http_listener *listener_out, char why_out[256])
{
	return conf->unix_path ? unix_open(conf->unix_path, listener_out, why_out)
	                       : tcp_open(conf->listen, listener_out, why_out);
}

void
http_listener_close(struct http_listener *listener)
{
	struct stat stat;

	if (listener->fd < 0)
		return;
	if (listener->is_unix && lstat(listener->address, &stat) == 0 && stat.st_dev == listener->dev &&
	    stat.st_ino == listener->ino)
		(void)unlink(listener->address);
	file_close(&listener->fd);
}

static void
peer_from_address(const struct sockaddr_storage *address, struct http_peer_key *key_out, char peer_out[HTTP_PEER_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	*key_out = (struct http_peer_key){ 0 };
	peer_out[0] = '\0';
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)address;

		memcpy(key_out->b, mapped, sizeof(mapped));
		memcpy(key_out->b + sizeof(mapped), &in4->sin_addr, 4);
		MUST(inet_ntop(AF_INET, &in4->sin_addr, peer_out, HTTP_PEER_MAX) != NULL);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
		const uint8_t             *bytes = in6->sin6_addr.s6_addr;
		bool                       is_mapped = memcmp(bytes, mapped, sizeof(mapped)) == 0;

		memcpy(key_out->b, bytes, is_mapped ? 16 : 8);
		MUST(inet_ntop(is_mapped ? AF_INET : AF_INET6, is_mapped ? bytes + sizeof(mapped) : bytes, peer_out,
		               HTTP_PEER_MAX) != NULL);
	}
}

enum http_accept
http_listener_accept(struct http_listener *listener, int *fd_out, struct http_peer_key *key_out,
                     char peer_out[HTTP_PEER_MAX])
{
	struct sockaddr_storage address = { 0 };
	socklen_t               address_len = sizeof(address);
	int fd = accept4(listener->fd, (struct sockaddr *)(void *)&address, &address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		peer_from_address(&address, key_out, peer_out);
		*fd_out = fd;
		return HTTP_ACCEPT_DONE;
	}
	switch (errno) {
	case EAGAIN:
		return HTTP_ACCEPT_NONE;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return HTTP_ACCEPT_FULL;
	default:
		return HTTP_ACCEPT_AGAIN;
	}
}

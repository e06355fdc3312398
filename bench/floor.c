/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor — a bare epoll loop that sends fixed bytes: what the kernel alone costs, under every server there is.
 *
 *   floor THREADS < ANSWER
 *
 * Prints the port it took on 127.0.0.1.  Each thread has its own epoll and every so-many-th connection.  A request is whatever
 * ends in an empty line; nothing else of it is looked at, nothing is checked, and nothing is bounded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX  (4u << 20)
#define THREADS_MAX 64

struct peer {
	int      fd;
	unsigned matched; /* of the four bytes that end a request */
	unsigned waiting; /* requests that were read and not answered */
	size_t   put;     /* of the answer under way */
};

struct loop {
	int         epoll_fd;
	const char *answer;
	size_t      answer_len;
};

/* How many requests end in these bytes. */
static unsigned
count_ends(struct peer *peer, const char *bytes, size_t len)
{
	static const char end[] = "\r\n\r\n";
	unsigned          count = 0;

	/* Nearly always one whole request has come, and its end is all that needs a look. */
	if (peer->matched == 0 && len >= 4 && memmem(bytes, len, end, 4) == bytes + len - 4)
		return 1;
	for (size_t i = 0; i < len; i++) {
		peer->matched = bytes[i] == end[peer->matched] ? peer->matched + 1 : bytes[i] == '\r' ? 1 : 0;
		if (peer->matched == 4) {
			peer->matched = 0;
			count++;
		}
	}
	return count;
}

static bool
put_answers(const struct loop *loop, struct peer *peer)
{
	while (peer->waiting > 0) {
		ssize_t put = send(peer->fd, loop->answer + peer->put, loop->answer_len - peer->put, MSG_NOSIGNAL);

		if (put < 0)
			return errno == EAGAIN;
		peer->put += (size_t)put;
		if (peer->put == loop->answer_len) {
			peer->put = 0;
			peer->waiting--;
		}
	}
	return true;
}

/* False when the peer has gone. */
static bool
serve_peer(const struct loop *loop, struct peer *peer)
{
	char    bytes[16384];
	ssize_t got;

	do {
		got = recv(peer->fd, bytes, sizeof(bytes), 0);
		if (got > 0)
			peer->waiting += count_ends(peer, bytes, (size_t)got);
		else if (got == 0 || errno != EAGAIN)
			return false;
	} while (got == sizeof(bytes));
	return put_answers(loop, peer);
}

static void *
run_loop(void *ctx)
{
	const struct loop *loop = ctx;
	struct epoll_event events[256];

	for (;;) {
		int count = epoll_wait(loop->epoll_fd, events, 256, -1);

		for (int i = 0; i < count; i++) {
			struct peer *peer = events[i].data.ptr;

			if (!serve_peer(loop, peer)) {
				(void)close(peer->fd);
				free(peer);
			}
		}
	}
	return NULL;
}

static int
listen_anywhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t          len = sizeof(at);
	int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		return -1;
	printf("%d\n", ntohs(at.sin_port));
	return fflush(stdout) == 0 ? fd : -1;
}

static bool
take_peer(const struct loop *loop, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct peer       *peer = calloc(1, sizeof(*peer));
	int                one = 1;

	if (!peer)
		return false;
	peer->fd = fd;
	event.data.ptr = peer;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

int
main(int argc, char **argv)
{
	static struct loop loops[THREADS_MAX];
	static char        answer[ANSWER_MAX];
	size_t             answer_len = fread(answer, 1, sizeof(answer), stdin);
	unsigned long      threads = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	int                listen_fd, fd;

	if (threads < 1 || threads > THREADS_MAX || answer_len == 0 || answer_len == sizeof(answer))
		return 2;
	for (unsigned long i = 0; i < threads; i++) {
		pthread_t thread;

		loops[i] = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
			                  .answer = answer,
			                  .answer_len = answer_len };
		if (loops[i].epoll_fd < 0 || pthread_create(&thread, NULL, run_loop, &loops[i]) != 0)
			return 1;
	}
	listen_fd = listen_anywhere();
	for (unsigned long round = 0; listen_fd >= 0; round++) {
		fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 || !take_peer(&loops[round % threads], fd))
			break;
	}
	perror("floor");
	return 1;
}

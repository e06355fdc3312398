/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait — many event streams that wait for one change.
 *
 *   wait PORT STREAMS ROUNDS < REQUESTS
 *
 * REQUESTS are separated by a NUL; the last two make a change, in turns, the others open streams.  When all wait it says
 * "ready", and waits for a line on descriptor 3.  In each round it sends a change, on a connection of its own, and measures
 * until the blank line of the event has come, for each stream.  The result is one line of JSON.  Peers are 127.1.0.1
 * and up, as in load.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUESTS_MAX 32
#define PATIENCE_MS  30000

struct stream {
	int  fd;
	bool has_event;
};

static char  text[1 << 18];
static char *requests[REQUESTS_MAX];
static int   request_count;

static int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
ask(unsigned i, uint16_t port, const char *request)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	from.sin_addr.s_addr = htonl(0x7f010000u + (i / 250) * 256 + i % 250 + 1);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		return -1;
	return fd;
}

/* Reads what has come: true when it ends an event, which is "\n\n" and the chunk's own line end. */
static bool
take(struct stream *stream)
{
	static char bytes[1 << 17];
	ssize_t     got = recv(stream->fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

	if (got <= 0)
		return false;
	bytes[got] = '\0';
	stream->has_event = stream->has_event || strstr(bytes, "data: ");
	return got >= 4 && memcmp(bytes + got - 4, "\n\n\r\n", 4) == 0;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* All have ended an event, or with `first` the comment that opens the stream.  Fills the delays; false: some did not. */
static bool
await_all(int epoll_fd, unsigned count, bool first, int64_t from_us, int64_t *delays)
{
	unsigned done = 0;

	while (done < count) {
		struct epoll_event events[512];
		int                got = epoll_wait(epoll_fd, events, 512, PATIENCE_MS);

		if (got <= 0)
			return false;
		for (int i = 0; i < got; i++) {
			struct stream *stream = events[i].data.ptr;

			if (!take(stream) || (!first && !stream->has_event))
				continue;
			delays[done++] = now_us() - from_us;
			stream->has_event = false;
			if (done == count)
				break;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	uint16_t       port = argc == 4 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0;
	unsigned       count = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0, rounds;
	struct stream *streams = calloc(count + 1, sizeof(*streams));
	int            epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	size_t         len = fread(text, 1, sizeof(text) - 1, stdin);
	int64_t       *delays, *all;
	char           line[16];

	if (!streams || count == 0)
		return 2;
	rounds = (unsigned)strtoul(argv[3], NULL, 10);
	delays = calloc((size_t)count * (rounds + 1), sizeof(*delays));
	all = delays + count;
	for (char *at = text; at < text + len && request_count < REQUESTS_MAX; at += strlen(at) + 1)
		requests[request_count++] = at;
	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &streams[i] };

		streams[i].fd = ask(i, port, requests[i % (unsigned)(request_count - 2)]);
		if (streams[i].fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, streams[i].fd, &event) != 0) {
			fprintf(stderr, "wait: stream %u: %s\n", i, strerror(errno));
			return 1;
		}
	}
	if (!await_all(epoll_fd, count, true, 0, delays))
		return 1;
	printf("ready\n");
	(void)fflush(stdout);
	if (read(3, line, sizeof(line)) < 0)
		return 1;
	for (unsigned round = 0; round < rounds; round++) {
		int64_t from_us = now_us();
		int     fd = ask(count, port, requests[request_count - 1 - (int)(round % 2)]);

		if (fd < 0 || !await_all(epoll_fd, count, false, from_us, all + (size_t)round * count))
			return 1;
		(void)close(fd);
		(void)usleep(300000);
	}
	qsort(all, (size_t)count * rounds, sizeof(*all), compare);
	printf("{\"p50_ms\": %.1f, \"p99_ms\": %.1f, \"max_ms\": %.1f}\n", (double)all[count * rounds / 2] / 1000,
	       (double)all[(size_t)count * rounds * 99 / 100] / 1000, (double)all[(size_t)count * rounds - 1] / 1000);
	return 0;
}

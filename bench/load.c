/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load — many connections from many addresses, each asking the same thing, now or once an interval.
 *
 *   load PORT CONNECTIONS SECONDS INTERVAL_MS plain|tls < REQUEST
 *
 * Every connection sends the request once and reads the whole answer.  Then, with SECONDS 0, it says "ready" and
 * holds them all until its output is closed or a line comes on descriptor 3; else each asks again every INTERVAL_MS, evenly
 * spread, for so long.  A delay counts from the moment a request was due, so a server that stalls is not flattered; what
 * this program itself was late in sending is counted apart, so that it can be told from what the server took.  Between
 * two sends it sleeps, for a load that spins takes a core from the server.  The result is one line of JSON.
 * Peers are 127.1.0.1 and up, so limits per address are not met.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 8192
#define ANSWER_MAX  65536
#define SLOTS       100000 /* tenths of a millisecond, up to ten seconds */
#define BEHIND_MAX  16     /* sends in a row, when some are overdue, before answers are read */

struct peer {
	int     fd;
	SSL    *ssl;
	int64_t due_us;    /* when the request under way was due; 0: none is */
	int64_t sent_us;   /* and when it was sent */
	size_t  got, want; /* of the answer; want 0: its head is not whole */
	char    head[2048];
};

struct load {
	struct peer *peers;
	unsigned     count;
	SSL_CTX     *tls;
	char         request[REQUEST_MAX];
	size_t       request_len;
	int          epoll_fd;
	uint64_t     answers, errors, late;
	uint64_t     delays[SLOTS + 1]; /* from due to answered */
	uint64_t     own[SLOTS + 1];    /* from due to sent */
	uint64_t     served[SLOTS + 1]; /* from sent to answered */
};

static int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool
connect_peer(struct load *load, unsigned i, uint16_t port)
{
	struct peer       *peer = &load->peers[i];
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int                one = 1;

	from.sin_addr.s_addr = htonl(0x7f010000u + (i / 250) * 256 + i % 250 + 1);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (peer->fd < 0 || bind(peer->fd, (struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(peer->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		return false;
	(void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!load->tls)
		return true;
	peer->ssl = SSL_new(load->tls);
	return peer->ssl && SSL_set_fd(peer->ssl, peer->fd) == 1 && SSL_connect(peer->ssl) == 1;
}

static bool
send_request(struct load *load, struct peer *peer, int64_t due_us)
{
	ssize_t put;

	peer->due_us = due_us;
	peer->sent_us = now_us();
	put = peer->ssl ? SSL_write(peer->ssl, load->request, (int)load->request_len)
	                : send(peer->fd, load->request, load->request_len, MSG_NOSIGNAL);

	peer->got = peer->want = 0;
	return put == (ssize_t)load->request_len;
}

/* The length of the whole answer, once its head is there. */
static size_t
answer_len(struct peer *peer, size_t head_got)
{
	char *end, *field;

	peer->head[head_got] = '\0';
	end = strstr(peer->head, "\r\n\r\n");
	field = strcasestr(peer->head, "\r\ncontent-length:");
	if (!end || !field || strncmp(peer->head, "HTTP/1.1 200", 12) != 0)
		return 0;
	return (size_t)(end + 4 - peer->head) + strtoul(field + 17, NULL, 10);
}

/* 1 the answer is whole, 0 more must come, -1 it is broken. */
static int
take_answer(struct peer *peer)
{
	char    bytes[ANSWER_MAX];
	ssize_t got;

	for (;;) {
		got = peer->ssl ? SSL_read(peer->ssl, bytes, sizeof(bytes)) : recv(peer->fd, bytes, sizeof(bytes), 0);
		if (got <= 0) {
			bool again = peer->ssl ? SSL_get_error(peer->ssl, (int)got) == SSL_ERROR_WANT_READ
			                       : errno == EAGAIN;

			return got < 0 && again ? 0 : -1;
		}
		if (peer->got < sizeof(peer->head) - 1) {
			size_t space = sizeof(peer->head) - 1 - peer->got;
			size_t len = (size_t)got < space ? (size_t)got : space;

			memcpy(peer->head + peer->got, bytes, len);
			if (peer->want == 0)
				peer->want = answer_len(peer, peer->got + len);
		}
		peer->got += (size_t)got;
		if (peer->want > 0 && peer->got >= peer->want)
			return peer->got == peer->want ? 1 : -1;
	}
}

static bool
open_all(struct load *load, uint16_t port)
{
	for (unsigned i = 0; i < load->count; i++) {
		struct peer       *peer = &load->peers[i];
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

		if (!connect_peer(load, i, port) || !send_request(load, peer, now_us()) || take_answer(peer) != 1) {
			fprintf(stderr, "load: connection %u failed: %s\n", i, strerror(errno));
			return false;
		}
		(void)fcntl(peer->fd, F_SETFL, O_NONBLOCK);
		if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, peer->fd, &event) != 0)
			return false;
		peer->due_us = 0;
	}
	return true;
}

static void
count_delay(uint64_t *slots, int64_t delay_us)
{
	slots[delay_us / 100 < SLOTS ? delay_us / 100 : SLOTS]++;
}

static void
note(struct load *load, struct peer *peer)
{
	int64_t now = now_us();

	count_delay(load->delays, now - peer->due_us);
	count_delay(load->own, peer->sent_us - peer->due_us);
	count_delay(load->served, now - peer->sent_us);
	load->answers++;
	peer->due_us = 0;
}

static void
drop(struct load *load, struct peer *peer)
{
	load->errors++;
	(void)close(peer->fd);
	peer->fd = -1;
	peer->due_us = 0;
}

static void
take_events(struct load *load, int64_t wait_us)
{
	struct epoll_event events[256];
	struct timespec    wait = { .tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000 };
	int                count = epoll_pwait2(load->epoll_fd, events, 256, &wait, NULL);

	for (int i = 0; i < count; i++) {
		struct peer *peer = events[i].data.ptr;
		int          whole = peer->due_us ? take_answer(peer) : -1;

		if (whole > 0)
			note(load, peer);
		else if (whole < 0)
			drop(load, peer);
	}
}

static bool
any_waits(const struct load *load)
{
	for (unsigned i = 0; i < load->count; i++) {
		if (load->peers[i].due_us)
			return true;
	}
	return false;
}

static void
poll_all(struct load *load, int64_t seconds, int64_t interval_ms)
{
	int64_t  start = now_us(), end = start + seconds * 1000000;
	uint64_t round = 0;

	for (;;) {
		int64_t      now = now_us(), due = start + (int64_t)round * interval_ms * 1000 / load->count;
		struct peer *peer = &load->peers[round % load->count];

		if (due >= end)
			break;
		if (now < due) {
			take_events(load, due - now);
			continue;
		}
		round++;
		if (peer->fd < 0)
			continue;
		if (peer->due_us)
			load->late++;
		else if (!send_request(load, peer, due))
			drop(load, peer);
		if (round % BEHIND_MAX == 0)
			take_events(load, 0);
	}
	for (int i = 0; i < 200 && any_waits(load); i++)
		take_events(load, 10000);
	for (unsigned i = 0; i < load->count; i++) {
		if (load->peers[i].due_us)
			drop(load, &load->peers[i]); /* no answer at all, seconds after the last was due */
	}
}

static double
percentile(const struct load *load, const uint64_t *slots, double part)
{
	uint64_t seen = 0;

	for (int slot = 0; slot <= SLOTS; slot++) {
		seen += slots[slot];
		if ((double)seen >= part * (double)load->answers)
			return (slot + 1) / 10.0;
	}
	return -1;
}

static void
report(const struct load *load)
{
	printf("{\"connections\": %u, \"answers\": %llu, \"errors\": %llu, \"late\": %llu", load->count,
	       (unsigned long long)load->answers, (unsigned long long)load->errors, (unsigned long long)load->late);
	printf(", \"p50_ms\": %.1f, \"p99_ms\": %.1f, \"p999_ms\": %.1f, \"max_ms\": %.1f",
	       percentile(load, load->delays, 0.5), percentile(load, load->delays, 0.99),
	       percentile(load, load->delays, 0.999), percentile(load, load->delays, 1.0));
	printf(", \"own_p99_ms\": %.1f, \"served_p99_ms\": %.1f}\n", percentile(load, load->own, 0.99),
	       percentile(load, load->served, 0.99));
}

int
main(int argc, char **argv)
{
	static struct load load;
	int64_t            seconds;
	char               line[16];

	if (argc != 6)
		return 2;
	load.count = (unsigned)strtoul(argv[2], NULL, 10);
	seconds = strtol(argv[3], NULL, 10);
	load.request_len = fread(load.request, 1, sizeof(load.request), stdin);
	load.peers = calloc(load.count, sizeof(*load.peers));
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (strcmp(argv[5], "tls") == 0)
		load.tls = SSL_CTX_new(TLS_client_method());
	if (!load.peers || load.request_len == 0 || !open_all(&load, (uint16_t)strtoul(argv[1], NULL, 10)))
		return 1;
	printf("ready\n");
	(void)fflush(stdout);
	if (seconds == 0)
		return read(3, line, sizeof(line)) < 0;
	(void)prctl(PR_SET_TIMERSLACK, 1);
	poll_all(&load, seconds, strtol(argv[4], NULL, 10));
	report(&load);
	return load.errors > 0;
}

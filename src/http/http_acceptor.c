/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_loop.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* At the descriptor limit it tries again after this time; at connections_max a closing connection wakes it. */
#define PAUSE_MS        100
#define ACCEPTS_AT_ONCE 256

static struct http_loop *
emptiest_loop(struct http_acceptor *acceptor)
{
	struct http_loop *loop = acceptor->loops[0];

	for (unsigned i = 1; i < acceptor->loop_count; i++)
		if (http_loop_open_count(acceptor->loops[i]) < http_loop_open_count(loop))
			loop = acceptor->loops[i];
	return loop;
}

static void
let_in(struct http_acceptor *acceptor, int fd, const struct http_peer_key *key, const char *peer)
{
	if (http_shared_enter(acceptor->shared, key)) {
		if (http_loop_register(emptiest_loop(acceptor), fd, key, peer))
			return;
		http_shared_leave(acceptor->shared, key);
	}
	(void)close(fd);
}

static void
log_exhausted(struct http_acceptor *acceptor)
{
	if (acceptor->log && !acceptor->exhausted)
		LOG_EVENT(acceptor->log, LOG_WARN, "accept paused", { "why", STR("no descriptors or memory left") });
	acceptor->exhausted = true;
}

/* True: no more connections can be accepted for now. */
static bool
accept_some(struct http_acceptor *acceptor)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct http_peer_key key;
		char                 peer[HTTP_PEER_MAX] = { 0 };
		int                  fd;

		if (http_shared_is_full(acceptor->shared))
			return true;
		switch (http_listener_accept(&acceptor->listener, &fd, &key, peer)) {
		case HTTP_ACCEPT_DONE:
			acceptor->exhausted = false;
			let_in(acceptor, fd, &key, peer);
			break;
		case HTTP_ACCEPT_NONE:
			return false;
		case HTTP_ACCEPT_AGAIN:
			break;
		case HTTP_ACCEPT_FULL:
			log_exhausted(acceptor);
			return true;
		}
	}
	return false;
}

void
http_acceptor_run(struct http_acceptor *acceptor)
{
	int  wake_fd = acceptor->shared->wake_fd;
	bool paused = false;

	while (!atomic_load(&acceptor->stopping)) {
		struct pollfd fds[2] = { { .fd = wake_fd, .events = POLLIN },
			                 { .fd = paused ? -1 : acceptor->listener.fd, .events = POLLIN } };
		uint64_t      count;

		if (poll(fds, 2, paused ? PAUSE_MS : -1) < 0)
			MUST(errno == EINTR);
		else if (fds[0].revents)
			MUST(read(wake_fd, &count, sizeof(count)) > 0 || errno == EAGAIN);
		if (!atomic_load(&acceptor->stopping))
			paused = accept_some(acceptor);
	}
}

void
http_acceptor_stop(struct http_acceptor *acceptor)
{
	atomic_store(&acceptor->stopping, true);
	http_shared_wake_acceptor(acceptor->shared);
}

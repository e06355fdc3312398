/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http/http_conn.h"

#define EVENTS_MAX 256
/* So many answers that waited are made in a round of the loop; then the other connections come. */
#define RESUMED_MAX 32u

struct http_loop {
	struct http_thread thread;
	pthread_t          id;
	int                epoll_fd;
	struct http_link   conns; /* all it has taken over */
	int64_t            drain_until_ms;
	atomic_uint        open; /* also those just registered */
	atomic_bool        drain_asked;
};

struct http_loop *
http_loop_open(struct http_shared *shared)
{
	struct http_loop  *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	bool               opened;

	MUST(loop != NULL);
	http_list_open(&loop->conns);
	opened = http_thread_open(&loop->thread, shared);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!opened || loop->epoll_fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->thread.wake_fd, &event))
		http_loop_close(&loop);
	return loop;
}

void
http_loop_close(struct http_loop **loop)
{
	struct http_loop *old = *loop;

	if (!old)
		return;
	http_thread_close(&old->thread);
	if (old->epoll_fd >= 0)
		(void)close(old->epoll_fd);
	free(old);
	*loop = NULL;
}

bool
http_loop_register(struct http_loop *loop, int fd, const struct http_peer_key *key, const char *peer)
{
	struct http_conn  *conn = http_conn_open(&loop->thread, fd, key, peer);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	atomic_fetch_add(&loop->open, 1);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	atomic_fetch_sub(&loop->open, 1);
	free(conn);
	return false;
}

static struct http_conn *
conn_of(const struct http_pending *pending)
{
	return HTTP_LIST_OWNER(pending->peer, struct http_conn, peer);
}

static void
take_back(struct http_loop *loop)
{
	struct http_exchange *exchange = http_thread_take_back(&loop->thread);

	while (exchange) {
		struct http_exchange *next = exchange->next;

		http_conn_answered(conn_of(exchange->req.pending), exchange);
		exchange = next;
	}
}

/* Each once: those that are not done are in the list again for the next round. */
static void
go_again(struct http_loop *loop)
{
	struct http_link  batch;
	struct http_link *link;

	if (http_list_is_empty(&loop->thread.again))
		return;
	batch = loop->thread.again;
	batch.next->prev = batch.prev->next = &batch;
	http_list_open(&loop->thread.again);
	while ((link = http_list_take(&batch)) != NULL)
		http_conn_go(HTTP_LIST_OWNER(link, struct http_conn, again));
}

static void
resume(struct http_loop *loop)
{
	struct http_thread    *thread = &loop->thread;
	const struct http_app *app = &thread->shared->app;
	struct http_exchange  *exchange;

	http_waits_look(&thread->waits, thread->now_ms);
	if (app->generation && http_waits_check_is_due(&thread->waits, thread->now_ms))
		http_waits_check(&thread->waits, app->generation(app->ctx));
	for (unsigned i = 0; i < RESUMED_MAX && (exchange = http_waits_take(&thread->waits)) != NULL; i++)
		http_conn_resume(conn_of(exchange->req.pending), exchange);
}

static void
take_timeouts(struct http_loop *loop)
{
	struct http_timer *timer;

	while ((timer = http_wheel_take(&loop->thread.wheel, loop->thread.now_ms)) != NULL)
		http_conn_timeout(HTTP_LIST_OWNER(timer, struct http_conn, timer));
}

static void
for_each_conn(struct http_loop *loop, void (*act)(struct http_conn *conn))
{
	struct http_link *link = loop->conns.next;

	while (link != &loop->conns) {
		struct http_link *next = link->next;

		act(HTTP_LIST_OWNER(link, struct http_conn, listed));
		link = next;
	}
}

static void
drain(struct http_loop *loop)
{
	if (!loop->thread.draining && atomic_load(&loop->drain_asked)) {
		loop->thread.draining = true;
		loop->drain_until_ms = loop->thread.now_ms + loop->thread.shared->limits.drain_ms;
		http_waits_ask_all(&loop->thread.waits);
		for_each_conn(loop, http_conn_drain);
	}
	if (loop->thread.draining && loop->thread.now_ms >= loop->drain_until_ms)
		for_each_conn(loop, http_conn_drop);
}

static void
reap(struct http_loop *loop)
{
	struct http_link *link;

	while ((link = http_list_take(&loop->thread.dead)) != NULL) {
		free(HTTP_LIST_OWNER(link, struct http_conn, listed));
		atomic_fetch_sub(&loop->open, 1);
	}
}

static int
wait_ms(const struct http_loop *loop)
{
	int     wait = http_wheel_wait_ms(&loop->thread.wheel, loop->thread.now_ms);
	int     next = http_waits_wait_ms(&loop->thread.waits, loop->thread.now_ms);
	int64_t left = loop->drain_until_ms - loop->thread.now_ms;

	if (!http_list_is_empty(&loop->thread.again))
		return 0;
	if (next >= 0 && (wait < 0 || next < wait))
		wait = next;
	if (loop->thread.draining && left > 0 && (wait < 0 || left < wait))
		return (int)left;
	return wait;
}

static void
go_round(struct http_loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int                count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));

	MUST(count >= 0 || errno == EINTR);
	loop->thread.now_ms = clock_mono_ms(loop->thread.shared->clock);
	for (int i = 0; i < count; i++) {
		struct http_conn *conn = events[i].data.ptr;

		if (conn) {
			if (!http_link_is_listed(&conn->listed))
				http_list_append(&loop->conns, &conn->listed);
			http_conn_event(conn, events[i].events);
		} else {
			http_thread_slept(&loop->thread);
			take_back(loop);
		}
	}
	go_again(loop);
	take_timeouts(loop);
	drain(loop);
	resume(loop);
	reap(loop);
}

static void *
run(void *context)
{
	struct http_loop *loop = context;
	sigset_t          pipe_only;

	/* sendfile(2) knows no flag against the signal of a peer that is gone. */
	(void)sigemptyset(&pipe_only);
	(void)sigaddset(&pipe_only, SIGPIPE);
	MUST(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL) == 0);
	while (!loop->thread.draining || atomic_load(&loop->open) > 0)
		go_round(loop);
	return NULL;
}

bool
http_loop_start(struct http_loop *loop)
{
	return pthread_create(&loop->id, NULL, run, loop) == 0;
}

void
http_loop_drain(struct http_loop *loop)
{
	atomic_store(&loop->drain_asked, true);
	http_thread_wake(&loop->thread);
}

void
http_loop_join(struct http_loop *loop)
{
	MUST(pthread_join(loop->id, NULL) == 0);
}

void
http_loop_topic_changed(struct http_loop *loop, uint32_t topic)
{
	if (http_waits_changed(&loop->thread.waits, topic))
		http_thread_wake(&loop->thread);
}

unsigned
http_loop_open_count(const struct http_loop *loop)
{
	return atomic_load(&loop->open);
}

const struct http_counters *
http_loop_counters(const struct http_loop *loop)
{
	return &loop->thread.counters;
}

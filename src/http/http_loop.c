/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "http/http_held.h"
#include "http/http_server.h"

#define EVENTS_MAX 256

struct http_loop *
http_loop_open(struct http_server *server)
{
	struct http_loop  *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	MUST(loop != NULL);
	loop->server = server;
	loop->date_s = -1;
	loop->now_ms = clock_mono_ms(server->clock);
	http_wheel_open(&loop->wheel, loop->now_ms);
	http_list_open(&loop->conns);
	http_list_open(&loop->again);
	http_list_open(&loop->dead);
	MUST(pthread_mutex_init(&loop->back_lock, NULL) == 0);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event))
		http_loop_close(&loop);
	return loop;
}

void
http_loop_close(struct http_loop **loop)
{
	struct http_loop *old = *loop;

	if (!old)
		return;
	while (old->spare_count)
		free(old->spares[--old->spare_count]);
	while (old->exchanges) {
		struct http_exchange *exchange = old->exchanges;

		old->exchanges = exchange->next;
		http_exchange_close(&exchange);
	}
	if (old->epoll_fd >= 0)
		(void)close(old->epoll_fd);
	if (old->wake_fd >= 0)
		(void)close(old->wake_fd);
	(void)pthread_mutex_destroy(&old->back_lock);
	free(old);
	*loop = NULL;
}

static void
wake(struct http_loop *loop)
{
	const uint64_t one = 1;
	ssize_t        put = write(loop->wake_fd, &one, sizeof(one));

	/* Only a counter that is full can refuse, and then the loop is awake. */
	MUST(put == sizeof(one) || errno == EAGAIN);
}

static void
take_wake(struct http_loop *loop)
{
	uint64_t count;
	ssize_t  got = read(loop->wake_fd, &count, sizeof(count));

	MUST(got == sizeof(count) || errno == EAGAIN);
}

bool
http_loop_register(struct http_loop *loop, struct http_conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	conn->loop = loop;
	atomic_fetch_add(&loop->open, 1);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0)
		return true;
	atomic_fetch_sub(&loop->open, 1);
	return false;
}

void
http_loop_give_back(struct http_exchange *exchange)
{
	struct http_loop *loop = exchange->req.pending->conn->loop;

	MUST(pthread_mutex_lock(&loop->back_lock) == 0);
	exchange->next = loop->back;
	loop->back = exchange;
	/* Inside the lock: a loop that has seen its last exchange may end. */
	if (!exchange->next)
		wake(loop);
	MUST(pthread_mutex_unlock(&loop->back_lock) == 0);
}

/* Takes those of one loop out of the list, which keeps the others; the first comes to stand last. */
static struct http_exchange *
take_out(struct http_exchange **list, const struct http_loop *loop)
{
	struct http_exchange *chain = NULL;

	while (*list) {
		struct http_exchange *exchange = *list;

		if (exchange->req.pending->conn->loop != loop) {
			list = &exchange->next;
			continue;
		}
		*list = exchange->next;
		exchange->next = chain;
		chain = exchange;
	}
	return chain;
}

void
http_loop_give_back_all(struct http_exchange *list)
{
	while (list) {
		struct http_exchange *last = list;
		struct http_loop     *loop = last->req.pending->conn->loop;
		struct http_exchange *chain = take_out(&list, loop);

		MUST(pthread_mutex_lock(&loop->back_lock) == 0);
		last->next = loop->back;
		loop->back = chain;
		/* Inside the lock: a loop that has seen its last exchange may end. */
		if (!last->next)
			wake(loop);
		MUST(pthread_mutex_unlock(&loop->back_lock) == 0);
	}
}

void
http_loop_pulled(struct http_pending *pending)
{
	struct http_loop *loop = pending->conn->loop;

	MUST(pthread_mutex_lock(&loop->back_lock) == 0);
	if (!pending->pulled) {
		pending->pulled = true;
		pending->next_pulled = loop->pulled;
		loop->pulled = pending;
		wake(loop);
	}
	MUST(pthread_mutex_unlock(&loop->back_lock) == 0);
}

static void
take_pulled(struct http_loop *loop, struct http_pending *pending)
{
	while (pending) {
		struct http_pending *next;

		MUST(pthread_mutex_lock(&loop->back_lock) == 0);
		next = pending->next_pulled;
		pending->pulled = false;
		MUST(pthread_mutex_unlock(&loop->back_lock) == 0);
		http_conn_pulled(pending->conn, pending);
		pending = next;
	}
}

/* Both lists at one moment: what a worker has given back stands in no list of pulled ones that is looked at later. */
static void
take_back(struct http_loop *loop)
{
	struct http_exchange *exchange;
	struct http_pending  *pulled;

	MUST(pthread_mutex_lock(&loop->back_lock) == 0);
	exchange = loop->back;
	pulled = loop->pulled;
	loop->back = NULL;
	loop->pulled = NULL;
	MUST(pthread_mutex_unlock(&loop->back_lock) == 0);
	take_pulled(loop, pulled);
	while (exchange) {
		struct http_exchange *next = exchange->next;

		http_conn_answered(exchange->req.pending->conn, exchange);
		exchange = next;
	}
}

const char *
http_loop_date(struct http_loop *loop)
{
	int64_t now_s = clock_wall_s(loop->server->clock);

	if (now_s != loop->date_s) {
		MUST(date_format_http(now_s * 1000000000, loop->date) == HTTP_DATE_LEN);
		loop->date_s = now_s;
	}
	return loop->date;
}

struct http_exchange *
http_loop_take_exchange(struct http_loop *loop)
{
	struct http_exchange *exchange = loop->exchanges;

	if (!exchange)
		return http_exchange_open(&loop->server->limits);
	loop->exchanges = exchange->next;
	loop->exchange_count--;
	return exchange;
}

void
http_loop_put_exchange(struct http_loop *loop, struct http_exchange **exchange)
{
	http_held_end(*exchange);
	if (loop->exchange_count == HTTP_SPARE_MAX) {
		http_exchange_close(exchange);
		return;
	}
	http_exchange_reset(*exchange);
	(*exchange)->next = loop->exchanges;
	loop->exchanges = *exchange;
	loop->exchange_count++;
	*exchange = NULL;
}

void
http_loop_take_spare(struct http_loop *loop, struct buf *in)
{
	if (loop->spare_count)
		in->at = loop->spares[--loop->spare_count];
	else
		in->at = malloc(HTTP_IN_FIRST);
	MUST(in->at != NULL);
	in->size = HTTP_IN_FIRST;
	in->len = 0;
}

void
http_loop_put_spare(struct http_loop *loop, struct buf *in)
{
	if (!in->at)
		return;
	if (in->size == HTTP_IN_FIRST && loop->spare_count < HTTP_SPARE_MAX) {
		loop->spares[loop->spare_count++] = in->at;
		*in = (struct buf){ .limit = in->limit };
	} else {
		buf_close(in);
	}
}

/* Each once: those still not done stand in the list again for the next round. */
static void
go_again(struct http_loop *loop)
{
	struct http_link  batch;
	struct http_link *link;

	if (http_list_is_empty(&loop->again))
		return;
	batch = loop->again;
	batch.next->prev = batch.prev->next = &batch;
	http_list_open(&loop->again);
	while ((link = http_list_take(&batch)) != NULL)
		http_conn_go(HTTP_LIST_OWNER(link, struct http_conn, again));
}

static void
take_timeouts(struct http_loop *loop)
{
	struct http_timer *timer;

	while ((timer = http_wheel_take(&loop->wheel, loop->now_ms)) != NULL)
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
	if (!loop->draining && atomic_load(&loop->drain_asked)) {
		loop->draining = true;
		loop->drain_until_ms = loop->now_ms + loop->server->limits.drain_ms;
		for_each_conn(loop, http_conn_drain);
	}
	if (loop->draining && loop->now_ms >= loop->drain_until_ms)
		for_each_conn(loop, http_conn_drop);
}

static void
bury(struct http_loop *loop)
{
	struct http_link *link;

	while ((link = http_list_take(&loop->dead)) != NULL)
		free(HTTP_LIST_OWNER(link, struct http_conn, listed));
}

static int
wait_ms(const struct http_loop *loop)
{
	int     wait = http_wheel_wait_ms(&loop->wheel, loop->now_ms);
	int64_t left = loop->drain_until_ms - loop->now_ms;

	if (!http_list_is_empty(&loop->again))
		return 0;
	if (loop->draining && left > 0 && (wait < 0 || left < wait))
		return (int)left;
	return wait;
}

static void
go_round(struct http_loop *loop)
{
	struct epoll_event events[EVENTS_MAX];
	int                count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop));

	MUST(count >= 0 || errno == EINTR);
	loop->now_ms = clock_mono_ms(loop->server->clock);
	for (int i = 0; i < count; i++) {
		struct http_conn *conn = events[i].data.ptr;

		if (conn) {
			http_conn_event(conn, events[i].events);
		} else {
			take_wake(loop);
			take_back(loop);
		}
	}
	go_again(loop);
	take_timeouts(loop);
	drain(loop);
	bury(loop);
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
	while (!loop->draining || atomic_load(&loop->open) > 0)
		go_round(loop);
	return NULL;
}

bool
http_loop_start(struct http_loop *loop)
{
	return pthread_create(&loop->thread, NULL, run, loop) == 0;
}

void
http_loop_drain(struct http_loop *loop)
{
	atomic_store(&loop->drain_asked, true);
	wake(loop);
}

void
http_loop_join(struct http_loop *loop)
{
	MUST(pthread_join(loop->thread, NULL) == 0);
}

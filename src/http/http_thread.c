/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "http/http_held.h"

bool
http_thread_open(struct http_thread *thread, struct http_shared *shared)
{
	thread->shared = shared;
	thread->date_s = -1;
	thread->now_ms = clock_mono_ms(shared->clock);
	http_wheel_open(&thread->wheel, thread->now_ms);
	http_waits_open(&thread->waits, &shared->waiting, thread->now_ms);
	http_list_open(&thread->again);
	http_list_open(&thread->dead);
	MUST(pthread_mutex_init(&thread->back_lock, NULL) == 0);
	thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return thread->wake_fd >= 0;
}

void
http_thread_close(struct http_thread *thread)
{
	while (thread->spare_count)
		free(thread->spares[--thread->spare_count]);
	while (thread->exchanges) {
		struct http_exchange *exchange = thread->exchanges;

		thread->exchanges = exchange->next;
		http_exchange_close(&exchange);
	}
	if (thread->wake_fd >= 0)
		(void)close(thread->wake_fd);
	(void)pthread_mutex_destroy(&thread->back_lock);
}

void
http_thread_wake(struct http_thread *thread)
{
	const uint64_t one = 1;
	ssize_t        put = write(thread->wake_fd, &one, sizeof(one));

	/* Only a counter that is full can refuse, and then the thread is awake. */
	MUST(put == sizeof(one) || errno == EAGAIN);
}

void
http_thread_slept(struct http_thread *thread)
{
	uint64_t count;
	ssize_t  got = read(thread->wake_fd, &count, sizeof(count));

	MUST(got == sizeof(count) || errno == EAGAIN);
}

/* ---- what other threads give back ------------------------------------------------------------------------- */

static struct http_thread *
thread_of(const struct http_exchange *exchange)
{
	return exchange->req.pending->peer->thread;
}

/* Takes the exchanges of one thread out of the list, which keeps the others; the first comes last. */
static struct http_exchange *
take_out(struct http_exchange **list, const struct http_thread *thread)
{
	struct http_exchange *chain = NULL;

	while (*list) {
		struct http_exchange *exchange = *list;

		if (thread_of(exchange) != thread) {
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
http_thread_give_back(struct http_exchange *list)
{
	while (list) {
		struct http_exchange *last = list;
		struct http_thread   *thread = thread_of(last);
		struct http_exchange *chain = take_out(&list, thread);

		MUST(pthread_mutex_lock(&thread->back_lock) == 0);
		last->next = thread->back;
		thread->back = chain;
		/* Inside the lock: a thread that has seen its last exchange may end. */
		if (!last->next)
			http_thread_wake(thread);
		MUST(pthread_mutex_unlock(&thread->back_lock) == 0);
	}
}

struct http_exchange *
http_thread_take_back(struct http_thread *thread)
{
	struct http_exchange *back;

	MUST(pthread_mutex_lock(&thread->back_lock) == 0);
	back = thread->back;
	thread->back = NULL;
	MUST(pthread_mutex_unlock(&thread->back_lock) == 0);
	return back;
}

/* ---- date and spares -------------------------------------------------------------------------------------- */

const char *
http_thread_date(struct http_thread *thread)
{
	int64_t now_s = clock_wall_s(thread->shared->clock);

	if (now_s != thread->date_s) {
		MUST(date_format_http(now_s * 1000000000, thread->date) == HTTP_DATE_LEN);
		thread->date_s = now_s;
	}
	return thread->date;
}

struct http_exchange *
http_thread_take_exchange(struct http_thread *thread)
{
	struct http_exchange *exchange = thread->exchanges;

	if (!exchange)
		return http_exchange_open(&thread->shared->limits);
	thread->exchanges = exchange->next;
	thread->exchange_count--;
	return exchange;
}

void
http_thread_put_exchange(struct http_thread *thread, struct http_exchange **exchange)
{
	http_held_end(*exchange);
	http_waits_end(&thread->waits, *exchange);
	if (thread->exchange_count == HTTP_SPARE_MAX) {
		http_exchange_close(exchange);
		return;
	}
	http_exchange_reset(*exchange);
	(*exchange)->next = thread->exchanges;
	thread->exchanges = *exchange;
	thread->exchange_count++;
	*exchange = NULL;
}

void
http_thread_take_spare(struct http_thread *thread, struct buf *in)
{
	if (thread->spare_count)
		in->at = thread->spares[--thread->spare_count];
	else
		in->at = malloc(HTTP_IN_FIRST);
	MUST(in->at != NULL);
	in->size = HTTP_IN_FIRST;
	in->len = 0;
}

void
http_thread_put_spare(struct http_thread *thread, struct buf *in)
{
	if (!in->at)
		return;
	if (in->size == HTTP_IN_FIRST && thread->spare_count < HTTP_SPARE_MAX) {
		thread->spares[thread->spare_count++] = in->at;
		*in = (struct buf){ .limit = in->limit };
	} else {
		buf_close(in);
	}
}

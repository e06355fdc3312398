/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_queue.h"

#include <stdlib.h>

#include "base/bytes.h"

/* The exchanges of one caller. */
struct http_line {
	struct http_link      listed; /* in the order in which the lines are served */
	uint64_t              caller;
	size_t                count;
	unsigned              running;
	struct http_exchange *first, *last; /* those that wait for a thread */
};

void
http_queue_open(struct http_queue *queue)
{
	queue->threads = calloc(queue->threads_max, sizeof(*queue->threads));
	MUST(queue->threads != NULL);
	http_list_open(&queue->lines);
	MUST(pthread_mutex_init(&queue->lock, NULL) == 0);
	MUST(pthread_cond_init(&queue->wake, NULL) == 0);
}

void
http_queue_close(struct http_queue *queue)
{
	if (!queue->threads)
		return;
	MUST(pthread_mutex_lock(&queue->lock) == 0);
	queue->closing = true;
	MUST(pthread_cond_broadcast(&queue->wake) == 0);
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	for (unsigned i = 0; i < queue->thread_count; i++)
		MUST(pthread_join(queue->threads[i], NULL) == 0);
	(void)pthread_cond_destroy(&queue->wake);
	(void)pthread_mutex_destroy(&queue->lock);
	free(queue->threads);
}

/* Threads that wait for more than is queued need no help. */
static void
start_thread(struct http_queue *queue)
{
	if (queue->queued < queue->idle || queue->thread_count == queue->threads_max)
		return;
	if (pthread_create(&queue->threads[queue->thread_count], NULL, queue->work, queue) == 0)
		queue->thread_count++;
}

/* ---- lines -------------------------------------------------------------------------------------------------- */

static struct http_line *
line_of(const struct http_link *link)
{
	return HTTP_LIST_OWNER((uintptr_t)link, struct http_line, listed);
}

/* A caller whom the application does not name is the peer. */
static uint64_t
caller_of(const struct http_exchange *exchange)
{
	const struct http_peer_key *key = &exchange->req.pending->peer->key;

	return exchange->work.caller ? exchange->work.caller
	                             : bytes_hash(BYTES_HASH_START, str_of(key->b, sizeof(key->b)));
}

static struct http_line *
find_line(struct http_queue *queue, uint64_t caller)
{
	struct http_line *line;

	for (struct http_link *link = queue->lines.next; link != &queue->lines; link = link->next)
		if (line_of(link)->caller == caller)
			return line_of(link);
	line = calloc(1, sizeof(*line));
	MUST(line != NULL);
	line->caller = caller;
	http_list_append(&queue->lines, &line->listed);
	return line;
}

static void
close_if_empty(struct http_line *line)
{
	if (line->count > 0)
		return;
	http_list_remove(&line->listed);
	free(line);
}

static enum http_admission
admit(struct http_queue *queue, struct http_exchange *exchange)
{
	struct http_line   *line;
	enum http_admission admission;

	if (exchange->line)
		return HTTP_ADMITTED;
	if (queue->thread_count == 0 || queue->count == queue->count_max)
		return HTTP_FULL;
	line = find_line(queue, caller_of(exchange));
	admission = line->count < queue->caller_max ? HTTP_ADMITTED : HTTP_THROTTLED;
	if (admission == HTTP_ADMITTED) {
		exchange->line = line;
		line->count++;
		queue->count++;
	}
	close_if_empty(line);
	return admission;
}

static void
append(struct http_queue *queue, struct http_exchange *exchange)
{
	struct http_line *line = exchange->line;

	exchange->next = NULL;
	if (line->first)
		line->last->next = exchange;
	else
		line->first = exchange;
	line->last = exchange;
	queue->queued++;
}

/* From the first line that has one; that line is served last from now on. */
static struct http_exchange *
take_one(struct http_queue *queue)
{
	for (struct http_link *link = queue->lines.next; link != &queue->lines; link = link->next) {
		struct http_line     *line = line_of(link);
		struct http_exchange *exchange = line->first;

		if (!exchange || line->running >= queue->running_max)
			continue;
		line->first = exchange->next;
		line->running++;
		queue->queued--;
		http_list_append(&queue->lines, &line->listed);
		exchange->next = NULL;
		return exchange;
	}
	return NULL;
}

/* ---- what loops and threads call ------------------------------------------------------------------------------ */

enum http_admission
http_queue_put(struct http_queue *queue, struct http_exchange *exchange)
{
	enum http_admission admission;

	MUST(pthread_mutex_lock(&queue->lock) == 0);
	start_thread(queue);
	admission = admit(queue, exchange);
	if (admission == HTTP_ADMITTED) {
		append(queue, exchange);
		if (queue->idle > 0)
			MUST(pthread_cond_signal(&queue->wake) == 0);
	}
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	if (admission == HTTP_THROTTLED)
		atomic_fetch_add(&queue->throttled, 1);
	return admission;
}

struct http_exchange *
http_queue_take(struct http_queue *queue, bool wait, size_t max)
{
	struct http_exchange *taken, **end;

	MUST(pthread_mutex_lock(&queue->lock) == 0);
	while (!(taken = take_one(queue)) && wait && !queue->closing) {
		queue->idle++;
		MUST(pthread_cond_wait(&queue->wake, &queue->lock) == 0);
		queue->idle--;
	}
	for (end = &taken; *end && max > 1; max--) {
		end = &(*end)->next;
		*end = take_one(queue);
	}
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	return taken;
}

struct http_exchange *
http_queue_slice_over(struct http_queue *queue, struct http_exchange *chain)
{
	struct http_exchange **end = &chain;

	MUST(pthread_mutex_lock(&queue->lock) == 0);
	while (*end) {
		struct http_exchange *exchange = *end;
		struct http_line     *line = exchange->line;

		line->running--;
		if (exchange->verdict == HTTP_AGAIN) {
			*end = exchange->next;
			append(queue, exchange);
			continue;
		}
		end = &exchange->next;
		if (exchange->verdict == HTTP_MORE_BODY)
			continue;
		exchange->line = NULL;
		line->count--;
		queue->count--;
		close_if_empty(line);
	}
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	return chain;
}

void
http_queue_get_stats(struct http_queue *queue, uint64_t *waiting, uint64_t *under_way)
{
	if (!queue->threads)
		return;
	MUST(pthread_mutex_lock(&queue->lock) == 0);
	*waiting += queue->queued;
	*under_way += queue->count;
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
}

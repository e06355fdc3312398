/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_queue.h"

#include <stdlib.h>

void
http_queue_open(struct http_queue *queue)
{
	queue->threads = calloc(queue->threads_max, sizeof(*queue->threads));
	MUST(queue->threads != NULL);
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

bool
http_queue_put(struct http_queue *queue, struct http_exchange *exchange)
{
	bool taken;

	MUST(pthread_mutex_lock(&queue->lock) == 0);
	start_thread(queue);
	taken = queue->thread_count > 0 && queue->counted < queue->counted_max;
	if (taken) {
		exchange->next = NULL;
		if (queue->first)
			queue->last->next = exchange;
		else
			queue->first = exchange;
		queue->last = exchange;
		queue->queued++;
		queue->counted++;
		if (queue->idle > 0)
			MUST(pthread_cond_signal(&queue->wake) == 0);
	}
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	return taken;
}

struct http_exchange *
http_queue_take(struct http_queue *queue, size_t done, bool wait, size_t max)
{
	struct http_exchange *taken, **end = &taken;

	MUST(pthread_mutex_lock(&queue->lock) == 0);
	queue->counted -= done;
	while (wait && !queue->first && !queue->closing) {
		queue->idle++;
		MUST(pthread_cond_wait(&queue->wake, &queue->lock) == 0);
		queue->idle--;
	}
	for (taken = queue->first; *end && max > 0; max--) {
		end = &(*end)->next;
		queue->queued--;
		queue->counted -= !queue->taken_count;
	}
	queue->first = *end;
	*end = NULL;
	MUST(pthread_mutex_unlock(&queue->lock) == 0);
	return taken;
}

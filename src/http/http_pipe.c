/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "http/http_body.h"

struct http_pipe {
	pthread_mutex_t           lock;
	pthread_cond_t            news;
	const struct http_limits *limits;
	const struct clock       *clock;
	size_t                    body_max;
	struct buf                bytes;
	size_t                    from; /* bytes in front of it that are taken */
	uint64_t                  arrived;
	size_t                    credit;
	int64_t                   from_ms;
	bool                      ended;
	enum err                  err;
};

struct http_pipe *
http_pipe_open(const struct http_limits *limits, const struct clock *clock, size_t body_max)
{
	struct http_pipe  *pipe = calloc(1, sizeof(*pipe));
	pthread_condattr_t monotonic;

	MUST(pipe != NULL && pthread_condattr_init(&monotonic) == 0);
	MUST(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	MUST(pthread_mutex_init(&pipe->lock, NULL) == 0 && pthread_cond_init(&pipe->news, &monotonic) == 0);
	(void)pthread_condattr_destroy(&monotonic);
	pipe->limits = limits;
	pipe->clock = clock;
	pipe->body_max = body_max;
	pipe->from_ms = clock_mono_ms(clock);
	/* A peer that sends more than its window is ended by nghttp2 before it comes here. */
	buf_open(&pipe->bytes, 3 * HTTP_PIPE_WINDOW);
	return pipe;
}

void
http_pipe_close(struct http_pipe **pipe)
{
	if (!*pipe)
		return;
	buf_close(&(*pipe)->bytes);
	(void)pthread_cond_destroy(&(*pipe)->news);
	(void)pthread_mutex_destroy(&(*pipe)->lock);
	free(*pipe);
	*pipe = NULL;
}

void
http_pipe_put(struct http_pipe *pipe, struct str bytes)
{
	MUST(pthread_mutex_lock(&pipe->lock) == 0);
	if (pipe->from > HTTP_PIPE_WINDOW) {
		buf_drop(&pipe->bytes, pipe->from);
		pipe->from = 0;
	}
	buf_put(&pipe->bytes, bytes);
	MUST(buf_err(&pipe->bytes) == OK);
	pipe->arrived += bytes.len;
	MUST(pthread_cond_signal(&pipe->news) == 0);
	MUST(pthread_mutex_unlock(&pipe->lock) == 0);
}

void
http_pipe_end(struct http_pipe *pipe, enum err err)
{
	MUST(pthread_mutex_lock(&pipe->lock) == 0);
	if (!pipe->ended) {
		pipe->ended = true;
		pipe->err = err;
	}
	MUST(pthread_cond_signal(&pipe->news) == 0);
	MUST(pthread_mutex_unlock(&pipe->lock) == 0);
}

size_t
http_pipe_credit(struct http_pipe *pipe)
{
	size_t credit;

	MUST(pthread_mutex_lock(&pipe->lock) == 0);
	credit = pipe->credit;
	pipe->credit = 0;
	MUST(pthread_mutex_unlock(&pipe->lock) == 0);
	return credit;
}

/* Locked. False: the peer was too slow. */
static bool
wait_for_news(struct http_pipe *pipe)
{
	int64_t         now_ms = clock_mono_ms(pipe->clock);
	int64_t         left_ms = http_body_wait_ms(pipe->limits, pipe->from_ms, pipe->arrived, now_ms);
	int64_t         until_ns;
	struct timespec until;
	int             why;

	if (left_ms <= 0)
		return false;
	until_ns = pipe->clock->mono_ns(pipe->clock->ctx) + left_ms * 1000000;
	until = (struct timespec){ .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000 };
	why = pthread_cond_timedwait(&pipe->news, &pipe->lock, &until);
	MUST(why == 0 || why == ETIMEDOUT);
	return why == 0;
}

static enum err
take(struct http_pipe *pipe, void *bytes, size_t size, size_t *len_out)
{
	struct str left;

	while (pipe->bytes.len == pipe->from && !pipe->ended)
		if (!wait_for_news(pipe))
			return ERR_BUSY;
	if (pipe->arrived > pipe->body_max)
		return ERR_TOO_LARGE;
	if (pipe->ended && pipe->err != OK)
		return pipe->err;
	left = str_first(str_skip(buf_str(&pipe->bytes), pipe->from), size);
	if (left.len > 0)
		memcpy(bytes, left.at, left.len);
	*len_out = left.len;
	pipe->from += left.len;
	pipe->credit += left.len;
	if (pipe->from == pipe->bytes.len) {
		buf_cut(&pipe->bytes, 0);
		pipe->from = 0;
	}
	return OK;
}

enum err
http_pipe_read(struct http_pipe *pipe, void *bytes, size_t size, size_t *len_out)
{
	enum err err;

	MUST(pthread_mutex_lock(&pipe->lock) == 0);
	err = take(pipe, bytes, size, len_out);
	MUST(pthread_mutex_unlock(&pipe->lock) == 0);
	return err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log — one JSON line per event, on a descriptor (standard error).
 *
 * Only the commands, the server's loop and the last step of the graph module log; all others return errors.
 * Values are escaped, so a request cannot forge a line.  Of a value the first 256 bytes are written, and fewer when the
 * line would not fit into LOG_WRITE_MAX; a value that is cut ends with \u2026.
 * Callers pass no secrets as values.  Thread-safe: a line is in one write(2).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

#define LOG_WRITE_MAX ((size_t)4096) /* PIPE_BUF: a pipe that says it has room takes it whole */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Shared by all logs that write to one descriptor. When the reader of a pipe stops, nobody waits for it long: after
 * the first wait lines are dropped, and their number is logged when it reads again.
 */
struct log_sink {
	pthread_mutex_t mutex; /* PTHREAD_MUTEX_INITIALIZER */
	uint64_t        dropped;
};

struct log {
	int                 fd;
	atomic_int          level; /* enum log_level; lines above it are left out; may change while it is in use */
	const struct clock *clock;
	struct log_sink    *sink; /* NULL: write, and wait as long as it takes */
};

struct log_pair {
	const char *name;
	struct str  value;
};

/* False also for NULL. */
static inline bool
log_takes(const struct log *log, enum log_level level)
{
	return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

/* pairs: up to 16, ended by one whose name is NULL. */
void log_event(const struct log *log, enum log_level level, const char *event, const struct log_pair *pairs);

/* Lines that are written together, in as few writes as hold them; a pipe divides none of them. One thread's. */
struct log_lines {
	const struct log *log;
	size_t            len;
	char              text[LOG_WRITE_MAX];
};

void log_lines_open(struct log_lines *lines, const struct log *log); /* NULL: lines are dropped */
void log_lines_add(struct log_lines *lines, enum log_level level, const char *event, const struct log_pair *pairs);
void log_lines_flush(struct log_lines *lines);

#define LOG_EVENT(log, level, event, ...) \
	log_event((log), (level), (event), (const struct log_pair[]){ __VA_ARGS__, { NULL, { 0 } } })

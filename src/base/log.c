/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define LINE_MAX_BYTES  ((size_t)4096)   /* PIPE_BUF: a pipe that says it has room takes a line whole */
#define WAIT_MS         200
#define VALUE_MAX_BYTES ((size_t)256)

static const char *const level_names[] = { "error", "warn", "info", "debug" };

/* Plain ASCII goes through; everything else is written \u00XX byte by byte: ugly, and beyond forging. */
static void
put_value(struct buf *line, struct str value)
{
	value = str_first(value, VALUE_MAX_BYTES);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			buf_put_char(line, (char)c);
		else
			buf_printf(line, "\\u%04x", c);
	}
}

static void
put_time(struct buf *line, const struct clock *clock)
{
	int64_t   ms = clock_wall_ms(clock);
	time_t    s = (time_t)(ms / 1000);
	struct tm utc;

	if (!gmtime_r(&s, &utc))
		return;
	buf_printf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	           utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(ms % 1000));
}

static void
put_line(int fd, struct str line)
{
	if (write(fd, line.at, line.len) < 0)
		(void)0;        /* nowhere left to complain */
}

static bool
has_room(const struct log *log)
{
	struct pollfd end = { .fd = log->fd, .events = POLLOUT };

	return poll(&end, 1, log->sink->dropped ? 0 : WAIT_MS) > 0 && (end.revents & POLLOUT) != 0;
}

static void
put_shared(const struct log *log, struct str line)
{
	char told[128];
	int  len;

	MUST(pthread_mutex_lock(&log->sink->turn) == 0);
	if (!has_room(log)) {
		log->sink->dropped++;
	} else if (log->sink->dropped) {
		len = snprintf(told, sizeof(told), "{\"level\":\"warn\",\"event\":\"log lines dropped\",\"count\":\"%llu\"}\n",
		               (unsigned long long)log->sink->dropped);
		log->sink->dropped = 0;
		put_line(log->fd, str_of(told, (size_t)len));
		if (has_room(log))
			put_line(log->fd, line);
		else
			log->sink->dropped++;
	} else {
		put_line(log->fd, line);
	}
	MUST(pthread_mutex_unlock(&log->sink->turn) == 0);
}

void
log_event(const struct log *log, enum log_level level, const char *event, const struct log_pair *pairs)
{
	struct buf line;

	if (!log || level > log->level)
		return;
	buf_open(&line, LINE_MAX_BYTES);
	buf_put(&line, STR("{\"time\":\""));
	put_time(&line, log->clock);
	buf_printf(&line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
	for (; pairs->name; pairs++) {
		buf_printf(&line, ",\"%s\":\"", pairs->name);
		put_value(&line, pairs->value);
		buf_put_char(&line, '"');
	}
	buf_put(&line, STR("}\n"));
	if (buf_err(&line) == OK && log->sink)
		put_shared(log, buf_str(&line));
	else if (buf_err(&line) == OK)
		put_line(log->fd, buf_str(&line));
	buf_close(&line);
}

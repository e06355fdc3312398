/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define WAIT_MS         200
#define VALUE_MAX_BYTES ((size_t)256)

static const char *const level_names[] = { "error", "warn", "info", "debug" };

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/*
 * Plain ASCII stays as it is.  Every other byte is written as \u00XX, so no value can forge a part of a line.  A value
 * of more than max bytes is cut, and \u2026 (…) marks the cut: no byte of a value is written like that.
 */
static void
put_value(struct buf *line, struct str value, size_t max)
{
	struct str rest = value.len > max ? str_cut(value, max) : value;
	size_t     plain;

	for (; rest.len > 0; rest = str_skip(rest, 1)) {
		for (plain = 0; plain < rest.len && is_plain((unsigned char)rest.at[plain]);)
			plain++;
		buf_put(line, str_first(rest, plain));
		rest = str_skip(rest, plain);
		if (rest.len == 0)
			break;
		if (rest.at[0] == '"' || rest.at[0] == '\\')
			buf_printf(line, "\\%c", rest.at[0]);
		else
			buf_printf(line, "\\u%04x", (unsigned char)rest.at[0]);
	}
	if (value.len > max)
		buf_put(line, STR("\\u2026"));
}

static void
put_digits(char *at, int count, int value)
{
	while (count-- > 0) {
		at[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void
put_time(struct buf *line, const struct clock *clock)
{
	int64_t   ms = clock_wall_ms(clock);
	time_t    s = (time_t)(ms / 1000);
	char      text[] = "0000-00-00T00:00:00.000Z";
	struct tm utc;

	if (ms < 0 || !gmtime_r(&s, &utc))
		return;
	put_digits(text, 4, utc.tm_year + 1900);
	put_digits(text + 5, 2, utc.tm_mon + 1);
	put_digits(text + 8, 2, utc.tm_mday);
	put_digits(text + 11, 2, utc.tm_hour);
	put_digits(text + 14, 2, utc.tm_min);
	put_digits(text + 17, 2, utc.tm_sec);
	put_digits(text + 20, 3, (int)(ms % 1000));
	buf_put(line, str_of(text, sizeof(text) - 1));
}

static void
put_line(int fd, struct str line)
{
	if (write(fd, line.at, line.len) < 0)
		(void)0; /* nowhere left to complain */
}

static bool
has_space(const struct log *log)
{
	struct pollfd end = { .fd = log->fd, .events = POLLOUT };

	return poll(&end, 1, log->sink->dropped ? 0 : WAIT_MS) > 0 && (end.revents & POLLOUT) != 0;
}

static uint64_t
lines_in(struct str text)
{
	uint64_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.at[i] == '\n';
	return count;
}

static void
put_shared(const struct log *log, struct str line)
{
	char note[128];
	int  len;

	MUST(pthread_mutex_lock(&log->sink->mutex) == 0);
	if (!has_space(log)) {
		log->sink->dropped += lines_in(line);
	} else if (log->sink->dropped) {
		len = snprintf(note, sizeof(note),
		               "{\"level\":\"warn\",\"event\":\"log lines dropped\",\"count\":\"%llu\"}\n",
		               (unsigned long long)log->sink->dropped);
		log->sink->dropped = 0;
		put_line(log->fd, str_of(note, (size_t)len));
		if (has_space(log))
			put_line(log->fd, line);
		else
			log->sink->dropped += lines_in(line);
	} else {
		put_line(log->fd, line);
	}
	MUST(pthread_mutex_unlock(&log->sink->mutex) == 0);
}

static bool
try_line(struct buf *line, const struct log *log, enum log_level level, const char *event, const struct log_pair *pairs,
         size_t value_max)
{
	buf_open(line, LOG_WRITE_MAX);
	buf_put(line, STR("{\"time\":\""));
	put_time(line, log->clock);
	buf_printf(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_names[level], event);
	for (; pairs->name; pairs++) {
		buf_put(line, STR(",\""));
		buf_put(line, str_from_c(pairs->name));
		buf_put(line, STR("\":\""));
		put_value(line, pairs->value, value_max);
		buf_put_char(line, '"');
	}
	buf_put(line, STR("}\n"));
	return buf_err(line) == OK;
}

/* Cuts the values until the line fits: nobody can keep a line out of the log with long values. */
static void
make_line(struct buf *line, const struct log *log, enum log_level level, const char *event,
          const struct log_pair *pairs)
{
	size_t value_max = VALUE_MAX_BYTES;

	while (!try_line(line, log, level, event, pairs, value_max)) {
		MUST(value_max > 0); /* names and events are the program's own, and short */
		value_max /= 2;
		buf_close(line);
	}
}

static void
put(const struct log *log, struct str text)
{
	if (log->sink)
		put_shared(log, text);
	else
		put_line(log->fd, text);
}

void
log_event(const struct log *log, enum log_level level, const char *event, const struct log_pair *pairs)
{
	struct buf line;

	if (!log_takes(log, level))
		return;
	make_line(&line, log, level, event, pairs);
	put(log, buf_str(&line));
	buf_close(&line);
}

/* ---- lines that go out together --------------------------------------------------------------- */

void
log_lines_open(struct log_lines *lines, const struct log *log)
{
	lines->log = log;
	lines->len = 0;
}

void
log_lines_flush(struct log_lines *lines)
{
	if (lines->len > 0)
		put(lines->log, str_of(lines->text, lines->len));
	lines->len = 0;
}

void
log_lines_add(struct log_lines *lines, enum log_level level, const char *event, const struct log_pair *pairs)
{
	struct buf line;

	if (!log_takes(lines->log, level))
		return;
	make_line(&line, lines->log, level, event, pairs);
	if (line.len > sizeof(lines->text) - lines->len)
		log_lines_flush(lines);
	memcpy(lines->text + lines->len, line.at, line.len);
	lines->len += line.len;
	buf_close(&line);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define LINE_MAX_BYTES  ((size_t)8192)
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
	if (buf_err(&line) == OK && write(log->fd, line.at, line.len) < 0)
		(void)0;        /* nowhere left to complain */
	buf_close(&line);
}

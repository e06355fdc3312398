/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define MESSAGE_MAX ((size_t)4096)
#define OUT_CHUNK   ((size_t)64 << 10)
#define OUT_LIMIT   ((size_t)16 << 20)
#define PROGRESS_MS 200

const char *
exit_code_text(enum exit_code code)
{
	static const char *const texts[] = {
		[EXIT_DONE] = "Done.",
		[EXIT_OTHER] = "Another failure. If the reader of standard output has ended, there is no message.",
		[EXIT_USAGE] = "The command line is wrong.",
		[EXIT_CONFIG] = "The configuration file is wrong.",
		[EXIT_REFUSED] = "Not authorised.",
		[EXIT_AGAIN] = "A temporary failure: try again.",
		[EXIT_PERMANENT] = "A permanent failure: change the input or the store first.",
		[EXIT_DAMAGED] = "The store is damaged.",
		[EXIT_EXCEPTIONS] = "Done, but with exceptions: some of the input was skipped.",
		[EXIT_UNCHANGED] = "Nothing has changed.",
		[EXIT_DIFFERENT] = "Differences were found.",
		[EXIT_GUARDED] = "Stopped by a guard.",
		[EXIT_LOCKED] = "Another run holds the store.",
		[EXIT_INTERRUPTED] = "Stopped by SIGINT; everything acknowledged is safe.",
		[EXIT_TERMINATED] = "Stopped by SIGTERM; everything acknowledged is safe.",
	};

	return texts[code];
}

enum exit_code
exit_code_of(enum err err)
{
	switch (err) {
	case OK:
		return EXIT_DONE;
	case ERR_NO_IDENTITY:
	case ERR_NOT_ALLOWED:
		return EXIT_REFUSED;
	case ERR_BUSY:
	case ERR_FULL:
	case ERR_UNSURE:
		return EXIT_AGAIN;
	case ERR_BAD_REQUEST:
	case ERR_BAD_TOKEN:
	case ERR_GONE:
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
	case ERR_STALE:
	case ERR_TOO_LARGE:
	case ERR_FOREIGN:
	case ERR_UP_REFUSED:
	case ERR_UP_GARBLED:
		return EXIT_PERMANENT;
	case ERR_CORRUPT:
		return EXIT_DAMAGED;
	case ERR_LOCKED:
		return EXIT_LOCKED;
	case ERR_IO:
		return EXIT_OTHER;
	}
	return EXIT_OTHER;
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* A message that cannot be written is lost: there is no other place for it. */
static void
put_message(struct str text)
{
	bool is_written = file_write(STDERR_FILENO, text);

	(void)is_written;
}

/* What controls a terminal, U+0080 to U+009F too. */
static void
mask(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			text[i] = '?';
		else if (i > 0 && (unsigned char)text[i - 1] == 0xc2 && (unsigned char)text[i] < 0xa0)
			text[i - 1] = text[i] = '?';
}

struct str
console_visible(struct str text, struct arena *arena)
{
	char *copy = arena_take_raw(arena, text.len + 1);

	memcpy(copy, text.at, text.len);
	mask(copy, text.len);
	return str_of(copy, text.len);
}

static void __attribute__((format(printf, 2, 0))) report(const char *front, const char *fmt, va_list list)
{
	char   text[MESSAGE_MAX] = "";
	size_t at = str_printf(text, sizeof(text) - 1, "%s", front);

	at += str_vprintf(text + at, sizeof(text) - at - 1, fmt, list);
	mask(text, at);
	text[at] = '\n';
	put_message(str_of(text, at + 1));
}

int
console_fail(enum exit_code code, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	report("tidemark: ", fmt, list);
	va_end(list);
	return (int)code;
}

void
console_say(const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	report("tidemark: ", fmt, list);
	va_end(list);
}

void
console_plain(const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	report("", fmt, list);
	va_end(list);
}

/* ---- standard output ------------------------------------------------------------------------------ */

void
out_open(struct out *out, int fd)
{
	*out = (struct out){ .fd = fd };
	buf_open(&out->buf, OUT_LIMIT);
}

static void
out_drain(struct out *out)
{
	if (!out->failed && !file_write(out->fd, buf_str(&out->buf)))
		out->failed = errno;
	buf_cut(&out->buf, 0);
}

/* A line over the limit is a failed write, as on a full disk. */
void
out_flush_some(struct out *out)
{
	if (buf_err(&out->buf) != OK) {
		out->failed = EFBIG;
		buf_cut(&out->buf, 0);
	}
	if (out->buf.len >= OUT_CHUNK)
		out_drain(out);
}

void
out_put(struct out *out, struct str text)
{
	buf_put(&out->buf, text);
	out_flush_some(out);
}

void
out_printf(struct out *out, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	buf_vprintf(&out->buf, fmt, list);
	va_end(list);
	out_flush_some(out);
}

struct buf *
out_buf(struct out *out)
{
	return &out->buf;
}

void
out_end_object(struct out *out, struct json_out *json)
{
	json_end_object(json);
	out_put(out, STR("\n"));
}

bool
out_flush(struct out *out)
{
	out_drain(out);
	return out->failed == 0;
}

int
out_verdict(const struct out *out)
{
	if (out->failed == 0)
		return EXIT_DONE;
	if (out->failed == EPIPE)
		return EXIT_OTHER;
	return console_fail(EXIT_OTHER, "standard output: %s", strerrordesc_np(out->failed));
}

void
out_close(struct out *out)
{
	buf_close(&out->buf);
}

/* ---- progress -------------------------------------------------------------------------------------- */

void
progress_open(struct progress *progress, const struct clock *clock)
{
	*progress = (struct progress){ .clock = clock, .started_ms = clock_mono_ms(clock) };
	progress->shown_ms = progress->started_ms;
	progress->on = isatty(STDERR_FILENO) == 1;
}

bool
progress_due(struct progress *progress)
{
	return progress->on && clock_mono_ms(progress->clock) - progress->shown_ms >= PROGRESS_MS;
}

void
progress_show(struct progress *progress, const char *fmt, ...)
{
	char    text[256] = "\r\033[K";
	va_list list;

	if (!progress->on)
		return;
	va_start(list, fmt);
	if (vsnprintf(text + 4, sizeof(text) - 4, fmt, list) > 0)
		put_message(str_from_c(text));
	va_end(list);
	progress->shown_ms = clock_mono_ms(progress->clock);
	progress->shown = true;
}

int64_t
progress_elapsed_ms(const struct progress *progress)
{
	return clock_mono_ms(progress->clock) - progress->started_ms;
}

void
progress_close(struct progress *progress)
{
	if (progress->shown)
		put_message(STR("\r\033[K"));
	progress->shown = false;
}

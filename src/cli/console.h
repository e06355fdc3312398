/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console — what the program prints: exit codes, messages, data, progress.
 *
 * Data goes to standard output, everything else to standard error. A message is one line: `tidemark: what went wrong;
 * what to do next`. Control bytes in it are replaced, because a message may quote files and arguments.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "text/json_write.h"

/* Scripts rely on these numbers: they never change. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_OTHER = 1,
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3,
	EXIT_REFUSED = 4, /* not authorised */
	EXIT_AGAIN = 5,   /* temporary: try again */
	EXIT_PERMANENT = 6,
	EXIT_DAMAGED = 7,
	EXIT_EXCEPTIONS = 8, /* done, but not with everything */
	EXIT_UNCHANGED = 9,
	EXIT_DIFFERENT = 10,
	EXIT_GUARDED = 11,
	EXIT_LOCKED = 12,
	EXIT_INTERRUPTED = 130,
	EXIT_TERMINATED = 143
};

/* One sentence for the manual. */
const char *exit_code_text(enum exit_code code);
/* The exit code of an error; nothing else decides this. */
enum exit_code exit_code_of(enum err err);

/* Prints the message and returns the code, as in `return console_fail(EXIT_USAGE, …)`. */
int        console_fail(enum exit_code code, const char *fmt, ...) PRINTF_LIKE(2, 3);
void       console_say(const char *fmt, ...) PRINTF_LIKE(1, 2);   /* "tidemark: " and a line, on standard error */
struct str console_visible(struct str text, struct arena *arena); /* with ? for what controls a terminal */
void       console_plain(const char *fmt, ...) PRINTF_LIKE(1, 2); /* a line without the name in front */

/* ---- standard output: buffered, and a failed write is remembered --------------------------------- */

struct out {
	int        fd;
	int        failed; /* errno of the first failed write; 0 for none */
	struct buf buf;
};

void out_open(struct out *out, int fd);
void out_put(struct out *out, struct str text);
void out_printf(struct out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* For writing JSON directly; call out_flush_some() after each line. */
struct buf *out_buf(struct out *out);
void        out_flush_some(struct out *out);                        /* writes when the buffer is large enough */
void        out_end_object(struct out *out, struct json_out *json); /* ends a line that is one JSON object */
bool        out_flush(struct out *out);                             /* false after a failed write */
/* The exit code after a failed write, and its message. No message if the reader has ended (`| head`). */
int  out_verdict(const struct out *out);
void out_close(struct out *out);

/* ---- progress: one line that is overwritten, only on a terminal ---------------------------------- */

struct progress {
	const struct clock *clock;
	int64_t             started_ms, shown_ms;
	bool                on, shown;
};

void    progress_open(struct progress *progress, const struct clock *clock);
bool    progress_due(struct progress *progress); /* at most five times a second */
void    progress_show(struct progress *progress, const char *fmt, ...) PRINTF_LIKE(2, 3);
int64_t progress_elapsed_ms(const struct progress *progress);
void    progress_close(struct progress *progress); /* clears the line */

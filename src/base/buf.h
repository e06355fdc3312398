/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf — bytes being written, with a limit.
 *
 * Every buffer has a maximum.  It is sticky: once the maximum is
 * passed every later call does nothing, and buf_err() is ERR_TOO_LARGE.  Check once,
 * at the end.  buf_cut() takes back what was written after a point (and clears the
 * error), so an unfinished answer can be replaced by a whole one.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
	char    *at;
	size_t   len;
	size_t   size; /* allocated */
	size_t   limit;
	enum err err;
};

void buf_open(struct buf *buf, size_t limit_bytes);
void buf_close(struct buf *buf); /* frees; a zeroed struct is fine */

void  buf_put(struct buf *buf, struct str s);
void  buf_put_char(struct buf *buf, char c);
void  buf_put_le(struct buf *buf, uint64_t value, size_t width); /* as le_write() */
void  buf_put_u64(struct buf *buf, uint64_t value);              /* decimal */
void  buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void  buf_vprintf(struct buf *buf, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
char *buf_reserve(struct buf *buf, size_t want); /* space for want bytes, or NULL; then buf_grew() */
void  buf_grew(struct buf *buf, size_t n);
void  buf_fail(struct buf *buf, enum err err); /* the content is wrong: sticky, like the limit */
void  buf_cut(struct buf *buf, size_t len);
void  buf_drop(struct buf *buf, size_t n); /* removes the first n bytes */

enum err   buf_err(const struct buf *buf) MUST_CHECK;
struct str buf_str(const struct buf *buf);

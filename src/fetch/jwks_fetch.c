/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/jwks_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "fetch/fetch.h"

#define TIME_MS 5000L

static enum err
read_file(const char *path, struct buf *body, char why_out[256])
{
	/* What is no file must not keep us: a pipe nobody writes to. */
	int     fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 1;

	while (fd >= 0 && n > 0) {
		char piece[4096];

		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			buf_put(body, str_of(piece, (size_t)n));
	}
	if (fd < 0 || n < 0)
		str_printf(why_out, 256, "%s: %s", path, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	return fd < 0 || n < 0 ? ERR_IO : buf_err(body);
}

enum err
jwks_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256])
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 10);
	struct fetch_call               call = { .url = arena_c(arena, url),
		                                 .ca_file = ca.len > 0 ? arena_c(arena, ca) : NULL,
		                                 .time_ms = TIME_MS };
	unsigned                        status;
	const char                     *why;
	enum err                        err;

	(void)ctx;
	if (str_starts(url, STR("file:")))
		return read_file(call.url + 5, body, why_out);
	err = fetch(&call, body, &status, &why);
	if (err == OK && status == 200)
		return OK;
	if (err == OK)
		str_printf(why_out, 256, "%s: status %u instead of 200", call.url, status);
	else
		str_printf(why_out, 256, "%s: %s", call.url, err == ERR_TOO_LARGE ? "the answer is too large" : why);
	return err == OK ? ERR_UP_REFUSED : err == ERR_TOO_LARGE ? err : ERR_IO;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/jwks_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "fetch/fetch.h"

#define TIME_MS   5000L
#define ARENA_MAX ((size_t)256 << 10) /* the URL, and the headers of a response */

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
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	AUTO(fetch_close) struct fetch *fetch = NULL;
	struct fetch_conf               conf = { .ca_file = ca.len > 0 ? arena_c(arena, ca) : NULL,
		                                 .is_https_only = true,
		                                 .has_no_ca_option = true,
		                                 .body_max = body->limit,
		                                 .time_ms = TIME_MS };
	struct fetch_request            request = { .url = url };
	struct fetch_response           response;
	struct str                      why;
	enum err                        err;

	(void)ctx;
	if (str_starts(url, STR("file:")))
		return read_file(arena_c(arena, str_skip(url, 5)), body, why_out);
	str_printf(why_out, 256, "libcurl cannot be set up");
	TRY(fetch_open(&conf, &fetch));
	err = fetch_send(fetch, &request, arena, &response, &why);
	if (err == OK && response.status == 200) {
		buf_put(body, response.body);
		return buf_err(body);
	}
	if (err == OK)
		str_printf(why_out, 256, "%.*s: status %u instead of 200", STR_ARG(url), response.status);
	else
		str_printf(why_out, 256, "%.*s: %.*s", STR_ARG(url),
		           STR_ARG(err == ERR_TOO_LARGE ? STR("the answer is too large") : why));
	return err == OK ? ERR_UP_REFUSED : err == ERR_TOO_LARGE ? err : ERR_IO;
}

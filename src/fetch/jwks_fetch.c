/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/jwks_fetch.h"

#include <errno.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/file.h"
#include "fetch/fetch.h"

#define TIME_MS   5000L
#define ARENA_MAX ((size_t)256 << 10) /* the URL, and the headers of a response */

static enum err
read_file(const char *path, struct buf *body, char why_out[256])
{
	/* O_NONBLOCK: a pipe without a writer must not stop the program. */
	AUTO(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t               len = 0, space_len = body->limit;

	if (fd < 0 || !file_read(fd, buf_reserve(body, space_len), space_len, &len)) {
		str_printf(why_out, 256, "%s: %s", path, strerrordesc_np(errno));
		return ERR_IO;
	}
	buf_grew(body, len);
	return len < space_len ? OK : ERR_TOO_LARGE;
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/jwks_fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"

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

/* Less than what came makes curl give up. */
static size_t
take_piece(char *piece, size_t one, size_t count, void *ctx)
{
	struct buf *body = ctx;

	buf_put(body, str_of(piece, one * count));
	return buf_err(body) == OK ? one * count : 0;
}

static CURLcode
set_up(CURL *curl, const char *url, const char *ca, struct buf *body)
{
	CURLcode codes[] = {
		curl_easy_setopt(curl, CURLOPT_URL, url),
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https"),
		curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L),
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIME_MS),
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, TIME_MS),
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L),
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L),
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L),
		curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)body->limit),
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece),
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, body),
		ca ? curl_easy_setopt(curl, CURLOPT_CAINFO, ca) : CURLE_OK,
	};

	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (codes[i] != CURLE_OK)
			return codes[i];
	return CURLE_OK;
}

static enum err
get(const char *url, const char *ca, struct buf *body, char why_out[256])
{
	CURL    *curl = curl_easy_init();
	long     status = 0;
	CURLcode code;

	MUST(curl);
	code = set_up(curl, url, ca, body);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK && status == 200)
		return buf_err(body);
	if (buf_err(body) != OK || code == CURLE_FILESIZE_EXCEEDED) {
		str_printf(why_out, 256, "%s: the answer is too large", url);
		return ERR_TOO_LARGE;
	}
	if (code == CURLE_OK)
		str_printf(why_out, 256, "%s: status %ld instead of 200", url, status);
	else
		str_printf(why_out, 256, "%s: %s", url, curl_easy_strerror(code));
	return code == CURLE_OK ? ERR_UP_REFUSED : ERR_IO;
}

enum err
jwks_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256])
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 10);

	(void)ctx;
	if (str_starts(url, STR("file:")))
		return read_file(arena_c(arena, str_skip(url, 5)), body, why_out);
	return get(arena_c(arena, url), ca.len > 0 ? arena_c(arena, ca) : NULL, body, why_out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "follow/follow_bearer.h"
#include "follow/follow_link.h"
#include "follow/follow_page.h"
#include "follow/follow_secrets.h"

#define CONNECT_S   10L
#define SLOW_S      30L                          /* under a byte a second for so long is too slow */
#define TOTAL_S     300L
#define POLL_MS     100
#define HEADER_MAX  ((size_t)64 << 10)
#define TOLD_MAX    ((size_t)64 << 10)           /* of a refusal; nobody looks at what follows */

struct started {                                 /* what was asked for before it is fetched; link empty: nothing */
	struct follow_place place;
	uint32_t            page_size;
	struct buf          link, bearer;
};

struct follow_curl {
	struct follow_curl_conf conf;
	CURLM                  *multi;
	CURL                   *easy;
	struct buf              body;
	char                    error[CURL_ERROR_SIZE];
	struct curl_slist      *headers;         /* of the transfer under way */
	bool                    is_under_way;
	struct started          started;
};

static size_t
take_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct follow_curl *curl = ctx;

	buf_put(&curl->body, str_of(bytes, one * len));
	return buf_err(&curl->body) == OK ? one * len : 0;
}

/* Options of a known name and type, given a value of that type, fail only for want of memory. */
#define SET(option, value) MUST(curl_easy_setopt(curl->easy, (option), (value)) == CURLE_OK)

static void
set_always(struct follow_curl *curl)
{
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_ACCEPT_ENCODING, "gzip");
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, SLOW_S);
	SET(CURLOPT_TIMEOUT, TOTAL_S);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_ERRORBUFFER, curl->error);
	SET(CURLOPT_WRITEFUNCTION, take_bytes);
	SET(CURLOPT_WRITEDATA, curl);
	SET(CURLOPT_USERAGENT, curl->conf.agent);
	if (curl->conf.ca_file)
		SET(CURLOPT_CAINFO, curl->conf.ca_file);
}

static void
set_link(struct follow_curl *curl, struct str link, struct arena *arena)
{
	bool plain = str_starts(link, STR("http:"));

	SET(CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
	SET(CURLOPT_PROXY, plain ? "" : NULL);
	SET(CURLOPT_URL, arena_c(arena, link));
}

static void
add_header(struct follow_curl *curl, const char *line)
{
	struct curl_slist *grown = curl_slist_append(curl->headers, line);

	MUST(grown != NULL);
	curl->headers = grown;
}

static struct str
header(struct follow_curl *curl, const char *name, struct arena *arena)
{
	struct curl_header *found;
	struct str          value;

	if (curl_easy_header(curl->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return STR_EMPTY;
	value = str_from_c(found->value);
	return value.len <= HEADER_MAX ? arena_copy(arena, value) : STR_EMPTY;
}

/* ---- what went wrong ------------------------------------------------------------------------ */

/* The far end's certificate hangs on one that nobody has told us to trust; the numbers are OpenSSL's and never change. */
static bool
is_unknown_authority(struct follow_curl *curl)
{
	long result = 0;

	MUST(curl_easy_getinfo(curl->easy, CURLINFO_SSL_VERIFYRESULT, &result) == CURLE_OK);
	return result == 2 || (result >= 18 && result <= 21);
}

/* What to do about it, as the end of a sentence. */
static struct str
tls_hint(struct follow_curl *curl, CURLcode code, struct arena *arena)
{
	if (code == CURLE_SSL_CACERT_BADFILE)
		return STR("; see --ca");
	if (code != CURLE_PEER_FAILED_VERIFICATION || !is_unknown_authority(curl))
		return STR_EMPTY;
	if (curl->conf.ca_file)
		return arena_printf(arena, "; no certificate in %.*s has signed it: name the right file with --ca FILE",
		                    STR_ARG(str_cut(str_from_c(curl->conf.ca_file), 200)));
	return STR("; if you trust whoever signed it, name their certificate with --ca FILE (of `tidemark serve` it is ca.pem "
	           "in the folder STORE.tls)");
}

static enum err
err_of(struct follow_curl *curl, CURLcode code, struct arena *arena, struct str *why_out)
{
	const char *text = curl->error[0] ? curl->error : curl_easy_strerror(code);

	if (code == CURLE_WRITE_ERROR && buf_err(&curl->body) != OK) {
		*why_out = STR("the answer is larger than 16 MiB; it was given up");
		return ERR_TOO_LARGE;
	}
	*why_out = arena_printf(arena, "%.*s%.*s", STR_ARG(str_cut(str_from_c(text), 200)),
	                        STR_ARG(tls_hint(curl, code, arena)));
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return ERR_UP_REFUSED;
	default:
		return ERR_BUSY;
	}
}

/* ---- a transfer ----------------------------------------------------------------------------- */

/* The handle is free again. */
static void
end_transfer(struct follow_curl *curl)
{
	if (curl->is_under_way)
		MUST(curl_multi_remove_handle(curl->multi, curl->easy) == CURLM_OK);
	curl->is_under_way = false;
	buf_cut(&curl->started.link, 0);
	curl_slist_free_all(curl->headers);
	curl->headers = NULL;
}

static void
prepare(struct follow_curl *curl, struct str link, struct arena *arena)
{
	end_transfer(curl);
	curl_easy_reset(curl->easy);
	set_always(curl);
	set_link(curl, link, arena);
}

static void
begin_transfer(struct follow_curl *curl)
{
	SET(CURLOPT_HTTPHEADER, curl->headers);
	curl->error[0] = '\0';
	buf_cut(&curl->body, 0);
	MUST(curl_multi_add_handle(curl->multi, curl->easy) == CURLM_OK);
	curl->is_under_way = true;
}

static CURLcode
result_of_transfer(struct follow_curl *curl)
{
	CURLcode code = CURLE_OK;
	CURLMsg *message;
	int      left;

	while ((message = curl_multi_info_read(curl->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	return code;
}

static enum err
finish_transfer(struct follow_curl *curl, struct arena *arena, struct str *why_out)
{
	CURLcode code;
	int      running = 1;

	while (running > 0) {
		if (curl->conf.stopped && curl->conf.stopped(curl->conf.stopped_ctx)) {
			end_transfer(curl);
			*why_out = STR("stopped");
			return ERR_BUSY;
		}
		MUST(curl_multi_perform(curl->multi, &running) == CURLM_OK);
		if (running > 0)
			MUST(curl_multi_poll(curl->multi, NULL, 0, POLL_MS, NULL) == CURLM_OK);
	}
	code = result_of_transfer(curl);
	end_transfer(curl);
	return code == CURLE_OK ? OK : err_of(curl, code, arena, why_out);
}

static enum err
transfer(struct follow_curl *curl, struct arena *arena, struct str *why_out)
{
	begin_transfer(curl);
	return finish_transfer(curl, arena, why_out);
}

static enum err
answer(struct follow_curl *curl, enum err err, struct arena *arena, struct follow_reply *reply_out)
{
	long status = 0;

	MUST(curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	/* An error answer that was cut still says what it is. */
	if (err != OK && status < 400)
		return err;
	*reply_out = (struct follow_reply){
		.status = (unsigned)status,
		.body = buf_str(&curl->body),
		.location = header(curl, "Location", arena),
		.retry_after = header(curl, "Retry-After", arena),
		.date = header(curl, "Date", arena),
	};
	return OK;
}

/* ---- a page --------------------------------------------------------------------------------- */

static void
begin_page(struct follow_curl *curl, const struct follow_ask *ask, struct arena *arena)
{
	prepare(curl, ask->link, arena);
	add_header(curl, "Accept: application/json");
	/* Between two processes of one machine packing costs more than it saves. */
	if (follow_link_is_local(ask->link))
		add_header(curl, "Accept-Encoding: identity");
	if (ask->bearer.len > 0)
		add_header(curl, arena_c(arena, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(ask->bearer))));
	if (ask->page_size > 0)
		add_header(curl, arena_c(arena, arena_printf(arena, "Prefer: odata.maxpagesize=%u", ask->page_size)));
	begin_transfer(curl);
}

/* A connection that is there sends it at once; one that must be made first is made while it is fetched. */
static void
start(void *ctx, const struct follow_ask *ask, struct arena *arena)
{
	struct follow_curl *curl = ctx;
	int                 running;

	begin_page(curl, ask, arena);
	curl->started.place = ask->place;
	curl->started.page_size = ask->page_size;
	buf_put(&curl->started.link, ask->link);
	buf_cut(&curl->started.bearer, 0);
	buf_put(&curl->started.bearer, ask->bearer);
	MUST(curl_multi_perform(curl->multi, &running) == CURLM_OK);
}

static bool
is_started(const struct started *started, const struct follow_ask *ask)
{
	return started->place.sid == ask->place.sid && started->place.round_ms == ask->place.round_ms &&
	       started->place.page == ask->place.page && started->page_size == ask->page_size &&
	       str_eq(buf_str(&started->link), ask->link) && str_eq(buf_str(&started->bearer), ask->bearer);
}

static void
let_go(void *ctx)
{
	end_transfer(ctx);
}

static enum err
fetch(void *ctx, const struct follow_ask *ask, struct arena *arena, struct follow_reply *reply_out, struct str *why_out)
{
	struct follow_curl *curl = ctx;
	enum err            err;

	if (!is_started(&curl->started, ask))
		begin_page(curl, ask, arena);
	err = finish_transfer(curl, arena, why_out);
	TRY(answer(curl, err, arena, reply_out));
	/* What is no page is told to people, and a far end may repeat in it what it was sent. */
	if (reply_out->status != 200) {
		buf_cut(&curl->body, curl->body.len < TOLD_MAX ? curl->body.len : TOLD_MAX);
		follow_secret_mask(ask->bearer, curl->body.at, curl->body.len);
		reply_out->body = buf_str(&curl->body);
	}
	return OK;
}

enum err
follow_curl_post(struct follow_curl *curl, struct str url, struct str form, struct arena *arena,
                 struct follow_reply *reply_out, struct str *why_out)
{
	enum err err;

	prepare(curl, url, arena);
	add_header(curl, "Accept: application/json");
	add_header(curl, "Content-Type: application/x-www-form-urlencoded");
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE, (long)form.len);
	SET(CURLOPT_POSTFIELDS, form.at);
	err = transfer(curl, arena, why_out);
	return answer(curl, err, arena, reply_out);
}

/* ---- a file --------------------------------------------------------------------------------- */

struct sink {
	struct follow_curl       *curl;
	const struct follow_save *ask;
	int64_t                   written;
	int                       fault;         /* errno */
	bool                      begun;
};

/* "bytes 5-9/10": is it the rest we asked for? */
static bool
is_rest(struct follow_curl *curl, int64_t offset)
{
	struct curl_header *found;
	struct str          text, first;
	uint64_t            number;

	if (curl_easy_header(curl->easy, "Content-Range", 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return false;
	text = str_from_c(found->value);
	if (!str_starts(text, STR("bytes ")))
		return false;
	text = str_skip(text, 6);
	return str_take_until(&text, '-', &first) && str_to_u64(first, &number) && (int64_t)number == offset;
}

/* Where the file goes on: behind what it has, or from its start when the far end begins anew. */
static bool
begin_file(struct sink *sink, long status)
{
	off_t at = status == 206 && is_rest(sink->curl, sink->ask->offset) ? sink->ask->offset : 0;

	sink->begun = true;
	return ftruncate(sink->ask->fd, at) == 0 && lseek(sink->ask->fd, at, SEEK_SET) == at;
}

static size_t
take_file_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct sink *sink = ctx;
	size_t       total = one * len, done = 0;
	long         status = 0;

	MUST(curl_easy_getinfo(sink->curl->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	if (status != 200 && status != 206)
		return total;
	if (!sink->begun && !begin_file(sink, status))
		sink->fault = errno;
	while (sink->fault == 0 && done < total) {
		ssize_t n = write(sink->ask->fd, bytes + done, total - done);

		if (n < 0 && errno != EINTR)
			sink->fault = errno;
		done += n > 0 ? (size_t)n : 0;
	}
	sink->written += (int64_t)done;
	return done;
}

static void
set_save(struct follow_curl *curl, const struct follow_save *ask, struct sink *sink, struct arena *arena)
{
	SET(CURLOPT_ACCEPT_ENCODING, NULL);
	SET(CURLOPT_TIMEOUT, 0L);
	SET(CURLOPT_WRITEFUNCTION, take_file_bytes);
	SET(CURLOPT_WRITEDATA, sink);
	if (ask->offset > 0)
		SET(CURLOPT_RANGE, arena_c(arena, arena_printf(arena, "%lld-", (long long)ask->offset)));
}

enum err
follow_curl_save(struct follow_curl *curl, const struct follow_save *ask, struct arena *arena,
                 struct follow_saved *saved_out)
{
	struct sink sink = { .curl = curl, .ask = ask };
	struct str  why;
	enum err    err;
	long        status = 0;

	prepare(curl, ask->link, arena);
	set_save(curl, ask, &sink, arena);
	if (ask->bearer.len > 0)
		add_header(curl, arena_c(arena, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(ask->bearer))));
	if (ask->offset > 0)
		add_header(curl, arena_c(arena, arena_printf(arena, "If-Range: %.*s", STR_ARG(ask->etag))));
	err = transfer(curl, arena, &why);
	MUST(curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	/* An answer without a body leaves an empty file, not what was there. */
	if (err == OK && status == 200 && !sink.begun && !begin_file(&sink, status))
		sink.fault = errno;
	*saved_out = (struct follow_saved){ .status = (unsigned)status, .location = header(curl, "Location", arena),
		                            .etag = header(curl, "ETag", arena), .written = sink.written };
	if (sink.fault != 0) {
		errno = sink.fault;
		return sink.fault == ENOSPC || sink.fault == EDQUOT ? ERR_FULL : ERR_IO;
	}
	return err;
}

/* ---- opening -------------------------------------------------------------------------------- */

enum err
follow_curl_open(const struct follow_curl_conf *conf, struct follow_curl **curl_out)
{
	struct follow_curl *curl;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return ERR_IO;
	curl = calloc(1, sizeof(*curl));
	MUST(curl != NULL);
	curl->conf = *conf;
	curl->multi = curl_multi_init();
	curl->easy = curl_easy_init();
	MUST(curl->multi && curl->easy);
	buf_open(&curl->body, FOLLOW_PAGE_MAX);
	buf_open(&curl->started.link, FOLLOW_LINK_MAX);
	buf_open(&curl->started.bearer, FOLLOW_BEARER_MAX);
	*curl_out = curl;
	return OK;
}

void
follow_curl_close(struct follow_curl **curl)
{
	if (!*curl)
		return;
	end_transfer(*curl);
	curl_easy_cleanup((*curl)->easy);
	(void)curl_multi_cleanup((*curl)->multi);
	buf_close(&(*curl)->body);
	buf_close(&(*curl)->started.link);
	buf_close(&(*curl)->started.bearer);
	free(*curl);
	curl_global_cleanup();
	*curl = NULL;
}

struct follow_source
follow_curl_source(struct follow_curl *curl)
{
	return (struct follow_source){ .ctx = curl, .fetch = fetch, .start = start, .let_go = let_go };
}

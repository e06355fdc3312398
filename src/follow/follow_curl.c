/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_curl.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "follow/follow_bearer.h"
#include "follow/follow_link.h"
#include "follow/follow_page.h"
#include "follow/follow_secrets.h"

#define CONNECT_S  10L
#define SLOW_S     30L   /* under a byte a second for so long is too slow */
#define SLOW_BYTES 1000L /* of a file: that much a second */
#define TOTAL_S    300L
#define POLL_MS    100
#define HEADER_MAX ((size_t)64 << 10)
#define ETAG_MAX   200
#define TOO_LARGE  "it is larger than --max-content"
#define SHOWN_MAX  ((size_t)64 << 10) /* of a refusal; nobody looks at what follows */
#define DISK_SPARE ((off_t)64 << 20)  /* on the disk, for the store */

struct started { /* what was asked for before it is fetched; link empty: nothing */
	struct follow_position position;
	uint32_t               page_size;
	struct buf             link, bearer;
};

struct follow_curl {
	struct follow_curl_conf conf;
	CURLM                  *multi;
	CURL                   *easy;
	struct buf              body;
	char                    error[CURL_ERROR_SIZE];
	struct curl_slist      *headers; /* of the transfer under way */
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
	return STR(
		"; if you trust whoever signed it, name their certificate with --ca FILE (of `tidemark serve` it is ca.pem "
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
answer(struct follow_curl *curl, enum err err, struct arena *arena, struct follow_response *response_out)
{
	long status = 0;

	MUST(curl_easy_getinfo(curl->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	/* An error answer that was cut still says what it is. */
	if (err != OK && status < 400)
		return err;
	*response_out = (struct follow_response){
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
begin_page(struct follow_curl *curl, const struct follow_request *request, struct arena *arena)
{
	prepare(curl, request->link, arena);
	add_header(curl, "Accept: application/json");
	/* Between two processes of one machine packing costs more than it saves. */
	if (follow_link_is_local(request->link))
		add_header(curl, "Accept-Encoding: identity");
	if (request->bearer.len > 0)
		add_header(curl,
		           arena_c(arena, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(request->bearer))));
	if (request->page_size > 0)
		add_header(curl,
		           arena_c(arena, arena_printf(arena, "Prefer: odata.maxpagesize=%u", request->page_size)));
	begin_transfer(curl);
}

/* A connection that is there sends it at once; one that must be made first is made while it is fetched. */
static void
start(void *ctx, const struct follow_request *request, struct arena *arena)
{
	struct follow_curl *curl = ctx;
	int                 running;

	begin_page(curl, request, arena);
	curl->started.position = request->position;
	curl->started.page_size = request->page_size;
	buf_put(&curl->started.link, request->link);
	buf_cut(&curl->started.bearer, 0);
	buf_put(&curl->started.bearer, request->bearer);
	MUST(curl_multi_perform(curl->multi, &running) == CURLM_OK);
}

static bool
is_started(const struct started *started, const struct follow_request *request)
{
	return started->position.sid == request->position.sid &&
	       started->position.round_ms == request->position.round_ms &&
	       started->position.page == request->position.page && started->page_size == request->page_size &&
	       str_eq(buf_str(&started->link), request->link) && str_eq(buf_str(&started->bearer), request->bearer);
}

static void
let_go(void *ctx)
{
	end_transfer(ctx);
}

static enum err
fetch(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
      struct str *why_out)
{
	struct follow_curl *curl = ctx;
	enum err            err;

	if (!is_started(&curl->started, request))
		begin_page(curl, request, arena);
	err = finish_transfer(curl, arena, why_out);
	TRY(answer(curl, err, arena, response_out));
	/* What is no page is told to people, and a far end may repeat in it what it was sent. */
	if (response_out->status != 200) {
		buf_cut(&curl->body, curl->body.len < SHOWN_MAX ? curl->body.len : SHOWN_MAX);
		follow_secret_mask(request->bearer, curl->body.at, curl->body.len);
		response_out->body = buf_str(&curl->body);
	}
	return OK;
}

enum err
follow_curl_post(struct follow_curl *curl, struct str url, struct str form, struct arena *arena,
                 struct follow_response *response_out, struct str *why_out)
{
	enum err err;

	prepare(curl, url, arena);
	add_header(curl, "Accept: application/json");
	add_header(curl, "Content-Type: application/x-www-form-urlencoded");
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE, (long)form.len);
	SET(CURLOPT_POSTFIELDS, form.at);
	err = transfer(curl, arena, why_out);
	return answer(curl, err, arena, response_out);
}

/* ---- a file --------------------------------------------------------------------------------- */

struct sink {
	struct follow_curl       *curl;
	const struct follow_save *request;
	struct follow_saved      *saved;
	struct arena             *arena;
	enum err                  err;                 /* why no more is taken */
	int                       fault;               /* errno */
	size_t                    passed;              /* of an answer that is no content */
	char                      refused[NI_MAXHOST]; /* an address we were sent to and may not be */
};

static enum err
refuse(struct sink *sink, enum err err, const char *why)
{
	sink->saved->why = str_from_c(why);
	return err;
}

static enum err
file_fault(struct sink *sink, int fault)
{
	sink->fault = fault;
	return fault == ENOSPC || fault == EDQUOT ? ERR_FULL : ERR_IO;
}

/* What is said twice is said wrongly. */
static struct str
only_header(struct sink *sink, const char *name)
{
	struct curl_header *found;

	if (curl_easy_header(sink->curl->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return STR_EMPTY;
	return found->amount > 1 ? STR("?") : header(sink->curl, name, sink->arena);
}

static bool
is_strong(struct str etag)
{
	for (size_t i = 0; i < etag.len; i++)
		if (etag.at[i] <= ' ' || etag.at[i] > '~')
			return false;
	return etag.len > 2 && etag.len < ETAG_MAX && etag.at[0] == '"';
}

/* Is it the very rest that was asked for, or the whole, and says where it ends?  saved->part is where the file goes on. */
static enum err
validate(struct sink *sink, long status)
{
	const struct follow_part *held = &sink->request->part;
	struct follow_part       *part = &sink->saved->part;
	struct str                etag = only_header(sink, "ETag"), length = only_header(sink, "Content-Length"), rest;
	struct str                coding = only_header(sink, "Content-Encoding");
	bool                      is_plain = coding.len == 0 || str_eq_nocase(coding, STR("identity"));
	long                      version = 0;
	uint64_t                  total = 0;

	rest = arena_printf(sink->arena, "bytes %lld-%lld/%lld", (long long)held->have, (long long)held->total - 1,
	                    (long long)held->total);
	if (status != 200 && held->have > 0)
		return is_plain && str_eq(etag, held->etag) && str_eq(only_header(sink, "Content-Range"), rest)
		               ? OK
		               : ERR_STALE;
	if (status != 200 || !is_plain)
		return refuse(sink, ERR_UP_GARBLED,
		              is_plain ? "the answer is a part that nobody asked for" : "the answer is packed");
	/* Chunks and streams of HTTP/2 have an end of their own. */
	MUST(curl_easy_getinfo(sink->curl->easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK);
	*part = (struct follow_part){ .total = -1, .etag = is_strong(etag) ? etag : STR_EMPTY };
	if (only_header(sink, "Transfer-Encoding").len > 0 || (length.len == 0 && version >= CURL_HTTP_VERSION_2_0))
		return OK;
	if (!str_to_u64(length, &total))
		return refuse(sink, ERR_UP_GARBLED, "the answer does not say where it ends");
	part->total = (int64_t)total;
	return OK;
}

/* Where the file goes on: behind what it has, or from its start when the remote begins anew. */
static enum err
begin_file(struct sink *sink)
{
	int            fd = sink->request->fd;
	off_t          at = sink->saved->part.have, more = sink->saved->part.total - at;
	struct statvfs space;

	if (sink->saved->part.total > sink->request->size_max)
		return refuse(sink, ERR_TOO_LARGE, TOO_LARGE);
	sink->saved->has_begun = true;
	if (ftruncate(fd, at) != 0 || lseek(fd, at, SEEK_SET) != at || fstatvfs(fd, &space) != 0)
		return file_fault(sink, errno);
	more = (more > 0 ? more : 0) + DISK_SPARE;
	return space.f_blocks > 0 && (uint64_t)more > space.f_bavail * space.f_frsize ? file_fault(sink, ENOSPC) : OK;
}

/* Before the first byte, or at the end of an answer without any.  Is there content in it? */
static bool
is_content(struct sink *sink)
{
	long status = 0;
	bool is_of_rest; /* so answer, too, those who do not like to be asked for the rest */

	MUST(curl_easy_getinfo(sink->curl->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	is_of_rest = sink->request->part.have > 0 && (status == 304 || status == 400 || status == 412 || status == 416);
	if (sink->saved->status == 0 && (status == 200 || status == 206 || is_of_rest)) {
		sink->err = validate(sink, status);
		if (sink->err == OK)
			sink->err = begin_file(sink);
	}
	sink->saved->status = (unsigned)status;
	return sink->saved->has_begun;
}

static size_t
take_file_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct sink        *sink = ctx;
	struct follow_part *part = &sink->saved->part;
	size_t              total = one * len, done = 0;

	if (!is_content(sink)) {
		sink->passed += total;
		return sink->err == OK && sink->passed <= SHOWN_MAX ? total : 0;
	}
	if (sink->err == OK && part->have + (int64_t)total > (part->total < 0 ? sink->request->size_max : part->total))
		sink->err = refuse(sink, ERR_TOO_LARGE, part->total < 0 ? TOO_LARGE : "more came than was announced");
	while (sink->err == OK && done < total) {
		ssize_t n = write(sink->request->fd, bytes + done, total - done);

		if (n < 0 && errno != EINTR)
			sink->err = file_fault(sink, errno);
		done += n > 0 ? (size_t)n : 0;
	}
	part->have += (int64_t)done;
	sink->saved->written += (int64_t)done;
	return sink->err == OK ? done : 0;
}

/* Every address is judged before anything is sent there. */
static curl_socket_t
open_judged(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct sink *sink = ctx;

	(void)purpose;
	if (follow_net_may_lead(sink->request->from, follow_net_of(&addr->addr)))
		return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
	(void)getnameinfo(&addr->addr, addr->addrlen, sink->refused, sizeof(sink->refused), NULL, 0, NI_NUMERICHOST);
	return CURL_SOCKET_BAD;
}

static void
set_save(struct follow_curl *curl, const struct follow_save *request, struct sink *sink, struct arena *arena)
{
	SET(CURLOPT_ACCEPT_ENCODING, NULL);
	SET(CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	SET(CURLOPT_TIMEOUT_MS, (long)request->time_max_ms);
	SET(CURLOPT_WRITEFUNCTION, take_file_bytes);
	SET(CURLOPT_WRITEDATA, sink);
	/* No connection is used again that was judged for another link. */
	SET(CURLOPT_FRESH_CONNECT, (long)request->is_complete);
	if (request->is_complete && follow_link_goes_by_proxy(request->link))
		SET(CURLOPT_NOPROXY, "");
	else if (request->is_complete)
		SET(CURLOPT_OPENSOCKETFUNCTION, open_judged);
	SET(CURLOPT_OPENSOCKETDATA, sink);
	add_header(curl, "Accept-Encoding: identity");
	if (request->bearer.len > 0)
		add_header(curl,
		           arena_c(arena, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(request->bearer))));
	if (request->part.have > 0) {
		SET(CURLOPT_RANGE, arena_c(arena, arena_printf(arena, "%lld-", (long long)request->part.have)));
		add_header(curl, arena_c(arena, arena_printf(arena, "If-Range: %.*s", STR_ARG(request->part.etag))));
	}
}

static enum err
end_save(struct sink *sink, enum err err)
{
	struct follow_saved *saved = sink->saved;
	char                *address = NULL;

	if (err == OK)
		(void)is_content(sink);
	MUST(curl_easy_getinfo(sink->curl->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK);
	saved->net = follow_net_of_host(follow_link_goes_by_proxy(sink->request->link)
	                                        ? follow_link_host(sink->request->link)
	                                        : str_from_c(address));
	saved->location = header(sink->curl, "Location", sink->arena);
	errno = sink->fault;
	/* What is no content was perhaps given up on, and still says what it is. */
	if (sink->err != OK || (saved->status != 0 && !saved->has_begun))
		return sink->err;
	return err == OK && saved->part.total >= 0 && saved->part.have != saved->part.total ? ERR_BUSY : err;
}

static enum err
refuse_address(struct sink *sink, struct str address)
{
	sink->saved->why = arena_printf(
		sink->arena,
		"the redirect leads to %.*s, an address that is neither public nor of the "
		"kind of the server's own; nothing was sent there. To allow it, follow the server by an "
		"address of that network",
		STR_ARG(address));
	return ERR_UP_REFUSED;
}

enum err
follow_curl_save(struct follow_curl *curl, const struct follow_save *request, struct arena *arena,
                 struct follow_saved *saved_out)
{
	struct sink sink = { .curl = curl, .request = request, .saved = saved_out, .arena = arena };
	struct str  why = STR_EMPTY;
	enum err    err;

	*saved_out = (struct follow_saved){ .part = request->part };
	if (request->is_complete &&
	    !follow_net_may_lead(request->from, follow_net_of_host(follow_link_host(request->link))))
		return refuse_address(&sink, follow_link_host(request->link));
	prepare(curl, request->link, arena);
	set_save(curl, request, &sink, arena);
	err = transfer(curl, arena, &why);
	if (err != OK && sink.refused[0] && saved_out->status == 0)
		return refuse_address(&sink, str_from_c(sink.refused));
	if (sink.err == OK)
		saved_out->why = why;
	return end_save(&sink, err);
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

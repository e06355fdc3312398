/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_handle.h"

#include <stdlib.h>

#include "fetch/fetch_link.h"

#define CONNECT_S   10L
#define IDLE_S      30L
#define TOTAL_MS    300000L
#define POLL_MS     100
#define HEADER_MAX  ((size_t)64 << 10)
#define STARTED_MAX ((size_t)128 << 10) /* a link, a bearer, and some more */

static size_t
take_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct fetch *fetch = ctx;

	fetch->size += one * len;
	if (!fetch->skims)
		buf_put(&fetch->body, str_of(bytes, one * len));
	else if (fetch->size <= FETCH_SKIM_MAX)
		fetch_skim_put(&fetch->skim, str_of(bytes, one * len), &fetch->body);
	else
		return 0;
	return buf_err(&fetch->body) == OK ? one * len : 0;
}

void
fetch_add_header(struct fetch *fetch, const char *line)
{
	struct curl_slist *grown = line ? curl_slist_append(fetch->headers, line) : fetch->headers;

	MUST(grown != NULL || !line);
	fetch->headers = grown;
}

struct str
fetch_header(struct fetch *fetch, const char *name, struct arena *arena)
{
	struct curl_header *found;
	struct str          value;

	if (curl_easy_header(fetch->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return STR_EMPTY;
	value = str_from_c(found->value);
	return value.len <= HEADER_MAX ? arena_copy(arena, value) : STR_EMPTY;
}

unsigned
fetch_status(struct fetch *fetch)
{
	long status = 0;

	MUST(curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	return (unsigned)status;
}

const char *
fetch_bearer_header(struct str bearer, struct arena *arena)
{
	return bearer.len > 0 ? arena_c(arena, arena_printf(arena, "Authorization: Bearer %.*s", STR_ARG(bearer)))
	                      : NULL;
}

/* ---- what went wrong ------------------------------------------------------------------------ */

/* The certificate's issuer is not trusted.  The numbers are OpenSSL's, which never change. */
static bool
is_unknown_authority(struct fetch *fetch)
{
	long result = 0;

	MUST(curl_easy_getinfo(fetch->easy, CURLINFO_SSL_VERIFYRESULT, &result) == CURLE_OK);
	return result == 2 || (result >= 18 && result <= 21);
}

/* What the user can do, as the end of a sentence. */
static struct str
tls_hint(struct fetch *fetch, CURLcode code, struct arena *arena)
{
	if (fetch->conf.has_no_ca_option)
		return STR_EMPTY;
	if (code == CURLE_GOT_NOTHING)
		return STR("; the URL of a server with TLS begins with https://");
	if (code == CURLE_SSL_CACERT_BADFILE)
		return STR("; see --ca");
	if (code != CURLE_PEER_FAILED_VERIFICATION || !is_unknown_authority(fetch))
		return STR_EMPTY;
	if (fetch->conf.ca_file)
		return arena_printf(arena, "; no certificate in %.*s has signed it: name the right file with --ca FILE",
		                    STR_ARG(str_cut(str_from_c(fetch->conf.ca_file), 200)));
	return STR("; if you trust whoever signed it, name their certificate with --ca FILE (of `tidemark serve` "
	           "it is ca.pem in the folder STORE.tls)");
}

static enum err
err_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return ERR_NOT_FOUND;
	case CURLE_WEIRD_SERVER_REPLY:
		return ERR_UP_GARBLED;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return ERR_UP_REFUSED;
	default:
		return ERR_UNSURE;
	}
}

static enum err
explain(struct fetch *fetch, CURLcode code, struct arena *arena, struct str *why_out)
{
	const char *text = fetch->error[0] ? fetch->error : curl_easy_strerror(code);

	if (code == CURLE_FILESIZE_EXCEEDED || fetch->size > FETCH_SKIM_MAX || buf_err(&fetch->body) != OK) {
		*why_out = arena_printf(arena, "the answer is larger than %zu MiB; it was given up",
		                        fetch->conf.body_max >> 20);
		return ERR_TOO_LARGE;
	}
	*why_out = arena_printf(arena, "%.*s%.*s", STR_ARG(str_cut(str_from_c(text), 200)),
	                        STR_ARG(tls_hint(fetch, code, arena)));
	return err_of(code);
}

enum err
fetch_result(enum err err, const struct fetch_response *response)
{
	if (response->status >= 400)
		return OK;
	return err == OK || err == ERR_TOO_LARGE || err == ERR_UP_REFUSED ? err : ERR_BUSY;
}

/* ---- a transfer ----------------------------------------------------------------------------- */

void
fetch_cancel(struct fetch *fetch)
{
	if (fetch->is_under_way)
		MUST(curl_multi_remove_handle(fetch->multi, fetch->easy) == CURLM_OK);
	fetch->is_under_way = false;
	buf_cut(&fetch->started, 0);
	curl_slist_free_all(fetch->headers);
	fetch->headers = NULL;
}

void
fetch_prepare(struct fetch *fetch, struct str url, struct arena *arena)
{
	const struct fetch_conf *conf = &fetch->conf;
	bool                     is_plain = str_starts(url, STR("http:")) && !conf->is_https_only;

	fetch_cancel(fetch);
	curl_easy_reset(fetch->easy);
	FETCH_SET(fetch, CURLOPT_URL, arena_c(arena, url));
	FETCH_SET(fetch, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
	FETCH_SET(fetch, CURLOPT_PROXY, is_plain ? "" : NULL);
	FETCH_SET(fetch, CURLOPT_UNIX_SOCKET_PATH, conf->sock_path);
	FETCH_SET(fetch, CURLOPT_NOSIGNAL, 1L);
	FETCH_SET(fetch, CURLOPT_FOLLOWLOCATION, 0L);
	FETCH_SET(fetch, CURLOPT_PATH_AS_IS, 1L);
	/* Between two processes of one machine packing costs more than it saves. */
	FETCH_SET(fetch, CURLOPT_ACCEPT_ENCODING, fetch_link_is_local(url) ? "identity" : "gzip");
	FETCH_SET(fetch, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	FETCH_SET(fetch, CURLOPT_LOW_SPEED_LIMIT, 1L);
	FETCH_SET(fetch, CURLOPT_LOW_SPEED_TIME, conf->idle_s);
	FETCH_SET(fetch, CURLOPT_TIMEOUT_MS, conf->time_ms > 0 ? conf->time_ms : 0L);
	FETCH_SET(fetch, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	FETCH_SET(fetch, CURLOPT_SSL_VERIFYPEER, 1L);
	FETCH_SET(fetch, CURLOPT_SSL_VERIFYHOST, 2L);
	if (conf->ca_file)
		FETCH_SET(fetch, CURLOPT_CAINFO, conf->ca_file);
	FETCH_SET(fetch, CURLOPT_USERAGENT, conf->agent);
	FETCH_SET(fetch, CURLOPT_ERRORBUFFER, fetch->error);
	FETCH_SET(fetch, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)conf->body_max);
	FETCH_SET(fetch, CURLOPT_WRITEFUNCTION, take_bytes);
	FETCH_SET(fetch, CURLOPT_WRITEDATA, fetch);
}

static void
begin(struct fetch *fetch)
{
	FETCH_SET(fetch, CURLOPT_HTTPHEADER, fetch->headers);
	fetch->error[0] = '\0';
	buf_cut(&fetch->body, 0);
	fetch->size = 0;
	fetch->skim = (struct fetch_skim){ 0 };
	MUST(curl_multi_add_handle(fetch->multi, fetch->easy) == CURLM_OK);
	fetch->is_under_way = true;
}

static CURLcode
result_of_transfer(struct fetch *fetch)
{
	CURLcode code = CURLE_OK;
	CURLMsg *message;
	int      left;

	while ((message = curl_multi_info_read(fetch->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	return code;
}

static enum err
finish(struct fetch *fetch, struct arena *arena, struct str *why_out)
{
	const struct fetch_conf *conf = &fetch->conf;
	curl_off_t               length = -1;
	CURLcode                 code;
	int                      running = 1;

	while (running > 0) {
		if (conf->stopped && conf->stopped(conf->stopped_ctx)) {
			fetch_cancel(fetch);
			*why_out = STR("stopped");
			return ERR_UNSURE;
		}
		MUST(curl_multi_perform(fetch->multi, &running) == CURLM_OK);
		if (running > 0)
			MUST(curl_multi_poll(fetch->multi, NULL, 0, POLL_MS, NULL) == CURLM_OK);
	}
	code = result_of_transfer(fetch);
	fetch_cancel(fetch);
	if (code != CURLE_OK)
		return explain(fetch, code, arena, why_out);
	MUST(curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK);
	/* libcurl takes a response that ends within its headers as whole.  Our own server always sends a length. */
	if (!conf->sock_path || length >= 0)
		return OK;
	*why_out = STR("the response was cut");
	return ERR_UNSURE;
}

enum err
fetch_transfer(struct fetch *fetch, struct arena *arena, struct str *why_out)
{
	begin(fetch);
	return finish(fetch, arena, why_out);
}

/* ---- a request ------------------------------------------------------------------------------ */

static void
begin_request(struct fetch *fetch, const struct fetch_request *request, struct arena *arena)
{
	fetch_prepare(fetch, request->url, arena);
	for (size_t i = 0; i < FETCH_HEADERS_MAX; i++)
		fetch_add_header(fetch, request->headers[i]);
	fetch->skims = request->skims;
	if (request->skims)
		FETCH_SET(fetch, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)FETCH_SKIM_MAX);
	if (request->is_post) {
		FETCH_SET(fetch, CURLOPT_POST, 1L);
		FETCH_SET(fetch, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		FETCH_SET(fetch, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.at : "");
	}
	begin(fetch);
}

static struct str
text_of(const struct fetch_request *request, struct arena *arena)
{
	struct str text = request->url;

	for (size_t i = 0; i < FETCH_HEADERS_MAX; i++)
		if (request->headers[i])
			text = arena_printf(arena, "%.*s\n%s", STR_ARG(text), request->headers[i]);
	return text;
}

void
fetch_start(struct fetch *fetch, const struct fetch_request *request, struct arena *arena)
{
	int running;

	MUST(!request->is_post);
	begin_request(fetch, request, arena);
	buf_put(&fetch->started, text_of(request, arena));
	MUST(buf_err(&fetch->started) == OK);
	/* An open connection sends at once; a new one is made while fetch_send() waits. */
	MUST(curl_multi_perform(fetch->multi, &running) == CURLM_OK);
}

enum err
fetch_send(struct fetch *fetch, const struct fetch_request *request, struct arena *arena,
           struct fetch_response *response_out, struct str *why_out)
{
	enum err err;

	if (request->is_post || fetch->started.len == 0 || !str_eq(buf_str(&fetch->started), text_of(request, arena)))
		begin_request(fetch, request, arena);
	err = finish(fetch, arena, why_out);
	*response_out = (struct fetch_response){ .status = fetch_status(fetch),
		                                 .body = buf_str(&fetch->body),
		                                 .size = fetch->size,
		                                 .location = fetch_header(fetch, "Location", arena),
		                                 .retry_after = fetch_header(fetch, "Retry-After", arena),
		                                 .date = fetch_header(fetch, "Date", arena),
		                                 .request_id = fetch_header(fetch, "request-id", arena),
		                                 .challenge = fetch_header(fetch, "WWW-Authenticate", arena) };
	return err;
}

/* ---- opening -------------------------------------------------------------------------------- */

enum err
fetch_open(const struct fetch_conf *conf, struct fetch **fetch_out)
{
	struct fetch *fetch;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return ERR_IO;
	fetch = handle_new(sizeof(*fetch));
	fetch->conf = *conf;
	fetch->conf.body_max = conf->body_max ? conf->body_max : FETCH_BODY_MAX;
	fetch->conf.idle_s = conf->idle_s ? conf->idle_s : IDLE_S;
	fetch->conf.time_ms = conf->time_ms ? conf->time_ms : TOTAL_MS;
	fetch->multi = curl_multi_init();
	fetch->easy = curl_easy_init();
	MUST(fetch->multi && fetch->easy);
	buf_open(&fetch->body, fetch->conf.body_max);
	buf_open(&fetch->started, STARTED_MAX);
	*fetch_out = fetch;
	return OK;
}

void
fetch_close(struct fetch **fetch)
{
	if (!*fetch)
		return;
	fetch_cancel(*fetch);
	curl_easy_cleanup((*fetch)->easy);
	(void)curl_multi_cleanup((*fetch)->multi);
	buf_close(&(*fetch)->body);
	buf_close(&(*fetch)->started);
	free(*fetch);
	curl_global_cleanup();
	*fetch = NULL;
}

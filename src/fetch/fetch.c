/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <curl/curl.h>

#define IDLE_S 120L

/* Less than what came makes curl give up. */
static size_t
take_piece(char *piece, size_t one, size_t count, void *ctx)
{
	struct buf *body = ctx;

	buf_put(body, str_of(piece, one * count));
	return buf_err(body) == OK ? one * count : 0;
}

/* Options of a known name and type, given a value of that type, fail only for want of memory. */
#define SET(option, value) MUST(curl_easy_setopt(curl, (option), (value)) == CURLE_OK)

static void
set_up(CURL *curl, const struct fetch_call *call, struct curl_slist *fields, struct buf *body)
{
	SET(CURLOPT_URL, call->url);
	SET(CURLOPT_PROTOCOLS_STR, call->sock_path ? "http" : "https");
	SET(CURLOPT_UNIX_SOCKET_PATH, call->sock_path);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, call->time_ms);
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, IDLE_S);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (call->ca_file)
		SET(CURLOPT_CAINFO, call->ca_file);
	SET(CURLOPT_HTTPHEADER, fields);
	if (call->post) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
		SET(CURLOPT_POSTFIELDS, call->body.len > 0 ? call->body.at : "");
	}
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)body->limit);
	SET(CURLOPT_WRITEFUNCTION, take_piece);
	SET(CURLOPT_WRITEDATA, body);
}

static enum err
err_of(CURLcode code, const struct buf *body)
{
	if (code == CURLE_FILESIZE_EXCEEDED || buf_err(body) != OK)
		return ERR_TOO_LARGE;
	switch (code) {
	case CURLE_OK:
		return OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return ERR_NOT_FOUND;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return ERR_UP_GARBLED;
	default:
		return ERR_UNSURE;
	}
}

enum err
fetch(const struct fetch_call *call, struct buf *body_out, unsigned *status_out, const char **why_out)
{
	CURL              *curl = curl_easy_init();
	struct curl_slist *fields = NULL;
	curl_off_t         length = -1;
	long               status = 0;
	CURLcode           code;

	MUST(curl);
	for (size_t i = 0; call->fields && call->fields[i]; i++)
		MUST((fields = curl_slist_append(fields, call->fields[i])) != NULL);
	set_up(curl, call, fields, body_out);
	code = curl_easy_perform(curl);
	MUST(curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK);
	MUST(curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK);
	curl_slist_free_all(fields);
	curl_easy_cleanup(curl);
	*status_out = (unsigned)status;
	*why_out = curl_easy_strerror(code);
	/* curl takes an answer that ends within its header for a whole one. Our own server gives the length of each. */
	return code == CURLE_OK && call->sock_path && length < 0 ? ERR_UNSURE : err_of(code, body_out);
}

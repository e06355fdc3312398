/* SPDX-License-Identifier: Apache-2.0 */
/* fetch_handle — the parts of struct fetch that fetch.c and fetch_save.c share.  Private to the fetch module. */
#pragma once

#include <curl/curl.h>

#include "base/buf.h"
#include "fetch/fetch.h"
#include "fetch/fetch_skim.h"

struct fetch {
	struct fetch_conf  conf;
	CURLM             *multi;
	CURL              *easy;
	struct buf         body;
	char               error[CURL_ERROR_SIZE];
	struct curl_slist *headers; /* of the transfer under way */
	bool               is_under_way;
	struct fetch_skim  skim;
	bool               skims;   /* the body of this request is shortened */
	size_t             size;    /* of what has come of it */
	struct buf         started; /* the request of fetch_start(): URL and headers; empty: none */
};

/* libcurl refuses an option of a known name and type only when there is no memory. */
#define FETCH_SET(fetch, option, value) MUST(curl_easy_setopt((fetch)->easy, (option), (value)) == CURLE_OK)

void       fetch_prepare(struct fetch *fetch, struct str url, struct arena *arena); /* cancels the transfer under way */
void       fetch_add_header(struct fetch *fetch, const char *line);                 /* NULL: none */
enum err   fetch_transfer(struct fetch *fetch, struct arena *arena, struct str *why_out) MUST_CHECK;
unsigned   fetch_status(struct fetch *fetch);
struct str fetch_header(struct fetch *fetch, const char *name, struct arena *arena); /* empty if missing */

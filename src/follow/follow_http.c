/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_source.h"

#include "fetch/fetch.h"
#include "fetch/fetch_secrets.h"

_Static_assert(FOLLOW_HEADERS_MAX + 3 <= FETCH_HEADERS_MAX, "each header has a place");

#define SHOWN_MAX ((size_t)64 << 10) /* of the body of an error; nobody reads more */

/* One field for all preferences; NULL without one. */
static const char *
prefer_header(const struct follow_http *http, uint32_t page_size, struct arena *arena)
{
	struct str field = http->prefer;

	if (page_size > 0)
		field = arena_printf(arena, "%.*s%sodata.maxpagesize=%u", STR_ARG(field), field.len > 0 ? ", " : "",
		                     page_size);
	return field.len > 0 ? arena_c(arena, arena_printf(arena, "Prefer: %.*s", STR_ARG(field))) : NULL;
}

static struct fetch_request
request_of(const struct follow_http *http, const struct follow_request *request, struct arena *arena)
{
	struct fetch_request get = { .url = request->link,
		                     .skims = request->skims,
		                     .headers = { "Accept: application/json",
		                                  fetch_bearer_header(request->bearer, arena),
		                                  prefer_header(http, request->page_size, arena) } };

	for (size_t i = 0; i < FOLLOW_HEADERS_MAX; i++)
		get.headers[i + 3] = http->headers[i];
	return get;
}

static void
start(void *ctx, const struct follow_request *request, struct arena *arena)
{
	struct follow_http  *http = ctx;
	struct fetch_request get = request_of(http, request, arena);

	fetch_start(http->fetch, &get, arena);
}

static void
cancel(void *ctx)
{
	struct follow_http *http = ctx;

	fetch_cancel(http->fetch);
}

static enum err
fetch_page(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
           struct str *why_out)
{
	struct follow_http   *http = ctx;
	struct fetch_request  get = request_of(http, request, arena);
	struct fetch_response got;

	TRY(fetch_result(fetch_send(http->fetch, &get, arena, &got, why_out), &got));
	*response_out = (struct follow_response){
		.status = got.status,
		.body = got.body,
		.size = got.size,
		.location = got.location,
		.retry_after = got.retry_after,
		.date = got.date,
		.request_id = got.request_id,
		.challenge = got.challenge,
	};
	/* An error's text is shown to people, and the remote may repeat the bearer in it. */
	if (got.status != 200) {
		size_t len = got.body.len < SHOWN_MAX ? got.body.len : SHOWN_MAX;
		char  *text = arena_take_raw(arena, len);

		memcpy(text, got.body.at, len);
		fetch_secret_mask(request->bearer, text, len);
		response_out->body = str_of(text, len);
	}
	return OK;
}

struct follow_source
follow_http_source(struct follow_http *http)
{
	return (struct follow_source){ .ctx = http, .fetch = fetch_page, .start = start, .cancel = cancel };
}

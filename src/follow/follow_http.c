/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_source.h"

#include "fetch/fetch.h"
#include "fetch/fetch_secrets.h"

#define SHOWN_MAX ((size_t)64 << 10) /* of the body of an error; nobody reads more */

static struct fetch_request
request_of(const struct follow_request *request, struct arena *arena)
{
	const char *prefer = NULL;

	if (request->page_size > 0)
		prefer = arena_c(arena, arena_printf(arena, "Prefer: odata.maxpagesize=%u", request->page_size));
	return (struct fetch_request){ .url = request->link,
		                       .skims = request->skims,
		                       .headers = { "Accept: application/json",
		                                    fetch_bearer_header(request->bearer, arena), prefer } };
}

static void
start(void *ctx, const struct follow_request *request, struct arena *arena)
{
	struct fetch_request get = request_of(request, arena);

	fetch_start(ctx, &get, arena);
}

static void
cancel(void *ctx)
{
	fetch_cancel(ctx);
}

static enum err
fetch_page(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
           struct str *why_out)
{
	struct fetch_request  get = request_of(request, arena);
	struct fetch_response got;

	TRY(fetch_result(fetch_send(ctx, &get, arena, &got, why_out), &got));
	*response_out = (struct follow_response){
		.status = got.status,
		.body = got.body,
		.size = got.size,
		.location = got.location,
		.retry_after = got.retry_after,
		.date = got.date,
		.request_id = got.request_id,
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
follow_http_source(struct fetch *fetch)
{
	return (struct follow_source){ .ctx = fetch, .fetch = fetch_page, .start = start, .cancel = cancel };
}

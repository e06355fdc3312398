/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/control_client.h"

#include "fetch/fetch.h"

#define ARENA_MAX ((size_t)1 << 20)
#define IDLE_S    120L

enum err
control_call(const char *sock_path, const struct control_call *call, struct arena *arena,
             struct control_response *response_out)
{
	AUTO(arena_close) struct arena *texts = arena_open(ARENA_MAX);
	AUTO(fetch_close) struct fetch *fetch = NULL;
	struct fetch_conf               conf = {
			      .sock_path = sock_path, .body_max = CONTROL_RESPONSE_MAX, .idle_s = IDLE_S, .time_ms = -1
	};
	struct str            url = arena_printf(texts, "http://localhost%.*s", STR_ARG(call->target));
	struct fetch_request  request = { .url = url, .is_post = call->post, .body = call->body };
	struct fetch_response response = { 0 };
	struct str            why;
	enum err              err;

	request.headers[0] = "Content-Type: application/x-ndjson";
	request.headers[1] = "Expect:"; /* the server reads a body at once: do not wait for its permission */
	if (call->key.len > 0)
		request.headers[2] = arena_c(texts, arena_printf(texts, "Idempotency-Key: %.*s", STR_ARG(call->key)));
	TRY(fetch_open(&conf, &fetch));
	err = fetch_send(fetch, &request, texts, &response, &why);
	response_out->status = response.status;
	response_out->body = arena_copy(arena, response.body);
	return err == ERR_TOO_LARGE || err == ERR_UP_REFUSED ? ERR_UP_GARBLED : err;
}

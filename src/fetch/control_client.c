/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/control_client.h"

#include "fetch/fetch.h"

enum err
control_call(const char *sock_path, const struct control_call *call, struct arena *arena,
             struct control_response *response_out)
{
	AUTO(buf_close) struct buf body = { 0 };
	/* The server reads a body at once: it is not asked first whether it wants it. */
	const char *const fields[] = {
		"Content-Type: application/x-ndjson", "Expect:",
		call->key.len ? arena_c(arena, arena_printf(arena, "Idempotency-Key: %.*s", STR_ARG(call->key))) : NULL,
		NULL
	};
	struct fetch_call request = { .url = arena_c(arena, arena_printf(arena, "http://localhost%.*s",
		                                                         STR_ARG(call->target))),
		                      .sock_path = sock_path,
		                      .fields = fields,
		                      .post = call->post,
		                      .body = call->body };
	const char       *why;
	enum err          err;

	buf_open(&body, CONTROL_RESPONSE_MAX);
	err = fetch(&request, &body, &response_out->status, &why);
	response_out->body = arena_copy(arena, buf_str(&body));
	return err == ERR_TOO_LARGE ? ERR_UP_GARBLED : err;
}

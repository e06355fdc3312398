/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/error.h"

#include "graph/call.h"
#include "graph/cursor_token.h"
#include "text/date.h"
#include "text/json_write.h"

static const struct error_row rows[] = {
#define X(name, err, status, code, message) { err, status, code, message },
	GRAPH_TABLE(X)
#undef X
};

const struct error_row *
error_row(enum graph_error error)
{
	MUST((size_t)error < COUNT_OF(rows));
	return &rows[error];
}

enum graph_error
error_for(enum err err)
{
	switch (err) {
	case OK:
		return GRAPH_NONE;
	case ERR_BAD_REQUEST:
		return GRAPH_BAD_URL;
	case ERR_BAD_TOKEN:
		return GRAPH_STATE_TOKEN;
	case ERR_GONE:
		return GRAPH_GONE;
	case ERR_NO_IDENTITY:
		return GRAPH_BAD_BEARER;
	case ERR_NOT_ALLOWED:
		return GRAPH_NOT_ALLOWED;
	case ERR_NOT_FOUND:
		return GRAPH_NO_ITEM;
	case ERR_CONFLICT:
		return GRAPH_NAME_TAKEN;
	case ERR_STALE:
		return GRAPH_STALE;
	case ERR_TOO_LARGE:
		return GRAPH_TOO_LARGE;
	case ERR_FULL:
		return GRAPH_FULL;
	case ERR_BUSY:
	case ERR_LOCKED:
	case ERR_UNSURE:
		return GRAPH_BUSY;
	case ERR_CORRUPT:
	case ERR_FOREIGN:
	case ERR_IO:
	case ERR_UP_REFUSED:
	case ERR_UP_GARBLED:
		return GRAPH_BROKEN;
	}
	return GRAPH_BROKEN;
}

static void
write_inner(struct json_out *out, const struct call *call)
{
	char       date[DATE_TEXT_MAX];
	struct str id = str_of(call->request_id, GUID_TEXT_LEN);
	size_t     len = date_format_bare(call->graph->parts.clock->wall_ns(call->graph->parts.clock->ctx), date);

	json_put_name(out, STR("innerError"));
	json_put_object(out);
	if (call->inner_code)
		json_put_member(out, STR("code"), str_from_c(call->inner_code));
	json_put_member(out, STR("date"), str_of(date, len));
	json_put_member(out, STR("request-id"), id);
	json_put_member(out, STR("client-request-id"), call->client_request_id.len ? call->client_request_id : id);
	json_end_object(out);
}

/* The cloud communications services have codes of their own for what Exchange calls otherwise. */
static const char *
code_for(const struct call *call, enum graph_error error)
{
	static const struct {
		enum graph_error error;
		const char      *code;
	} teams[] = {
		{ GRAPH_NOT_ALLOWED, "Forbidden" },  { GRAPH_UNKNOWN_USER, "NotFound" },
		{ GRAPH_METHOD, "BadRequest" },      { GRAPH_OPTION, "BadRequest" },
		{ GRAPH_STATE_TOKEN, "BadRequest" }, { GRAPH_NO_ITEM, "NotFound" },
		{ GRAPH_FULL, "quotaLimitReached" },
	};

	for (size_t i = 0; call->route.resource == &resource_recording && i < COUNT_OF(teams); i++)
		if (teams[i].error == error)
			return teams[i].code;
	return error_row(error)->code;
}

void
fail_put(const struct call *call, enum graph_error error, struct str detail, struct buf *buf)
{
	struct json_out out;

	json_out_open(&out, buf);
	json_put_object(&out);
	json_put_name(&out, STR("error"));
	json_put_object(&out);
	json_put_member(&out, STR("code"), str_from_c(code_for(call, error)));
	json_put_member(&out, STR("message"), detail.len ? detail : str_from_c(error_row(error)->message));
	write_inner(&out, call);
	json_end_object(&out);
	json_end_object(&out);
}

void
fail_write(struct call *call, enum graph_error error)
{
	const struct error_row *row = error_row(error);

	buf_cut(http_resp_body(call->resp), 0);
	http_resp_status(call->resp, row->status);
	http_resp_field(call->resp, "Content-Type", STR("application/json"));
	if (row->status == 401)
		http_resp_field(
			call->resp, "WWW-Authenticate",
			STR("Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/"
		            "authorize\", client_id=\"00000003-0000-0000-c000-000000000000\""));
	if (row->status == 503 && !call->by_server)
		http_resp_field(call->resp, "Retry-After", STR("1"));
	if (row->status == 410 && call->may_restart)
		http_resp_field(call->resp, "Location", cursor_restart_url(call));

	fail_put(call, error, call->detail, http_resp_body(call->resp));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "graph/cursor_token.h"
#include "text/date.h"
#include "text/json_write.h"

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

/* The codes of Graph's cloud communications services, where they differ from Exchange's. */
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
answer_put_error(const struct call *call, enum graph_error error, struct str detail, struct buf *buf)
{
	struct json_out out = json_out_object(buf);

	json_put_name(&out, STR("error"));
	json_put_object(&out);
	json_put_member(&out, STR("code"), str_from_c(code_for(call, error)));
	json_put_member(&out, STR("message"), detail.len ? detail : str_from_c(error_row(error)->message));
	write_inner(&out, call);
	json_end_object(&out);
	json_end_object(&out);
}

/* After a 410 a delta reader begins a new round; a list has no such URL but its own. */
static struct str
gone_text(const struct call *call)
{
	struct str why = call->detail.len ? call->detail : str_from_c(error_row(GRAPH_GONE)->message);

	return arena_printf(call->arena, "%.*s %s", STR_ARG(why),
	                    call->may_restart ? "Start a new round at the URL in the Location field."
	                                      : "Begin again without the token.");
}

void
answer_error(struct call *call, enum graph_error error)
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
	if (error_is_busy(error) && !call->by_server)
		http_resp_field(call->resp, "Retry-After", STR("1"));
	if (row->status == 410 && call->may_restart)
		http_resp_field(call->resp, "Location", cursor_restart_url(call));

	answer_put_error(call, error, row->status == 410 ? gone_text(call) : call->detail, http_resp_body(call->resp));
}

static void
log_call(const struct call *call, enum log_level level, const char *event, struct str what)
{
	const struct log *log = call->graph->parts.log;

	if (!log_takes(log, level))
		return;
	LOG_EVENT(log, level, event, { "request-id", str_of(call->request_id, GUID_TEXT_LEN) },
	          { "method", call->req->method_text }, { "path", call->req->path }, { "peer", call->req->peer },
	          { "why", what });
}

void
answer_failure(struct call *call, enum err err)
{
	enum graph_error error = call->error != GRAPH_NONE ? call->error : error_for(err);
	unsigned         status = error_row(error)->status;

	if (status >= 500)
		log_call(call, LOG_ERROR, "request failed", store_why(call->graph->parts.store, call->arena));
	else if (status == 401 || status == 403)
		log_call(call, LOG_INFO, "request refused", str_from_c(error_row(error)->code));
	answer_error(call, error);
}

void
answer_replace(struct call *call, enum err err)
{
	call->error = GRAPH_NONE;
	call->detail = STR_EMPTY;
	http_resp_clear(call->resp);
	headers_put_common(call);
	answer_failure(call, err);
	headers_pack(call);
}

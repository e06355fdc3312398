/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "text/gzip.h"

#define RATIO_MAX 100

/* The n-th coding that the request names, whether in one field or in several.  "identity" is none. */
static bool
coding_at(const struct http_req *req, size_t n, struct str *coding_out)
{
	struct str field, coding;

	for (size_t i = 0; http_req_field_at(req, "Content-Encoding", i, &field); i++)
		while (str_take_until(&field, ',', &coding)) {
			coding = str_trim(coding);
			if (coding.len == 0 || str_eq_nocase(coding, STR("identity")) || n-- > 0)
				continue;
			*coding_out = coding;
			return true;
		}
	return false;
}

bool
unpack_is_asked(const struct http_req *req)
{
	struct str coding;

	return coding_at(req, 0, &coding);
}

/* RFC 9110, 15.5.16: a 415 for a coding says which codings are accepted. */
static enum err
refuse_coding(struct call *call, const char *accepted, const char *why)
{
	http_resp_field(call->resp, "Accept-Encoding", str_from_c(accepted));
	return call_refuse(call, GRAPH_CONTENT_CODING, str_from_c(why));
}

/* The most bytes that the body may have when it is unpacked. */
static size_t
limit_of(size_t packed)
{
	size_t limit = packed > GRAPH_BODY_MAX / RATIO_MAX ? GRAPH_BODY_MAX : packed * RATIO_MAX;

	return limit < SMALL_BODY_MAX ? SMALL_BODY_MAX : limit;
}

enum err
unpack_body(struct call *call, bool inner)
{
	size_t           limit = limit_of(call->req->body.len);
	struct http_req *plain;
	struct str       coding, second;
	enum err         err;

	if (!coding_at(call->req, 0, &coding))
		return OK;
	if (call->route.kind == ROUTE_CONTENT)
		return refuse_coding(call, "identity", "Send the content as it is, without a Content-Encoding.");
	if (inner)
		return refuse_coding(
			call, "identity",
			"A request in a batch comes as it is, without a Content-Encoding; pack the batch.");
	if ((!str_eq_nocase(coding, STR("gzip")) && !str_eq_nocase(coding, STR("x-gzip"))) ||
	    coding_at(call->req, 1, &second))
		return refuse_coding(call, "gzip", "The Content-Encoding of a body may be gzip, once.");
	TRY(call_hold(call, limit));
	plain = arena_take(call->arena, sizeof(*plain));
	*plain = *call->req;
	err = gzip_unpack(call->req->body, limit, call->arena, &plain->body);
	if (err == ERR_TOO_LARGE)
		return call_refuse(call, GRAPH_TOO_LARGE, STR("The unpacked body is too large."));
	if (err != OK)
		return call_refuse(call, GRAPH_BODY, STR("The body is not the gzip that its Content-Encoding says."));
	call->req = plain;
	return OK;
}

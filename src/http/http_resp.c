/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_chars.h"
#include "http/http_exchange.h"

#include <stdio.h>

static const struct {
	unsigned    status;
	const char *text;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 423, "Locked" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

static const struct str own_fields[] = {
	{ "content-length", 14 }, { "transfer-encoding", 17 }, { "connection", 10 }, { "date", 4 },
};

void
http_resp_status(struct http_resp *resp, unsigned status)
{
	MUST(status >= 200 && status <= 599);
	resp->status = status;
}

unsigned
http_resp_get_status(const struct http_resp *resp)
{
	return resp->status;
}

static bool
field_is_good(struct str name, struct str value)
{
	for (size_t i = 0; i < name.len; i++)
		if (!http_is_token(name.at[i]))
			return false;
	for (size_t i = 0; i < value.len; i++)
		if (!http_is_text(value.at[i]))
			return false;
	for (size_t i = 0; i < sizeof(own_fields) / sizeof(own_fields[0]); i++)
		if (name.len == own_fields[i].len && str_eq_nocase(name, own_fields[i]))
			return false;
	return name.len > 0;
}

/* A value may come from outside, so a line end in it breaks this response and not the process. */
void
http_resp_field(struct http_resp *resp, const char *name, struct str value)
{
	struct str name_str = str_from_c(name);

	if (!field_is_good(name_str, value)) {
		resp->broken = true;
		return;
	}
	buf_put(&resp->fields, name_str);
	buf_put(&resp->fields, STR(": "));
	buf_put(&resp->fields, value);
	buf_put(&resp->fields, STR("\r\n"));
}

struct buf *
http_resp_body(struct http_resp *resp)
{
	return &resp->body;
}

void
http_resp_clear(struct http_resp *resp)
{
	resp->status = 200;
	resp->broken = false;
	buf_cut(&resp->fields, 0);
	buf_cut(&resp->body, 0);
}

/* Two bytes of the fields' limit are kept for the empty line. */
bool
http_resp_is_good(const struct http_resp *resp)
{
	return !resp->broken && buf_err(&resp->fields) == OK && buf_err(&resp->body) == OK &&
	       resp->fields.len + 2 <= resp->fields.limit;
}

static const char *
reason_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

static bool
has_no_content(unsigned status)
{
	return status == 204 || status == 304;
}

void
http_exchange_seal(struct http_exchange *exchange, const char date[HTTP_DATE_LEN], bool close)
{
	const struct http_resp *resp = &exchange->resp;
	int                     len;

	len = snprintf(exchange->front, sizeof(exchange->front), "HTTP/1.1 %u %s\r\nDate: %.*s\r\n%s", resp->status,
	               reason_of(resp->status), HTTP_DATE_LEN, date, close ? "Connection: close\r\n" : "");
	MUST(len > 0 && (size_t)len < sizeof(exchange->front));
	exchange->front_len = (size_t)len;
	exchange->bodiless = has_no_content(resp->status) || exchange->req.method == HTTP_HEAD;
	if (!has_no_content(resp->status)) {
		size_t room = sizeof(exchange->front) - exchange->front_len;

		len = snprintf(exchange->front + exchange->front_len, room, "Content-Length: %zu\r\n", resp->body.len);
		MUST(len > 0 && (size_t)len < room);
		exchange->front_len += (size_t)len;
	}
	buf_put(&exchange->resp.fields, STR("\r\n"));
	MUST(buf_err(&exchange->resp.fields) == OK);
}

size_t
http_exchange_len(const struct http_exchange *exchange)
{
	return exchange->front_len + exchange->resp.fields.len + (exchange->bodiless ? 0 : exchange->resp.body.len);
}

unsigned
http_exchange_parts(const struct http_exchange *exchange, size_t sent, struct str parts_out[3])
{
	struct str parts[3] = {
		str_of(exchange->front, exchange->front_len),
		buf_str(&exchange->resp.fields),
		exchange->bodiless ? STR_EMPTY : buf_str(&exchange->resp.body),
	};
	unsigned count = 0;

	for (unsigned i = 0; i < 3; i++) {
		size_t gone = sent < parts[i].len ? sent : parts[i].len;

		sent -= gone;
		if (gone < parts[i].len)
			parts_out[count++] = str_skip(parts[i], gone);
	}
	return count;
}

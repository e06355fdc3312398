/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_chars.h"
#include "http/http_exchange.h"

#include <stdlib.h>
#include <unistd.h>

static const struct {
	unsigned    status;
	const char *text;
} reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

static const struct str own_fields[] = {
	{ "content-length", 14 },
	{ "transfer-encoding", 17 },
	{ "connection", 10 },
	{ "date", 4 },
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
	if (!http_all_token(name) || http_text_len(value.at, value.len) < value.len)
		return false;
	for (size_t i = 0; i < COUNT_OF(own_fields); i++)
		if (name.len == own_fields[i].len && str_eq_nocase(name, own_fields[i]))
			return false;
	return true;
}

/* A value may come from outside, so a line end in it breaks this response and not the process. */
void
http_resp_field(struct http_resp *resp, const char *name, struct str value)
{
	struct str name_str = str_from_c(name);
	size_t     len = name_str.len + value.len + 4;
	char      *space;

	if (!field_is_good(name_str, value)) {
		resp->broken = true;
		return;
	}
	space = buf_reserve(&resp->fields, len);
	if (!space)
		return;
	memcpy(space, name_str.at, name_str.len);
	memcpy(space + name_str.len, ": ", 2);
	if (value.len > 0)
		memcpy(space + name_str.len + 2, value.at, value.len);
	memcpy(space + len - 2, "\r\n", 2);
	buf_grew(&resp->fields, len);
}

void
http_resp_constant_fields(struct http_resp *resp, struct str lines)
{
	MUST(lines.len >= 2 && lines.at[lines.len - 1] == '\n' && lines.at[lines.len - 2] == '\r');
	buf_put(&resp->fields, lines);
}

struct buf *
http_resp_body(struct http_resp *resp)
{
	return &resp->body;
}

void
http_resp_file(struct http_resp *resp, int fd, uint64_t from, uint64_t len)
{
	MUST(fd >= 0 && !resp->has_file && len <= INT64_MAX - from);
	resp->has_file = true;
	resp->file_fd = fd;
	resp->file_from = from;
	resp->file_left = len;
}

static void
drop_file(struct http_resp *resp)
{
	if (resp->has_file)
		(void)close(resp->file_fd);
	resp->has_file = false;
	resp->file_left = 0;
}

void
http_resp_clear(struct http_resp *resp)
{
	drop_file(resp);
	resp->status = 200;
	resp->broken = false;
	buf_cut(&resp->fields, 0);
	buf_cut(&resp->body, 0);
}

/* Two bytes of the fields' limit are kept for the empty line. */
bool
http_resp_is_good(const struct http_resp *resp)
{
	return !resp->broken && (!resp->has_file || resp->body.len == 0) && buf_err(&resp->fields) == OK &&
	       buf_err(&resp->body) == OK && resp->fields.len + 2 <= resp->fields.limit;
}

struct str
http_resp_fields(const struct http_resp *resp)
{
	return buf_str(&resp->fields);
}

/* The lines are our own: "Name: value\r\n". */
bool
http_resp_take_field(struct str *rest, struct http_field *field_out)
{
	struct str line;

	if (!str_take_until(rest, '\n', &line) || line.len <= 1)
		return false;
	line.len--;
	field_out->name = str_first(line, str_find(line, ':'));
	field_out->value = str_trim(str_skip(line, field_out->name.len + 1));
	return true;
}

struct str
http_resp_get_field(const struct http_resp *resp, const char *name)
{
	struct str        rest = buf_str(&resp->fields), wanted = str_from_c(name), line;
	struct http_field field;

	while (str_take_until(&rest, '\n', &line)) {
		if (line.len <= wanted.len || line.at[wanted.len] != ':' ||
		    !str_eq_nocase(str_first(line, wanted.len), wanted))
			continue;
		return http_resp_take_field(&line, &field) ? field.value : STR_EMPTY;
	}
	return (struct str){ NULL, 0 };
}

struct http_resp *
http_resp_open(size_t body_max)
{
	struct http_resp *resp = handle_new(sizeof(*resp));

	resp->status = 200;
	buf_open(&resp->fields, HTTP_RESP_FIELDS_MAX);
	buf_open(&resp->body, body_max);
	return resp;
}

void
http_resp_close(struct http_resp **resp)
{
	if (!*resp)
		return;
	buf_close(&(*resp)->fields);
	buf_close(&(*resp)->body);
	free(*resp);
	*resp = NULL;
}

static const char *
reason_of(unsigned status)
{
	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

bool
http_exchange_has_length(const struct http_exchange *exchange)
{
	return exchange->resp.status != 204 && exchange->resp.status != 304 && !exchange->work.wait.stream;
}

bool
http_exchange_has_bytes(const struct http_exchange *exchange)
{
	return exchange->work.wait.stream || (http_exchange_has_length(exchange) && exchange->req.method != HTTP_HEAD &&
	                                      exchange->resp.body.len + exchange->resp.file_left > 0);
}

static void
put_front(struct http_exchange *exchange, struct str text)
{
	MUST(text.len <= sizeof(exchange->front) - exchange->front_len);
	memcpy(exchange->front + exchange->front_len, text.at, text.len);
	exchange->front_len += text.len;
}

static void
put_front_number(struct http_exchange *exchange, uint64_t value)
{
	char   digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	put_front(exchange, str_of(digits + at, sizeof(digits) - at));
}

/* A piece of a stream as a chunk; the last chunk is empty.  HTTP/1.0 has no chunks. */
static void
seal_piece(struct http_exchange *exchange)
{
	struct http_resp *resp = &exchange->resp;

	if (exchange->head.minor == 0)
		return;
	if (resp->body.len > 0) {
		buf_printf(&resp->fields, "%zx\r\n", resp->body.len);
		buf_put(&resp->body, STR("\r\n"));
	}
	if (exchange->verdict == HTTP_DONE)
		buf_put(&resp->body, STR("0\r\n\r\n"));
}

void
http_exchange_seal(struct http_exchange *exchange, const char date[HTTP_DATE_LEN], bool close)
{
	struct http_resp *resp = &exchange->resp;

	exchange->front_len = 0;
	if (exchange->work.wait.begun) {
		buf_cut(&resp->fields, 0);
		seal_piece(exchange);
		return;
	}
	put_front(exchange, STR("HTTP/1.1 "));
	put_front_number(exchange, resp->status);
	put_front(exchange, STR(" "));
	put_front(exchange, str_from_c(reason_of(resp->status)));
	put_front(exchange, STR("\r\nDate: "));
	put_front(exchange, str_of(date, HTTP_DATE_LEN));
	put_front(exchange, close ? STR("\r\nConnection: close\r\n") : STR("\r\n"));
	exchange->bodiless = !http_exchange_has_bytes(exchange);
	if (http_exchange_has_length(exchange)) {
		put_front(exchange, STR("Content-Length: "));
		put_front_number(exchange, resp->body.len + resp->file_left);
		put_front(exchange, STR("\r\n"));
	}
	if (exchange->work.wait.stream && exchange->head.minor > 0)
		put_front(exchange, STR("Transfer-Encoding: chunked\r\n"));
	buf_put(&resp->fields, STR("\r\n"));
	if (exchange->work.wait.stream)
		seal_piece(exchange);
	MUST(buf_err(&resp->fields) == OK);
}

void
http_exchange_continue(struct http_exchange *exchange)
{
	exchange->front_len = 0;
	put_front(exchange, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

void
http_exchange_sent_file(struct http_exchange *exchange, size_t len)
{
	exchange->resp.file_from += len;
	exchange->resp.file_left -= len;
}

bool
http_exchange_has_file(const struct http_exchange *exchange)
{
	return exchange->resp.has_file && !exchange->bodiless && exchange->resp.file_left > 0;
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

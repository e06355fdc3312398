/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_parse.h"

#include "base/bytes.h"
#include "http/http_chars.h"

/* Fields that may come only once; a bit each in http_head.seen. */
enum known {
	KNOWN_HOST,
	KNOWN_CONTENT_LENGTH,
	KNOWN_TRANSFER_ENCODING,
	KNOWN_EXPECT,
	KNOWN_AUTHORIZATION,
	KNOWN_CONTENT_TYPE,
	KNOWN_CONTENT_RANGE,
	KNOWN_RANGE,
	KNOWN_IF_RANGE,
	KNOWN_IF_MODIFIED_SINCE,
	KNOWN_IF_UNMODIFIED_SINCE,
	KNOWN_COUNT,
	KNOWN_CONNECTION = KNOWN_COUNT, /* may be repeated */
	KNOWN_NOT
};

static const struct str known_names[] = {
	[KNOWN_HOST] = { "host", 4 },
	[KNOWN_CONTENT_LENGTH] = { "content-length", 14 },
	[KNOWN_TRANSFER_ENCODING] = { "transfer-encoding", 17 },
	[KNOWN_EXPECT] = { "expect", 6 },
	[KNOWN_AUTHORIZATION] = { "authorization", 13 },
	[KNOWN_CONTENT_TYPE] = { "content-type", 12 },
	[KNOWN_CONTENT_RANGE] = { "content-range", 13 },
	[KNOWN_RANGE] = { "range", 5 },
	[KNOWN_IF_RANGE] = { "if-range", 8 },
	[KNOWN_IF_MODIFIED_SINCE] = { "if-modified-since", 17 },
	[KNOWN_IF_UNMODIFIED_SINCE] = { "if-unmodified-since", 19 },
	[KNOWN_CONNECTION] = { "connection", 10 },
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "" };

const char *
http_method_name(enum http_method method)
{
	return methods[method];
}

enum http_method
http_method_of(struct str name)
{
	enum http_method method = HTTP_GET;

	while (method < HTTP_OTHER && !str_eq(name, str_from_c(methods[method])))
		method++;
	return method;
}

static enum http_step
refuse(struct http_head *head, unsigned status, const char *reason)
{
	head->status = status;
	head->reason = reason;
	return HTTP_REFUSED;
}

static struct http_piece
piece_of(struct str bytes, struct str part)
{
	return (struct http_piece){ (size_t)(part.at - bytes.at), part.len };
}

static struct str
piece_str(struct str bytes, struct http_piece piece)
{
	return str_of(bytes.at + piece.at, piece.len);
}

static bool
port_is_good(struct str port)
{
	uint64_t value;

	return port.len <= 5 && str_to_u64(port, &value) && value <= UINT16_MAX;
}

/* A name or address, and a port if there is a colon.  Narrower than RFC 3986: links are built from it. */
static bool
authority_is_good(struct str authority)
{
	bool   bracket = authority.len > 0 && authority.at[0] == '[';
	size_t i = bracket ? 1 : 0;
	size_t from = i;

	if (authority.len > HTTP_AUTHORITY_MAX)
		return false;
	for (; i < authority.len; i++) {
		char c = authority.at[i];

		if (bracket ? !(hex_value(c) >= 0 || c == ':' || c == '.')
		            : !(http_is_letter(c) || http_is_digit(c) || c == '-' || c == '.' || c == '_'))
			break;
	}
	if (i == from)
		return false;
	if (bracket && (i == authority.len || authority.at[i++] != ']'))
		return false;
	if (i == authority.len)
		return true;
	return authority.at[i] == ':' && port_is_good(str_skip(authority, i + 1));
}

/* Each '%' is followed by two hexadecimal digits, and none encodes NUL. */
static bool
path_is_good(struct str path)
{
	for (size_t i = 0; i < path.len; i++) {
		if (path.at[i] != '%')
			continue;
		if (path.len - i < 3 || hex_value(path.at[i + 1]) < 0 || hex_value(path.at[i + 2]) < 0)
			return false;
		if (path.at[i + 1] == '0' && path.at[i + 2] == '0')
			return false;
	}
	return true;
}

static bool
target_bytes_are_good(struct str target)
{
	unsigned found = 0;

	/* Without a way out in the middle the compiler takes sixteen at a time. */
	for (size_t i = 0; i < target.len; i++) {
		uint8_t byte = (uint8_t)target.at[i];

		found |= (unsigned)(byte <= ' ') | (unsigned)(byte >= 0x7f) | (unsigned)(byte == '#');
	}
	return found == 0 && target.len > 0;
}

static enum http_step
take_target(struct http_head *head, struct str bytes, struct str target)
{
	struct str path;
	size_t     scheme_len = str_starts_nocase(target, STR("http://"))    ? 7
	                        : str_starts_nocase(target, STR("https://")) ? 8
	                                                                     : 0;

	if (target.len > head->limits.target_max)
		return refuse(head, 414, "the request target is too long");
	if (!target_bytes_are_good(target))
		return refuse(head, 400, "the request target holds a byte it may not");
	if (head->method == HTTP_OPTIONS && str_eq(target, STR("*"))) {
		head->path = piece_of(bytes, target);
		return HTTP_MORE;
	}
	if (scheme_len) {
		struct str authority = str_skip(target, scheme_len);
		size_t     slash = str_find(authority, '/'), mark = str_find(authority, '?');

		authority = str_first(authority, slash < mark ? slash : mark);
		if (!authority_is_good(authority))
			return refuse(head, 400, "the authority of the request target is malformed");
		head->target_authority = piece_of(bytes, authority);
		target = str_skip(target, scheme_len + authority.len);
	} else if (target.at[0] != '/') {
		return refuse(head, 400, "the request target has a form that is not served");
	}
	path = str_first(target, str_find(target, '?'));
	if (!path_is_good(path))
		return refuse(head, 400, "the path holds a malformed percent-encoding or an encoded NUL");
	head->path = piece_of(bytes, path);
	head->query = piece_of(bytes, str_skip(target, path.len + 1));
	return HTTP_MORE;
}

static enum http_step
take_version(struct http_head *head, struct str version)
{
	if (version.len != 8 || !str_starts(version, STR("HTTP/")) || !http_is_digit(version.at[5]) ||
	    version.at[6] != '.' || !http_is_digit(version.at[7]))
		return refuse(head, 400, "the request line is malformed");
	if (version.at[5] != '1' || version.at[7] > '1')
		return refuse(head, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
	head->minor = (unsigned)(version.at[7] - '0');
	head->close = head->minor == 0;
	return HTTP_MORE;
}

static enum http_step
take_request_line(struct http_head *head, struct str bytes, struct str line)
{
	struct str     method = str_first(line, str_find(line, ' '));
	struct str     rest = str_skip(line, method.len + 1);
	struct str     target = str_first(rest, str_find(rest, ' '));
	enum http_step step;

	if (!http_all_token(method) || method.len > HTTP_METHOD_MAX)
		return refuse(head, 400, "the request line is malformed");
	step = take_version(head, str_skip(rest, target.len + 1));
	if (step == HTTP_REFUSED)
		return step;
	head->method = http_method_of(method);
	head->method_text = piece_of(bytes, method);
	return take_target(head, bytes, target);
}

static enum known
known_from_name(struct str name)
{
	for (unsigned i = 0; i < KNOWN_NOT; i++)
		if (name.len == known_names[i].len && str_eq_nocase(name, known_names[i]))
			return (enum known)i;
	return KNOWN_NOT;
}

static void
take_connection(struct http_head *head, struct str value)
{
	struct str option;

	while (str_take_until(&value, ',', &option))
		if (str_eq_nocase(str_trim(option), STR("close")))
			head->close = true;
}

static enum http_step
take_known(struct http_head *head, struct str bytes, enum known known, struct str value)
{
	if (known < KNOWN_COUNT) {
		if (head->seen & 1u << known)
			return refuse(head, 400, "a field stands twice that may stand only once");
		head->seen |= 1u << known;
	}
	switch (known) {
	case KNOWN_HOST:
		if (!authority_is_good(value))
			return refuse(head, 400, "the Host field is malformed");
		head->authority = piece_of(bytes, value);
		break;
	case KNOWN_CONTENT_LENGTH:
		if (!str_to_u64(value, &head->content_length))
			return refuse(head, 400, "the Content-Length field is malformed");
		break;
	case KNOWN_TRANSFER_ENCODING:
		if (!str_eq_nocase(value, STR("chunked")))
			return refuse(head, 400, "a transfer coding other than chunked is not understood");
		head->chunked = true;
		break;
	case KNOWN_EXPECT:
		if (!str_eq_nocase(value, STR("100-continue")))
			return refuse(head, 417, "the expectation is not understood");
		head->expects_continue = head->minor > 0;
		break;
	case KNOWN_CONNECTION:
		take_connection(head, value);
		break;
	default:
		break;
	}
	return HTTP_MORE;
}

static enum http_step
take_field(struct http_head *head, struct str bytes, struct str line)
{
	struct str     name = str_first(line, str_find(line, ':'));
	struct str     value = str_trim(str_skip(line, name.len + 1));
	enum http_step step;

	if (name.len == line.len || !http_all_token(name))
		return refuse(head, 400, "a field line is malformed");
	if (head->field_count == head->limits.fields_max)
		return refuse(head, 431, "there are too many fields");
	step = take_known(head, bytes, known_from_name(name), value);
	if (step == HTTP_REFUSED)
		return step;
	head->fields[head->field_count++] = (struct http_field_piece){ piece_of(bytes, name), piece_of(bytes, value) };
	return HTTP_MORE;
}

static enum http_step
finish(struct http_head *head, struct str bytes)
{
	if (head->minor > 0 && !(head->seen & 1u << KNOWN_HOST))
		return refuse(head, 400, "the Host field is missing");
	if (head->target_authority.len &&
	    !str_eq_nocase(piece_str(bytes, head->target_authority), piece_str(bytes, head->authority)))
		return refuse(head, 400, "the request target is for another host");
	if (head->chunked && head->seen & 1u << KNOWN_CONTENT_LENGTH)
		return refuse(head, 400, "Content-Length and Transfer-Encoding stand together");
	if (head->chunked && head->minor == 0)
		return refuse(head, 400, "HTTP/1.0 has no transfer codings");
	head->len = head->at;
	return HTTP_WHOLE;
}

static enum http_step
take_line(struct http_head *head, struct str bytes, struct str line)
{
	if (!head->in_fields) {
		head->in_fields = true;
		return take_request_line(head, bytes, line);
	}
	return line.len ? take_field(head, bytes, line) : finish(head, bytes);
}

void
http_head_reset(struct http_head *head)
{
	*head = (struct http_head){ .limits = head->limits, .fields = head->fields };
}

static enum http_step
too_long(struct http_head *head)
{
	return head->in_fields ? refuse(head, 431, "the fields are too long")
	                       : refuse(head, 414, "the request line is too long");
}

static size_t
limit_now(const struct http_head *head)
{
	size_t line_max = head->limits.target_max + HTTP_LINE_EXTRA;

	return head->in_fields || line_max > head->limits.head_max ? head->limits.head_max : line_max;
}

enum http_step
http_head_feed(struct http_head *head, struct str bytes)
{
	enum http_step step = HTTP_MORE;

	while (step == HTTP_MORE) {
		size_t limit = limit_now(head);
		size_t end = bytes.len < limit ? bytes.len : limit;
		size_t at = head->at;

		at += http_text_len(bytes.at + at, end - at);
		head->at = at;
		if (at == limit || (at + 1 == limit && at < bytes.len && bytes.at[at] == '\r'))
			return too_long(head);
		if (at == bytes.len)
			return HTTP_MORE;
		if (bytes.at[at] != '\r')
			return refuse(head, 400, "a control byte or a bare line feed stands in the head");
		if (at + 1 == bytes.len)
			return HTTP_MORE;
		if (bytes.at[at + 1] != '\n')
			return refuse(head, 400, "a bare carriage return stands in the head");
		head->at = at + 2;
		step = take_line(head, bytes, str_of(bytes.at + head->line_at, at - head->line_at));
		head->line_at = head->at;
	}
	return step;
}

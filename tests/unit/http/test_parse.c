/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/* The head parser: what it understands, what it refuses, and that pieces of the input make no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/http_parse.h"
#include "vectors.h"

#define HEAD_MAX   ((size_t)16 * 1024)
#define TARGET_MAX ((size_t)8 * 1024)
#define FIELDS_MAX 64u

struct parsed {
	struct http_head        head;
	struct http_field_piece fields[FIELDS_MAX];
	enum http_step          step;
};

static void
parsed_open(struct parsed *parsed)
{
	*parsed = (struct parsed){ 0 };
	parsed->head.limits = (struct http_head_limits){ HEAD_MAX, TARGET_MAX, FIELDS_MAX };
	parsed->head.fields = parsed->fields;
}

/* The bytes come in two pieces. */
static void
parse_split(struct parsed *parsed, struct str bytes, size_t split)
{
	parsed_open(parsed);
	parsed->step = http_head_feed(&parsed->head, str_first(bytes, split));
	if (parsed->step == HTTP_MORE)
		parsed->step = http_head_feed(&parsed->head, bytes);
}

static void
parse(struct parsed *parsed, struct str bytes)
{
	parse_split(parsed, bytes, bytes.len);
}

static void
assert_piece(struct str bytes, struct http_piece piece, const char *wanted)
{
	assert_int_equal(piece.len, strlen(wanted));
	assert_memory_equal(bytes.at + piece.at, wanted, piece.len);
}

static void
assert_status(const char *request, unsigned status)
{
	struct parsed parsed;

	parse(&parsed, str_from_c(request));
	if (status == 200 && parsed.step != HTTP_WHOLE)
		fail_msg("not taken: %s (%u %s)", request, parsed.head.status, parsed.head.reason);
	if (status != 200 && (parsed.step != HTTP_REFUSED || parsed.head.status != status))
		fail_msg("not %u but %u: %s", status, parsed.head.status, request);
}

static void
test_parse__reads_a_whole_head(void **state)
{
	struct str    bytes = STR("GET /a/b%20c?x=1&y=%zz HTTP/1.1\r\nHost: example.org:8443\r\n"
	                          "Accept:  text/plain \r\nX-Empty:\r\nConnection: foo, Close\r\n\r\nrest");
	struct parsed parsed;

	(void)state;
	parse(&parsed, bytes);
	assert_int_equal(parsed.step, HTTP_WHOLE);
	assert_int_equal(parsed.head.method, HTTP_GET);
	assert_piece(bytes, parsed.head.method_text, "GET");
	assert_piece(bytes, parsed.head.path, "/a/b%20c");
	assert_piece(bytes, parsed.head.query, "x=1&y=%zz");
	assert_piece(bytes, parsed.head.authority, "example.org:8443");
	assert_int_equal(parsed.head.field_count, 4);
	assert_piece(bytes, parsed.fields[1].name, "Accept");
	assert_piece(bytes, parsed.fields[1].value, "text/plain");
	assert_piece(bytes, parsed.fields[2].value, "");
	assert_true(parsed.head.close);
	assert_int_equal(parsed.head.len, bytes.len - 4);
}

static void
test_parse__knows_the_methods(void **state)
{
	static const struct {
		const char      *line;
		enum http_method method;
	} rows[] = {
		{ "GET", HTTP_GET },       { "HEAD", HTTP_HEAD },   { "POST", HTTP_POST },       { "PUT", HTTP_PUT },
		{ "PATCH", HTTP_PATCH },   { "DELETE", HTTP_DELETE }, { "OPTIONS", HTTP_OPTIONS },
		{ "get", HTTP_OTHER },
		{ "PROPFIND", HTTP_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char          request[128];
		struct parsed parsed;

		(void)snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: x\r\n\r\n", rows[i].line);
		parse(&parsed, str_from_c(request));
		assert_int_equal(parsed.step, HTTP_WHOLE);
		assert_int_equal(parsed.head.method, rows[i].method);
		assert_piece(str_from_c(request), parsed.head.method_text, rows[i].line);
	}
}

static void
test_parse__judges_request_lines(void **state)
{
	static const struct {
		const char *line;
		unsigned    status;
	} rows[] = {
		{ "GET / HTTP/1.1", 200 },          { "GET /?%zz HTTP/1.1", 200 },     { "GET //a/../b HTTP/1.1", 200 },
		{ "OPTIONS * HTTP/1.1", 200 },      { "GET http://x HTTP/1.1", 200 },
		{ "GET HTTPS://X/a?b HTTP/1.1", 200 },
		{ "GET http://x?q HTTP/1.1", 200 }, { "GET /a'b(c)|d HTTP/1.1", 200 }, { "GET / HTTP/1.0", 200 },
		{ "GET  / HTTP/1.1", 400 },         { "GET /  HTTP/1.1", 400 },        { " GET / HTTP/1.1", 400 },
		{ "GET / HTTP/1.1 ", 400 },         { "GET\t/ HTTP/1.1", 400 },        { "GET /\tHTTP/1.1", 400 },
		{ "GET /", 400 },                   { "GET", 400 },                    { "", 400 },
		{ "GE(T / HTTP/1.1", 400 },         { "G\205T / HTTP/1.1", 400 },      { " / HTTP/1.1", 400 },
		{ "GET /a b HTTP/1.1", 400 },       { "GET /a\tb HTTP/1.1", 400 },     { "GET /\205 HTTP/1.1", 400 },
		{ "GET /a#b HTTP/1.1", 400 },       { "GET a HTTP/1.1", 400 },         { "GET * HTTP/1.1", 400 },
		{ "OPTIONS ** HTTP/1.1", 400 },     { "CONNECT x:443 HTTP/1.1", 400 }, { "GET ftp://x/ HTTP/1.1", 400 },
		{ "GET http://evil/ HTTP/1.1", 400 }, { "GET http://u@x/ HTTP/1.1", 400 },
		{ "GET http:///a HTTP/1.1", 400 },
		{ "GET http://x:1/ HTTP/1.1", 400 }, { "GET /%00 HTTP/1.1", 400 },     { "GET /% HTTP/1.1", 400 },
		{ "GET /%a HTTP/1.1", 400 },        { "GET /%g0 HTTP/1.1", 400 },      { "GET /%0g HTTP/1.1", 400 },
		{ "GET / http/1.1", 400 },          { "GET / HTTP/1", 400 },           { "GET / HTTP/1.10", 400 },
		{ "GET / HTTP/11.1", 400 },         { "GET / HTTP/1,1", 400 },         { "GET / HTTPS/1.1", 400 },
		{ "GET / HTTP/1.2", 505 },          { "GET / HTTP/0.9", 505 },         { "PRI * HTTP/2.0", 505 },
		{ "GET / HTTP/3.0", 505 },          { "GET / HTTP/0.1", 505 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char request[128];

		(void)snprintf(request, sizeof(request), "%s\r\nHost: x\r\n\r\n", rows[i].line);
		assert_status(request, rows[i].status);
	}
}

static void
test_parse__gives_an_absolute_target_without_a_path_none(void **state)
{
	struct str    bytes = STR("GET http://x?q HTTP/1.1\r\nHost: X\r\n\r\n");
	struct parsed parsed;

	(void)state;
	parse(&parsed, bytes);
	assert_int_equal(parsed.step, HTTP_WHOLE);
	assert_piece(bytes, parsed.head.path, "");
	assert_piece(bytes, parsed.head.query, "q");
	assert_piece(bytes, parsed.head.target_authority, "x");
}

static void
test_parse__judges_field_lines(void **state)
{
	static const struct {
		const char *line;
		unsigned    status;
	} rows[] = {
		{ "X: a", 200 },                          { "X:a", 200 },
		{ "X:\ta\t", 200 },                       { "X: \303\251", 200 },
		{ "Content-Length: 0", 200 },             { "Content-Length: 999999999999999", 200 },
		{ "Content-Length: 007", 200 },           { "Transfer-Encoding: Chunked", 200 },
		{ "Expect: 100-Continue", 200 },          { "Prefer: a\r\nPrefer: b", 200 },
		{ "Connection: a\r\nConnection: b", 200 },
		{ "X : a", 400 },                         { "X\t: a", 400 },
		{ ": a", 400 },                           { "X", 400 },
		{ " X: a", 400 },                         { "X: a\r\n b", 400 },
		{ "X: a\r\n\tb", 400 },                   { "X\205: a", 400 },
		{ "X(: a", 400 },                         { "X: a\001", 400 },
		{ "X: a\177", 400 },                      { "X: a\033[0m", 400 },
		{ "X: a\013b", 400 },                     { "X: a\rb", 400 },
		{ "X: a\nb: c", 400 },                    { "X: a\r\r\nb: c", 400 },
		{ "Content-Length:", 400 },               { "Content-Length: -1", 400 },
		{ "Content-Length: 1 1", 400 },           { "Content-Length: 0x5", 400 },
		{ "Content-Length: 1000000000000000", 400 }, { "Content-Length: 9223372036854775808", 400 },
		{ "Content-Length: 18446744073709551616", 400 }, { "Content-Length: 5;", 400 },
		{ "Content-Length: 5\r\nContent-Length: 5", 400 },
		{ "Transfer-Encoding:", 400 },            { "Transfer-Encoding: gzip", 400 },
		{ "Transfer-Encoding: gzip, chunked", 400 }, { "Transfer-Encoding: \"chunked\"", 400 },
		{ "Transfer-Encoding: chunked;q=1", 400 }, { "Transfer-Encoding: chunked\013", 400 },
		{ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400 },
		{ "Transfer-Encoding: chunked\r\ncontent-length: 0", 400 },
		{ "Content-Length: 0\r\nTransfer-Encoding: chunked", 400 },
		{ "Authorization: a\r\nauthorization: a", 400 },
		{ "Content-Type: a\r\nContent-Type: a", 400 },
		{ "Range: a\r\nRange: a", 400 },          { "If-Range: a\r\nIf-Range: a", 400 },
		{ "If-Modified-Since: a\r\nIf-Modified-Since: a", 400 },
		{ "If-Unmodified-Since: a\r\nIf-Unmodified-Since: a", 400 },
		{ "Content-Range: a\r\nContent-Range: a", 400 },
		{ "Expect: 100-continue\r\nExpect: 100-continue", 400 },
		{ "Expect:", 417 },                       { "Expect: 200-ok", 417 },
		{ "Expect: 100-continue, x", 417 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char request[256];

		(void)snprintf(request, sizeof(request), "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", rows[i].line);
		assert_status(request, rows[i].status);
	}
}

static void
test_parse__judges_hosts(void **state)
{
	static const struct {
		const char *host;
		unsigned    status;
	} rows[] = {
		{ "x", 200 },         { "a-b_c.example.org", 200 }, { "127.0.0.1:8443", 200 }, { "[::1]", 200 },
		{ "[::1]:0", 200 },   { "x:65535", 200 },           { "[::ffff:1.2.3.4]", 200 },
		{ "", 400 },          { "x:", 400 },                { "x:65536", 400 },        { "x:+1", 400 },
		{ "x:1:2", 400 },     { "x y", 400 },               { "x,y", 400 },            { "u@x", 400 },
		{ "x/", 400 },        { "x?", 400 },                { "x%41", 400 },           { ":80", 400 },
		{ "[::1", 400 },      { "[]", 400 },                { "[x]", 400 },            { "[::1]x", 400 },
		{ "x\"", 400 },       { "\303\251", 400 },          { "x:000080", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char request[128];

		(void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
		assert_status(request, rows[i].status);
	}
	assert_status("GET / HTTP/1.1\r\n\r\n", 400);
	assert_status("GET / HTTP/1.0\r\n\r\n", 200);
	assert_status("GET / HTTP/1.0\r\nHost:\r\n\r\n", 400);
	assert_status("GET http://x/ HTTP/1.0\r\n\r\n", 400);
	assert_status("GET / HTTP/1.1\r\nHost: x\r\nhOST: x\r\n\r\n", 400);
	assert_status("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}

static void
test_parse__takes_a_host_up_to_its_limit(void **state)
{
	(void)state;
	for (size_t len = HTTP_AUTHORITY_MAX - 1; len <= HTTP_AUTHORITY_MAX + 1; len++) {
		char request[512];
		char host[HTTP_AUTHORITY_MAX + 2];

		memset(host, 'a', len);
		host[len] = '\0';
		(void)snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
		assert_status(request, len <= HTTP_AUTHORITY_MAX ? 200 : 400);
	}
}

static void
test_parse__takes_a_method_up_to_its_limit(void **state)
{
	(void)state;
	for (size_t len = HTTP_METHOD_MAX - 1; len <= HTTP_METHOD_MAX + 1; len++) {
		char request[512];
		char method[HTTP_METHOD_MAX + 2];

		memset(method, 'A', len);
		method[len] = '\0';
		(void)snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nHost: x\r\n\r\n", method);
		assert_status(request, len <= HTTP_METHOD_MAX ? 200 : 400);
	}
}

static void
assert_filled(const char *before, size_t fill, const char *after, unsigned status)
{
	struct buf request;

	buf_open(&request, (size_t)1 << 20);
	buf_put(&request, str_from_c(before));
	for (size_t i = 0; i < fill; i++)
		buf_put_char(&request, 'a');
	buf_put(&request, str_from_c(after));
	buf_put_char(&request, '\0');
	assert_status(request.at, status);
	buf_close(&request);
}

static void
test_parse__takes_a_target_up_to_its_limit(void **state)
{
	static const char after[] = " HTTP/1.1\r\nHost: x\r\n\r\n";

	(void)state;
	assert_filled("GET /", TARGET_MAX - 2, after, 200);
	assert_filled("GET /", TARGET_MAX - 1, after, 200);
	assert_filled("GET /", TARGET_MAX, after, 414);
	assert_filled("GET /", TARGET_MAX + 100, after, 414);
	assert_filled("GET /", 100000, after, 414);
	/* Without any line end in sight it is refused all the same. */
	assert_filled("GET /", 100000, "", 414);
}

static void
test_parse__takes_a_head_up_to_its_limit(void **state)
{
	static const char before[] = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
	size_t            rest = HEAD_MAX - (sizeof(before) - 1) - 4;

	(void)state;
	assert_filled(before, rest - 1, "\r\n\r\n", 200);
	assert_filled(before, rest, "\r\n\r\n", 200);
	assert_filled(before, rest + 1, "\r\n\r\n", 431);
	assert_filled(before, rest + 2, "\r\n\r\n", 431);
	assert_filled(before, rest + 4, "", 431);
	assert_filled(before, 100000, "", 431);
}

static void
test_parse__takes_fields_up_to_their_limit(void **state)
{
	(void)state;
	for (unsigned count = FIELDS_MAX - 1; count <= FIELDS_MAX + 1; count++) {
		struct buf request;

		buf_open(&request, (size_t)1 << 20);
		buf_put(&request, STR("GET / HTTP/1.1\r\nHost: x\r\n"));
		for (unsigned i = 1; i < count; i++)
			buf_printf(&request, "X%u: a\r\n", i);
		buf_put(&request, STR("\r\n\0"));
		assert_status(request.at, count <= FIELDS_MAX ? 200 : 431);
		buf_close(&request);
	}
}

/* A byte that is not where it should be, at each delimiter of a small request. */
static void
test_parse__refuses_each_delimiter_replaced(void **state)
{
	static const char request[] = "GET /a HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n";
	static const char other[] = { '\n', '\r', '\0', '\t', '\205' };

	(void)state;
	for (size_t at = 0; at < sizeof(request) - 1; at++) {
		if (request[at] != ' ' && request[at] != ':' && request[at] != '\r' && request[at] != '\n')
			continue;
		for (size_t i = 0; i < sizeof(other); i++) {
			char          bytes[sizeof(request)];
			struct parsed parsed;
			bool          blank = at > 0 && request[at - 1] == ':';

			memcpy(bytes, request, sizeof(request));
			bytes[at] = other[i];
			if (memcmp(bytes, request, sizeof(request)) == 0)
				continue;
			parse(&parsed, str_of(bytes, sizeof(bytes) - 1));
			/* A tab is as good as a blank before a value, and a value may be any text. */
			if (blank && (other[i] == '\t' || (other[i] == '\205' && at > 25)))
				assert_int_equal(parsed.step, HTTP_WHOLE);
			else if (parsed.step != HTTP_REFUSED || parsed.head.status != 400)
				fail_msg("byte %zu as %02x is not refused", at, (unsigned char)other[i]);
		}
	}
}

static void
assert_same(const struct parsed *a, const struct parsed *b, size_t split, const char *name)
{
	bool same = a->step == b->step && a->head.status == b->head.status && a->head.len == b->head.len &&
	            a->head.field_count == b->head.field_count && a->head.content_length == b->head.content_length &&
	            a->head.chunked == b->head.chunked && a->head.at == b->head.at &&
	            memcmp(a->fields, b->fields, sizeof(a->fields)) == 0 &&
	            memcmp(&a->head.path, &b->head.path, sizeof(a->head.path)) == 0;

	if (!same)
		fail_msg("%s: split at %zu differs: step %d status %u", name, split, (int)b->step, b->head.status);
}

static void
assert_split_same(struct str bytes, const char *name)
{
	struct parsed whole, split;

	parse(&whole, bytes);
	for (size_t at = 0; at < bytes.len; at++) {
		parse_split(&split, bytes, at);
		assert_same(&whole, &split, at, name);
	}
	parsed_open(&split);
	split.step = HTTP_MORE;
	for (size_t at = 1; at <= bytes.len && split.step == HTTP_MORE; at++)
		split.step = http_head_feed(&split.head, str_first(bytes, at));
	assert_same(&whole, &split, 1, name);
}

static void
test_parse__gives_the_same_for_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		struct buf bytes;

		vector_open(i, &bytes);
		if (bytes.len < 1000)
			assert_split_same(buf_str(&bytes), vectors[i].name);
		buf_close(&bytes);
	}
	assert_split_same(STR("GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: *\r\n\r\nGET /"), "a good one");
}

static void
test_parse__refuses_the_vectors_of_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		struct parsed parsed;
		struct buf    bytes;

		vector_open(i, &bytes);
		parse(&parsed, buf_str(&bytes));
		/* Those about chunks have a good head. */
		if (strstr(vectors[i].name, "chunk") && parsed.step == HTTP_WHOLE)
			assert_true(parsed.head.chunked);
		else if (parsed.step != HTTP_REFUSED || parsed.head.status != vectors[i].status)
			fail_msg("%s: step %d status %u", vectors[i].name, (int)parsed.step, parsed.head.status);
		buf_close(&bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__reads_a_whole_head),
		cmocka_unit_test(test_parse__knows_the_methods),
		cmocka_unit_test(test_parse__judges_request_lines),
		cmocka_unit_test(test_parse__gives_an_absolute_target_without_a_path_none),
		cmocka_unit_test(test_parse__judges_field_lines),
		cmocka_unit_test(test_parse__judges_hosts),
		cmocka_unit_test(test_parse__takes_a_host_up_to_its_limit),
		cmocka_unit_test(test_parse__takes_a_method_up_to_its_limit),
		cmocka_unit_test(test_parse__takes_a_target_up_to_its_limit),
		cmocka_unit_test(test_parse__takes_a_head_up_to_its_limit),
		cmocka_unit_test(test_parse__takes_fields_up_to_their_limit),
		cmocka_unit_test(test_parse__refuses_each_delimiter_replaced),
		cmocka_unit_test(test_parse__gives_the_same_for_every_split),
		cmocka_unit_test(test_parse__refuses_the_vectors_of_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

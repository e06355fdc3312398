/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder of chunked bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/http_parse.h"

#define BODY_MAX ((size_t)1000)

struct decoded {
	struct http_chunked chunked;
	struct buf          body;
	struct str          rest;
	enum http_step      step;
};

/* In two pieces; what the first leaves must be nothing unless it ended there. */
static void
decode_split(struct decoded *decoded, struct str bytes, size_t split)
{
	*decoded = (struct decoded){ 0 };
	buf_open(&decoded->body, BODY_MAX);
	decoded->rest = str_first(bytes, split);
	decoded->step = http_chunked_feed(&decoded->chunked, &decoded->rest, &decoded->body);
	if (decoded->step == HTTP_MORE) {
		assert_int_equal(decoded->rest.len, 0);
		decoded->rest = str_skip(bytes, split);
		decoded->step = http_chunked_feed(&decoded->chunked, &decoded->rest, &decoded->body);
	}
}

static void
assert_decoded(struct str bytes, enum http_step step, unsigned status, const char *body)
{
	for (size_t split = 0; split <= bytes.len; split++) {
		struct decoded decoded;

		decode_split(&decoded, bytes, split);
		if (decoded.step != step || decoded.chunked.status != status)
			fail_msg("split at %zu: step %d status %u: %.*s", split, (int)decoded.step,
			         decoded.chunked.status, STR_ARG(bytes));
		if (body)
			assert_true(str_eq(buf_str(&decoded.body), str_from_c(body)));
		buf_close(&decoded.body);
	}
}

static void
test_chunked__joins_chunks(void **state)
{
	(void)state;
	assert_decoded(STR("0\r\n\r\n"), HTTP_WHOLE, 0, "");
	assert_decoded(STR("5\r\nhello\r\n0\r\n\r\n"), HTTP_WHOLE, 0, "hello");
	assert_decoded(STR("1\r\na\r\n00a\r\nbcdefghijk\r\nA\r\n0123456789\r\n000\r\n\r\n"), HTTP_WHOLE, 0,
	               "abcdefghijk0123456789");
	assert_decoded(STR("3;a=b;c=\"d\";e\r\n\r\n\r\r\n0;x\r\n\r\n"), HTTP_WHOLE, 0, "\r\n\r");
	assert_decoded(STR("3\r\nabc\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n"), HTTP_WHOLE, 0, "abc");
	assert_decoded(STR("3\r\nab"), HTTP_MORE, 0, "ab");
	assert_decoded(STR("0\r\n"), HTTP_MORE, 0, "");
}

static void
test_chunked__leaves_what_follows(void **state)
{
	struct str     bytes = STR("1\r\na\r\n0\r\n\r\nGET /");
	struct decoded decoded;

	(void)state;
	decode_split(&decoded, bytes, bytes.len);
	assert_int_equal(decoded.step, HTTP_WHOLE);
	assert_true(str_eq(decoded.rest, STR("GET /")));
	buf_close(&decoded.body);
}

static void
test_chunked__refuses_what_is_malformed(void **state)
{
	static const char *const rows[] = {
		"\r\n",
		"x\r\n",
		"0x3\r\nabc\r\n",
		"-3\r\nabc\r\n",
		"+3\r\nabc\r\n",
		" 3\r\nabc\r\n",
		"3 \r\nabc\r\n",
		"3\t;a\r\nabc\r\n",
		"3\nabc\r\n",
		"3\r\rabc",
		"3;a\nabc",
		"3;a\rb",
		"3;a\001\r\n",
		";a\r\n",
		"g\r\n",
		"3\r\nabcd\r\n",
		"3\r\nabc\n0",
		"3\r\nabc\r\r\n",
		"3\r\nabc0\r\n",
		"123456789\r\n",
		"10000000000000003\r\n",
		"0\r\n\n",
		"0\r\nX\r\n\r\n",
		"0\r\n: a\r\n\r\n",
		"0\r\n X: a\r\n\r\n",
		"0\r\nX : a\r\n\r\n",
		"0\r\nX: a\n\r\n",
		"0\r\nX: a\rb\r\n\r\n",
		"0\r\nX: \001\r\n\r\n",
		"0\r\n\rx",
		"0\r\nX\205: a\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_decoded(str_from_c(rows[i]), HTTP_REFUSED, 400, NULL);
	assert_decoded(STR("3;a\0b\r\nabc\r\n"), HTTP_REFUSED, 400, NULL);
	assert_decoded(STR("0\r\nX: \0\r\n\r\n"), HTTP_REFUSED, 400, NULL);
}

static void
test_chunked__takes_digits_up_to_their_limit(void **state)
{
	(void)state;
	for (unsigned digits = HTTP_CHUNK_DIGITS_MAX - 1; digits <= HTTP_CHUNK_DIGITS_MAX + 1; digits++) {
		char bytes[64];

		(void)snprintf(bytes, sizeof(bytes), "%0*x\r\nabc\r\n0\r\n\r\n", (int)digits, 3u);
		if (digits <= HTTP_CHUNK_DIGITS_MAX)
			assert_decoded(str_from_c(bytes), HTTP_WHOLE, 0, "abc");
		else
			assert_decoded(str_from_c(bytes), HTTP_REFUSED, 400, "");
	}
}

/* before, `fill` times the letter a, after. */
static void
assert_filled(const char *before, size_t fill, const char *after, unsigned status)
{
	struct decoded decoded;
	struct buf     bytes;

	buf_open(&bytes, (size_t)1 << 20);
	buf_put(&bytes, str_from_c(before));
	for (size_t i = 0; i < fill; i++)
		buf_put_char(&bytes, 'a');
	buf_put(&bytes, str_from_c(after));
	decode_split(&decoded, buf_str(&bytes), bytes.len / 2);
	assert_int_equal(decoded.step, status ? HTTP_REFUSED : HTTP_WHOLE);
	assert_int_equal(decoded.chunked.status, status);
	buf_close(&decoded.body);
	buf_close(&bytes);
}

static void
test_chunked__takes_extensions_up_to_their_limit(void **state)
{
	(void)state;
	assert_filled("0;", HTTP_CHUNK_EXT_MAX - 1, "\r\n\r\n", 0);
	assert_filled("0;", HTTP_CHUNK_EXT_MAX, "\r\n\r\n", 0);
	assert_filled("0;", HTTP_CHUNK_EXT_MAX + 1, "\r\n\r\n", 400);
	/* The limit is for all of a body's extensions together. */
	assert_filled("1;aa\r\nx\r\n0;", HTTP_CHUNK_EXT_MAX - 2, "\r\n\r\n", 0);
	assert_filled("1;aa\r\nx\r\n0;", HTTP_CHUNK_EXT_MAX - 1, "\r\n\r\n", 400);
}

static void
test_chunked__takes_trailers_up_to_their_limit(void **state)
{
	size_t line = sizeof("X:\r\n") - 1;

	(void)state;
	assert_filled("0\r\nX:", HTTP_TRAILERS_MAX - line - 1, "\r\n\r\n", 0);
	assert_filled("0\r\nX:", HTTP_TRAILERS_MAX - line, "\r\n\r\n", 0);
	assert_filled("0\r\nX:", HTTP_TRAILERS_MAX - line + 1, "\r\n\r\n", 431);
	assert_filled("0\r\nY:\r\nX:", HTTP_TRAILERS_MAX - line * 2 + 1, "\r\n\r\n", 431);
}

static void
test_chunked__takes_a_body_up_to_its_limit(void **state)
{
	char size[16];

	(void)state;
	for (size_t len = BODY_MAX - 1; len <= BODY_MAX + 1; len++) {
		(void)snprintf(size, sizeof(size), "%zx\r\n", len);
		assert_filled(size, len, "\r\n0\r\n\r\n", len <= BODY_MAX ? 0 : 413);
		(void)snprintf(size, sizeof(size), "1\r\nx\r\n%zx\r\n", len - 1);
		assert_filled(size, len - 1, "\r\n0\r\n\r\n", len <= BODY_MAX ? 0 : 413);
	}
	/* Refused by its size alone, before a byte of it has come. */
	assert_filled("ffffffff\r\n", 0, "", 413);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunked__joins_chunks),
		cmocka_unit_test(test_chunked__leaves_what_follows),
		cmocka_unit_test(test_chunked__refuses_what_is_malformed),
		cmocka_unit_test(test_chunked__takes_digits_up_to_their_limit),
		cmocka_unit_test(test_chunked__takes_extensions_up_to_their_limit),
		cmocka_unit_test(test_chunked__takes_trailers_up_to_their_limit),
		cmocka_unit_test(test_chunked__takes_a_body_up_to_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

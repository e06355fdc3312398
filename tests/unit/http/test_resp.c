/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as the application sees them, and responses as they are sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/http_exchange.h"

static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";

static struct http_exchange *
exchange_open(void)
{
	struct http_limits limits = { .head_max = 1000, .target_max = 100, .fields_max = 8, .response_max = 100 };

	return http_exchange_open(&limits);
}

/* The sealed response in one piece, and the same from every point it may have been cut at. */
static void
assert_sent(struct http_exchange *exchange, bool close, const char *wanted)
{
	size_t len = strlen(wanted);

	http_exchange_seal(exchange, date, close);
	assert_int_equal(http_exchange_len(exchange), len);
	for (size_t sent = 0; sent <= len; sent++) {
		struct str parts[3];
		unsigned   count = http_exchange_parts(exchange, sent, parts);
		size_t     at = sent;

		for (unsigned i = 0; i < count; i++) {
			assert_true(parts[i].len > 0 && at + parts[i].len <= len);
			assert_memory_equal(parts[i].at, wanted + at, parts[i].len);
			at += parts[i].len;
		}
		assert_int_equal(at, len);
	}
}

static void
test_resp__is_sent_whole_from_every_point(void **state)
{
	struct http_exchange *exchange = exchange_open();

	(void)state;
	http_resp_status(&exchange->resp, 410);
	http_resp_field(&exchange->resp, "X-A", STR("b\tc"));
	buf_put(http_resp_body(&exchange->resp), STR("body"));
	assert_sent(exchange, true,
	            "HTTP/1.1 410 Gone\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n"
	            "Content-Length: 4\r\nX-A: b\tc\r\n\r\nbody");
	http_exchange_reset(exchange);
	http_resp_status(&exchange->resp, 299);
	assert_sent(exchange, false,
	            "HTTP/1.1 299 \r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n");
	http_exchange_close(&exchange);
}

static void
test_resp__has_no_body_for_head_204_and_304(void **state)
{
	struct http_exchange *exchange = exchange_open();

	(void)state;
	exchange->req.method = HTTP_HEAD;
	buf_put(http_resp_body(&exchange->resp), STR("body"));
	assert_sent(exchange, false,
	            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 4\r\n\r\n");
	http_exchange_reset(exchange);
	http_resp_status(&exchange->resp, 204);
	buf_put(http_resp_body(&exchange->resp), STR("body"));
	assert_sent(exchange, false, "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
	http_exchange_reset(exchange);
	http_resp_status(&exchange->resp, 304);
	assert_sent(exchange, false, "HTTP/1.1 304 Not Modified\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
	http_exchange_close(&exchange);
}

static void
test_resp__is_broken_by_a_field_that_is_not_one(void **state)
{
	static const struct {
		const char *name;
		struct str  value;
	} rows[] = {
		{ "X", { "a\r\nb", 4 } },
		{ "X", { "a\nb", 3 } },
		{ "X", { "a\0b", 3 } },
		{ "X", { "a\177", 2 } },
		{ "", { "a", 1 } },
		{ "X Y", { "a", 1 } },
		{ "X:", { "a", 1 } },
		{ "X\r\nY", { "a", 1 } },
		{ "content-length", { "1", 1 } },
		{ "Transfer-Encoding", { "chunked", 7 } },
		{ "Connection", { "close", 5 } },
		{ "DATE", { "now", 3 } },
	};
	struct http_exchange *exchange = exchange_open();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		http_resp_clear(&exchange->resp);
		http_resp_field(&exchange->resp, "X", STR("good"));
		assert_true(http_resp_is_good(&exchange->resp));
		http_resp_field(&exchange->resp, rows[i].name, rows[i].value);
		assert_false(http_resp_is_good(&exchange->resp));
	}
	http_exchange_close(&exchange);
}

static void
test_resp__keeps_its_limits(void **state)
{
	struct http_exchange *exchange = exchange_open();

	(void)state;
	for (size_t len = 99; len <= 101; len++) {
		http_resp_clear(&exchange->resp);
		for (size_t i = 0; i < len; i++)
			buf_put_char(http_resp_body(&exchange->resp), 'a');
		assert_int_equal(http_resp_is_good(&exchange->resp), len <= 100);
	}
	/* "X: " and two line ends, the last being the empty line. */
	for (size_t len = HTTP_RESP_FIELDS_MAX - 8; len <= HTTP_RESP_FIELDS_MAX - 6; len++) {
		struct buf value;

		buf_open(&value, HTTP_RESP_FIELDS_MAX);
		for (size_t i = 0; i < len; i++)
			buf_put_char(&value, 'a');
		http_resp_clear(&exchange->resp);
		http_resp_field(&exchange->resp, "X", buf_str(&value));
		assert_int_equal(http_resp_is_good(&exchange->resp), len <= HTTP_RESP_FIELDS_MAX - 7);
		buf_close(&value);
	}
	http_exchange_close(&exchange);
}

static void
test_resp__starts_anew_after_clear(void **state)
{
	struct http_exchange *exchange = exchange_open();

	(void)state;
	http_resp_status(&exchange->resp, 500);
	http_resp_field(&exchange->resp, "X", STR("\n"));
	(void)buf_reserve(http_resp_body(&exchange->resp), 1000);
	assert_false(http_resp_is_good(&exchange->resp));
	http_resp_clear(&exchange->resp);
	assert_int_equal(http_resp_get_status(&exchange->resp), 200);
	assert_true(http_resp_is_good(&exchange->resp));
	http_exchange_close(&exchange);
}

static void
test_req__finds_fields_in_any_case_and_in_order(void **state)
{
	struct http_exchange *exchange = exchange_open();
	struct str            bytes = STR("GET http://h HTTP/1.1\r\nHost: h\r\nPrefer: a\r\nX:\r\nprefer: b\r\n\r\n");
	struct str            value;

	(void)state;
	assert_int_equal(http_head_feed(&exchange->head, bytes), HTTP_WHOLE);
	http_exchange_take_head(exchange, bytes);
	assert_true(str_eq(exchange->req.path, STR("/")));
	assert_true(str_eq(exchange->req.authority, STR("h")));
	assert_int_equal(exchange->req.query.len, 0);
	assert_true(http_req_field_at(&exchange->req, "PREFER", 0, &value) && str_eq(value, STR("a")));
	assert_true(http_req_field_at(&exchange->req, "Prefer", 1, &value) && str_eq(value, STR("b")));
	assert_false(http_req_field_at(&exchange->req, "Prefer", 2, &value));
	assert_true(str_eq(http_req_field(&exchange->req, "host"), STR("h")));
	assert_non_null(http_req_field(&exchange->req, "x").at);
	assert_int_equal(http_req_field(&exchange->req, "x").len, 0);
	assert_null(http_req_field(&exchange->req, "y").at);
	/* The views are copies: the input may go. */
	assert_ptr_not_equal(http_req_field(&exchange->req, "host").at, bytes.at + 29);
	http_exchange_close(&exchange);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resp__is_sent_whole_from_every_point),
		cmocka_unit_test(test_resp__has_no_body_for_head_204_and_304),
		cmocka_unit_test(test_resp__is_broken_by_a_field_that_is_not_one),
		cmocka_unit_test(test_resp__keeps_its_limits),
		cmocka_unit_test(test_resp__starts_anew_after_clear),
		cmocka_unit_test(test_req__finds_fields_in_any_case_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/accept.h"
#include "graph/steps.h"

#define NO ((enum metadata_level) - 1)

static const struct {
	const char         *list;
	enum metadata_level level; /* NO: nothing fits */
} rows[] = {
	{ "", METADATA_MINIMAL },
	{ "  ", METADATA_MINIMAL },
	{ "*/*", METADATA_MINIMAL },
	{ "application/json", METADATA_MINIMAL },
	{ "application/json;odata.metadata=full", METADATA_FULL },
	{ "application/json;odata.metadata=\"none\"", METADATA_NONE },
	{ "application/json;metadata=none", METADATA_NONE },
	{ "text/plain, application/json;odata.metadata=none;q=0.001", METADATA_NONE },
	{ "application/json;odata.metadata=none;q=0.5, application/json;odata.metadata=full;q=0.501", METADATA_FULL },
	{ "application/json;odata.metadata=none, application/json;odata.metadata=full", METADATA_NONE },
	{ "*/*, application/json;odata.metadata=full", METADATA_FULL },
	{ "application/*, */*;q=0.9", METADATA_MINIMAL },
	{ "application/json;odata.metadata=most, application/json;q=0.1", METADATA_MINIMAL },
	{ "application/json;q=0;odata.metadata=none, application/json;odata.metadata=full", METADATA_FULL },
	/* what Java sends unasked, and its parts */
	{ "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", METADATA_MINIMAL },
	{ "*; q=.2", METADATA_MINIMAL },
	{ "*/*; q=.2", METADATA_MINIMAL },
	{ "application/json;odata.metadata=none;q=.2, application/json;odata.metadata=full;q=.201", METADATA_FULL },
	{ "text/html;q=nonsense, *;q=x, application/json;odata.metadata=full;q=.1", METADATA_FULL },
	{ ";;q, /, application/json", METADATA_MINIMAL },
	{ "*/*;q=.", NO },
	{ "*/*;q=.0001", NO },
	{ "*/*;q=.0", NO },
	{ "*/*;q=..5", NO },
	{ "*/*;q=10", NO },
	{ "**", NO },
	{ "application/json;q=0", NO },
	{ "application/json;q=0, */*", NO },
	{ "application/json;q=1.001", NO },
	{ "application/json;q=0.0001", NO },
	{ "application/json;q=", NO },
	{ "application/json;q=x", NO },
	{ "application/json;charset=latin1", NO },
	{ "application/jsonp", NO },
	{ "application", NO },
	{ ";", NO },
	{ ",,,", NO },
};

static void
test_accept__takes_the_best_of_what_can_be_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct accept accept = { .level = NO };
		bool          fits = accept_parse(str_from_c(rows[i].list), MEDIA_JSON, &accept);

		if (fits != (rows[i].level != NO) || accept.level != rows[i].level)
			fail_msg("%s", rows[i].list);
	}
}

static void
test_accept__knows_other_forms(void **state)
{
	struct accept accept;

	(void)state;
	assert_true(accept_parse(STR("text/html,application/xml;q=0.9"), MEDIA_XML, &accept));
	assert_false(accept_parse(STR("application/json"), MEDIA_XML, &accept));
	assert_true(accept_parse(STR("video/mp4"), MEDIA_ANY, &accept));
	assert_true(accept_parse(STR("application/json;IEEE754Compatible=TRUE"), MEDIA_JSON, &accept));
	assert_true(accept.ieee754);
	assert_false(accept_parse(STR("application/json;IEEE754Compatible=yes"), MEDIA_JSON, &accept));
}

static void
test_accept__takes_gzip_only_when_asked(void **state)
{
	(void)state;
	assert_true(accept_gzip(STR("gzip")));
	assert_true(accept_gzip(STR("deflate, GZIP;q=0.1")));
	assert_true(accept_gzip(STR("x-gzip")));
	assert_true(accept_gzip(STR("*")));
	assert_false(accept_gzip(STR("")));
	assert_false(accept_gzip(STR("gzip;q=0")));
	assert_false(accept_gzip(STR("*, gzip;q=0.000")));
	assert_false(accept_gzip(STR("*;q=0")));
	assert_false(accept_gzip(STR("gzip;q=nonsense")));
	assert_false(accept_gzip(STR("gzipped, br")));
}

static void
test_metadata_level__leaves_out_control_information_but_what_a_reader_needs(void **state)
{
	struct buf buf;

	(void)state;
	buf_open(&buf, 4096);
	metadata_strip(STR("{\"@odata.context\":\"c\",\"@odata.count\":2,\"value\":[{\"@odata.type\":\"t\",\"id\":\"@"
	                   "odata.id\","
	                   "\"color@odata.type\":\"x\",\"owner\":{\"@odata.type\":\"e\",\"n\":null},"
	                   "\"list\":[[1,{\"@odata.etag\":\"\"}],"
	                   "\"]\"]},{\"id\":\"b\",\"@removed\":{\"reason\":\"deleted\"}}],\"@odata.nextLink\":\"l\","
	                   "\"@odata.deltaLink\":\"d\",\"a@b\":1}"),
	               &buf);
	assert_int_equal(buf_err(&buf), OK);
	assert_true(str_eq(buf_str(&buf),
	                   STR("{\"@odata.count\":2,\"value\":[{\"id\":\"@odata.id\",\"owner\":{\"n\":null},"
	                       "\"list\":[[1,{}],\"]\"]},{\"id\":\"b\",\"@removed\":{\"reason\":\"deleted\"}}],"
	                       "\"@odata.nextLink\":\"l\",\"@odata.deltaLink\":\"d\",\"a@b\":1}")));
	buf_close(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept__takes_the_best_of_what_can_be_sent),
		cmocka_unit_test(test_accept__knows_other_forms),
		cmocka_unit_test(test_accept__takes_gzip_only_when_asked),
		cmocka_unit_test(test_metadata_level__leaves_out_control_information_but_what_a_reader_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/console.h"

static const struct {
	enum err err;
	int      code;
} wanted[] = {
	{ OK, 0 },
	{ ERR_BAD_REQUEST, 6 },
	{ ERR_BAD_TOKEN, 6 },
	{ ERR_GONE, 6 },
	{ ERR_NO_IDENTITY, 4 },
	{ ERR_NOT_ALLOWED, 4 },
	{ ERR_NOT_FOUND, 6 },
	{ ERR_CONFLICT, 6 },
	{ ERR_STALE, 6 },
	{ ERR_TOO_LARGE, 6 },
	{ ERR_BUSY, 5 },
	{ ERR_LOCKED, 12 },
	{ ERR_FULL, 5 },
	{ ERR_CORRUPT, 7 },
	{ ERR_FOREIGN, 6 },
	{ ERR_IO, 1 },
	{ ERR_UNSURE, 5 },
	{ ERR_UP_REFUSED, 6 },
	{ ERR_UP_GARBLED, 6 },
};

static void
test_exit_code__each_error_has_the_code_of_the_contract(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(wanted[i].err, i);
		assert_int_equal(exit_code_of(wanted[i].err), wanted[i].code);
	}
}

static void
test_exit_code__each_code_has_a_sentence(void **state)
{
	(void)state;
	for (int code = 0; code <= 12; code++)
		assert_true(exit_code_text((enum exit_code)code)[0] != 0);
	assert_true(exit_code_text(EXIT_INTERRUPTED)[0] != 0);
	assert_true(exit_code_text(EXIT_TERMINATED)[0] != 0);
}

static void
test_out__remembers_that_a_write_failed(void **state)
{
	struct out out;

	(void)state;
	out_open(&out, open("/dev/full", O_WRONLY | O_CLOEXEC));
	out_put(&out, STR("lost"));
	assert_int_equal(out.failed, 0);
	assert_false(out_flush(&out));
	assert_int_not_equal(out.failed, 0);
	out_put(&out, STR("more"));
	assert_false(out_flush(&out));
	close(out.fd);
	out_close(&out);
}

static void
test_out__gives_every_byte_in_order(void **state)
{
	struct out out;
	char       got[64];
	int        ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	out_open(&out, ends[1]);
	out_printf(&out, "%d ", 1);
	out_put(&out, STR("two"));
	buf_put_char(out_buf(&out), '\n');
	out_flush_some(&out);
	assert_true(out_flush(&out));
	assert_int_equal(read(ends[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "1 two\n", 6);
	out_close(&out);
	close(ends[0]);
	close(ends[1]);
}

/* Whatever an outside text is long: it is printed, and what passes every limit fails as a full disk does. */
static void
test_out__a_long_text_is_printed_and_one_that_is_too_long_fails(void **state)
{
	static char text[(17 << 20) + 1];
	struct out  out;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	out_open(&out, open("/dev/null", O_WRONLY | O_CLOEXEC));
	out_printf(&out, "%.*s %.5000s\n", 5000, text, text);
	assert_int_equal(out.failed, 0);
	assert_int_equal(out.buf.len, 10002);
	out_printf(&out, "%s", text);
	assert_int_equal(out.failed, EFBIG);
	assert_int_equal(out_verdict(&out), EXIT_OTHER);
	out_close(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_code__each_error_has_the_code_of_the_contract),
		cmocka_unit_test(test_exit_code__each_code_has_a_sentence),
		cmocka_unit_test(test_out__remembers_that_a_write_failed),
		cmocka_unit_test(test_out__gives_every_byte_in_order),
		cmocka_unit_test(test_out__a_long_text_is_printed_and_one_that_is_too_long_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

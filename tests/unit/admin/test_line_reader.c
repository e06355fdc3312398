/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/line_reader.h"

static int
file_of(const char *text, size_t len)
{
	FILE *file = tmpfile();
	int   fd;

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fflush(file), 0);
	fd = dup(fileno(file));
	fclose(file);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
test_line_reader__gives_lines_and_numbers(void **state)
{
	static const char  text[] = "a\n\nbc\nlast";
	static const char *wanted[] = { "a", "", "bc", "last" };
	struct line_reader reader;
	struct str         line;
	bool               too_long;
	int                fd = file_of(text, sizeof(text) - 1);

	(void)state;
	line_reader_open(&reader, fd, 10);
	for (unsigned twice = 0; twice < 2; twice++) {
		for (uint64_t i = 0; i < 4; i++) {
			assert_true(line_reader_next(&reader, &line, &too_long));
			assert_true(str_eq(line, str_from_c(wanted[i])));
			assert_false(too_long);
			assert_int_equal(reader.line, i + 1);
		}
		assert_false(line_reader_next(&reader, &line, &too_long));
		assert_int_equal(reader.failed, 0);
		assert_int_equal(reader.bytes, sizeof(text) - 1);
		assert_true(line_reader_rewind(&reader));
	}
	line_reader_close(&reader);
	close(fd);
}

/* Lines around the limit and around the size of the buffer, each followed by a short one that must not be lost. */
static void
test_line_reader__passes_over_what_is_too_long(void **state)
{
	static const size_t lengths[] = { 99, 100, 101, 262144, 262243, 262244, 262245, 600000 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t             len = lengths[i];
		char              *text = malloc(len + 6);
		struct line_reader reader;
		struct str         line;
		bool               too_long;
		int                fd;

		assert_non_null(text);
		memset(text, 'x', len);
		memcpy(text + len, "\nnext\n", 6);
		fd = file_of(text, len + 6);
		line_reader_open(&reader, fd, 100);
		assert_true(line_reader_next(&reader, &line, &too_long));
		assert_int_equal(too_long, len > 100);
		if (!too_long)
			assert_int_equal(line.len, len);
		assert_true(line_reader_next(&reader, &line, &too_long));
		assert_true(str_eq(line, STR("next")));
		assert_int_equal(reader.line, 2);
		assert_false(line_reader_next(&reader, &line, &too_long));
		assert_int_equal(reader.bytes, len + 6);
		line_reader_close(&reader);
		free(text);
		close(fd);
	}
}

static void
test_line_reader__tells_a_failed_read(void **state)
{
	struct line_reader reader;
	struct str         line;
	bool               too_long;

	(void)state;
	line_reader_open(&reader, -1, 100);
	assert_false(line_reader_next(&reader, &line, &too_long));
	assert_int_not_equal(reader.failed, 0);
	line_reader_close(&reader);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_reader__gives_lines_and_numbers),
		cmocka_unit_test(test_line_reader__passes_over_what_is_too_long),
		cmocka_unit_test(test_line_reader__tells_a_failed_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

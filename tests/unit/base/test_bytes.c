/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

static void
test_hex__is_read_as_it_was_written_and_in_no_other_form(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x09, 0xa0, 0xff };
	uint8_t              read[4] = { 1, 2, 3, 4 };
	char                 text[8];

	(void)state;
	hex_write(bytes, sizeof(bytes), text);
	assert_memory_equal(text, "0009a0ff", sizeof(text));
	assert_true(hex_read(str_of(text, sizeof(text)), read, sizeof(read)));
	assert_memory_equal(read, bytes, sizeof(bytes));
	assert_false(hex_read(STR("0009A0ff"), read, 4));
	assert_false(hex_read(STR("0009a0fg"), read, 4));
	assert_false(hex_read(STR("0009a0f"), read, 4));
	assert_false(hex_read(STR("0009a0ff0"), read, 4));
	assert_true(hex_read(STR_EMPTY, read, 0));
}

static void
test_hex__a_digit_has_a_value_in_either_case(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		const char *digits = "0123456789abcdefABCDEF", *found = c ? strchr(digits, c) : NULL;
		int         wanted = found ? (int)(found - digits) - (found - digits > 15 ? 6 : 0) : -1;

		assert_int_equal(hex_value((char)c), wanted);
	}
}

static void
test_le__the_lowest_byte_stands_first(void **state)
{
	uint8_t at[9] = { 9, 9, 9, 9, 9, 9, 9, 9, 9 };

	(void)state;
	le_write(at, 0x0102030405060708u, 8);
	assert_memory_equal(at, "\x08\x07\x06\x05\x04\x03\x02\x01\x09", 9);
	assert_true(le_read(at, 8) == 0x0102030405060708u);
	le_write(at, 0xaabbccddeeff0011u, 4);
	assert_memory_equal(at, "\x11\x00\xff\xee\x04", 5);
	assert_true(le_read(at, 4) == 0xeeff0011u);
	assert_true(le_read(at, 1) == 0x11);
}

/* Names of files and keys in the store are made of it: it stays what it is. */
static void
test_bytes_hash__is_fnv_1a(void **state)
{
	(void)state;
	assert_true(bytes_hash(BYTES_HASH_START, STR_EMPTY) == UINT64_C(0xcbf29ce484222325));
	assert_true(bytes_hash(BYTES_HASH_START, STR("foobar")) == UINT64_C(0x85944171f73967e8));
	assert_true(bytes_hash(7, STR("foobar")) != bytes_hash(8, STR("foobar")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex__is_read_as_it_was_written_and_in_no_other_form),
		cmocka_unit_test(test_hex__a_digit_has_a_value_in_either_case),
		cmocka_unit_test(test_le__the_lowest_byte_stands_first),
		cmocka_unit_test(test_bytes_hash__is_fnv_1a),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

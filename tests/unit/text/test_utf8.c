/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/uri.h"
#include "text/utf8.h"

/* The definition, written as arithmetic on the code point instead of as ranges of bytes. */
static bool
is_character(const unsigned char *bytes, size_t len)
{
	static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t              rune;

	if (len == 1)
		return bytes[0] < 0x80;
	if ((uint32_t)bytes[0] >> (7 - len) != (2u << len) - 2)
		return false;
	rune = bytes[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (bytes[i] >> 6 != 2)
			return false;
		rune = rune << 6 | (bytes[i] & 63u);
	}
	return rune >= smallest[len] && rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
}

static void
test_utf8__every_sequence_of_one_to_three_bytes_is_judged_as_defined(void **state)
{
	unsigned char bytes[3];

	(void)state;
	for (uint32_t all = 0; all < 1u << 24; all++) {
		bool good, known;

		bytes[0] = (unsigned char)(all >> 16);
		bytes[1] = (unsigned char)(all >> 8);
		bytes[2] = (unsigned char)all;
		/* Only what begins with a lead byte is one sequence; the rest is covered by shorter ones. */
		if (bytes[0] < 0xc0)
			continue;
		good = utf8_valid(str_of(bytes, 3));
		known = is_character(bytes, 3) || (is_character(bytes, 2) && bytes[2] < 0x80);
		if (good != known)
			fail_msg("%02x %02x %02x", bytes[0], bytes[1], bytes[2]);
	}
	for (unsigned byte = 0; byte < 256; byte++) {
		bytes[0] = (unsigned char)byte;
		assert_int_equal(utf8_valid(str_of(bytes, 1)), byte < 0x80);
	}
}

static void
test_utf8__four_byte_sequences_are_judged_as_defined(void **state)
{
	static const unsigned char edges[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0xbf, 0xc0, 0xff };
	size_t                     good = 0;

	(void)state;
	for (unsigned lead = 0xf0; lead <= 0xff; lead++) {
		for (unsigned second = 0; second < 256; second++) {
			for (size_t i = 0; i < 64; i++) {
				unsigned char bytes[4] = { (unsigned char)lead, (unsigned char)second, edges[i / 8],
					                   edges[i % 8] };

				assert_int_equal(utf8_valid(str_of(bytes, 4)), is_character(bytes, 4));
				good += utf8_valid(str_of(bytes, 4));
			}
		}
	}
	assert_int_equal(good, (3 * 16 + 3 * 64 + 16) * 16);
}

static void
test_utf8__every_character_is_put_and_read_back(void **state)
{
	(void)state;
	for (uint32_t rune = 0; rune <= 0x10ffff; rune++) {
		char   bytes[4];
		size_t len;

		if (rune >= 0xd800 && rune <= 0xdfff)
			continue;
		len = utf8_put(rune, bytes);
		assert_int_equal(len, rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4);
		assert_true(is_character((const unsigned char *)bytes, len));
		assert_int_equal(utf8_good_len(str_of(bytes, len)), len);
	}
}

static void
put_a_surrogate(void)
{
	char bytes[4];

	(void)utf8_put(0xd800, bytes);
}

static void
put_too_high(void)
{
	char bytes[4];

	(void)utf8_put(0x110000, bytes);
}

static void
test_utf8__putting_what_is_no_character_is_a_bug(void **state)
{
	(void)state;
	assert_true(aborts(put_a_surrogate));
	assert_true(aborts(put_too_high));
}

static void
test_utf8__the_first_bad_byte_is_found_wherever_it_stands(void **state)
{
	char bytes[40];

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		memset(bytes, 'x', sizeof(bytes));
		assert_int_equal(utf8_good_len(str_of(bytes, len)), len);
		for (size_t bad = 0; bad < len; bad++) {
			memset(bytes, 'x', sizeof(bytes));
			bytes[bad] = '\xff';
			assert_int_equal(utf8_good_len(str_of(bytes, len)), bad);
			bytes[bad] = '\xc3'; /* a lead byte whose second is missing */
			assert_int_equal(utf8_good_len(str_of(bytes, len)), bad);
		}
	}
	assert_int_equal(utf8_good_len(STR("gr\xc3\xbc\xc3\x9f dich\xe2\x82")), 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8__every_sequence_of_one_to_three_bytes_is_judged_as_defined),
		cmocka_unit_test(test_utf8__four_byte_sequences_are_judged_as_defined),
		cmocka_unit_test(test_utf8__every_character_is_put_and_read_back),
		cmocka_unit_test(test_utf8__putting_what_is_no_character_is_a_bug),
		cmocka_unit_test(test_utf8__the_first_bad_byte_is_found_wherever_it_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

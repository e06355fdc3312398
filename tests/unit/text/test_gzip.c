/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "text/gzip.h"

static void
test_gzip__comes_back_byte_for_byte(void **state)
{
	struct arena *arena = arena_open((size_t)8 << 20);
	char         *text = arena_take_raw(arena, (size_t)1 << 20), *back = arena_take_raw(arena, (size_t)1 << 20);

	(void)state;
	for (size_t len = 64; len <= (size_t)1 << 20; len *= 4) {
		z_stream   stream = { 0 };
		struct str packed;

		for (size_t i = 0; i < len; i++)
			text[i] = (char)('a' + i * i % 7);
		assert_true(gzip_pack(str_of(text, len), arena, &packed));
		assert_true(packed.len < len);
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		stream.next_in = (Bytef *)(uintptr_t)packed.at;
		stream.avail_in = (uInt)packed.len;
		stream.next_out = (Bytef *)back;
		stream.avail_out = (uInt)len;
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		assert_int_equal(stream.total_out, len);
		assert_memory_equal(back, text, len);
		assert_int_equal(inflateEnd(&stream), Z_OK);
	}
	arena_close(&arena);
}

static void
test_gzip__says_no_when_nothing_is_gained(void **state)
{
	struct arena *arena = arena_open((size_t)1 << 20);
	char          noise[1000];
	uint32_t      x = 1;
	struct str    packed;

	(void)state;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
	assert_false(gzip_pack(str_of(noise, sizeof(noise)), arena, &packed));
	assert_false(gzip_pack(STR("short"), arena, &packed));
	assert_false(gzip_pack(STR_EMPTY, arena, &packed));
	arena_close(&arena);
}

static void
test_gzip__unpacks_what_it_packed_up_to_a_limit(void **state)
{
	struct arena *arena = arena_open((size_t)8 << 20);
	char         *text = arena_take_raw(arena, 100000);
	struct str    packed, twice, back = STR("untouched");

	(void)state;
	memset(text, 'x', 100000);
	assert_true(gzip_pack(str_of(text, 100000), arena, &packed));
	assert_int_equal(gzip_unpack(packed, 99999, arena, &back), ERR_TOO_LARGE);
	assert_int_equal(gzip_unpack(packed, 1, arena, &back), ERR_TOO_LARGE);
	assert_true(str_eq(back, STR("untouched")));
	assert_int_equal(gzip_unpack(packed, 100000, arena, &back), OK);
	assert_true(str_eq(back, str_of(text, 100000)));
	/* two members are one text, and count together */
	twice = str_of(memcpy(arena_take_raw(arena, packed.len * 2), packed.at, packed.len), packed.len * 2);
	memcpy((char *)(uintptr_t)twice.at + packed.len, packed.at, packed.len);
	assert_int_equal(gzip_unpack(twice, 199999, arena, &back), ERR_TOO_LARGE);
	assert_int_equal(gzip_unpack(twice, 200000, arena, &back), OK);
	assert_int_equal(back.len, 200000);
	arena_close(&arena);
}

static void
test_gzip__refuses_what_is_cut_damaged_or_something_else(void **state)
{
	struct arena *arena = arena_open((size_t)64 << 20);
	char          text[4096];
	struct str    packed, back;
	char         *copy;

	(void)state;
	memset(text, 'y', sizeof(text));
	assert_true(gzip_pack(str_of(text, sizeof(text)), arena, &packed));
	for (size_t len = 0; len < packed.len; len++)
		assert_int_equal(gzip_unpack(str_first(packed, len), sizeof(text), arena, &back), ERR_BAD_REQUEST);
	copy = arena_take_raw(arena, packed.len + 1);
	memcpy(copy, packed.at, packed.len);
	copy[packed.len - 5] ^= 1; /* in the checksum */
	assert_int_equal(gzip_unpack(str_of(copy, packed.len), sizeof(text), arena, &back), ERR_BAD_REQUEST);
	memcpy(copy, packed.at, packed.len);
	copy[packed.len] = 'z';
	assert_int_equal(gzip_unpack(str_of(copy, packed.len + 1), sizeof(text), arena, &back), ERR_BAD_REQUEST);
	assert_int_equal(gzip_unpack(STR("{\"name\":\"x\"}"), sizeof(text), arena, &back), ERR_BAD_REQUEST);
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip__comes_back_byte_for_byte),
		cmocka_unit_test(test_gzip__says_no_when_nothing_is_gained),
		cmocka_unit_test(test_gzip__unpacks_what_it_packed_up_to_a_limit),
		cmocka_unit_test(test_gzip__refuses_what_is_cut_damaged_or_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "text_test.h"

#include "text/b64.h"

static const enum b64_form forms[] = { B64_URL, B64_URL_PADDED, B64_STANDARD };

static void
test_b64__encodes_the_examples_of_rfc_4648(void **state)
{
	static const struct {
		const char *bytes, *padded, *bare;
	} examples[] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const char *bytes = examples[i].bytes;
		struct str  padded = str_from_c(examples[i].padded), bare = str_from_c(examples[i].bare), back;

		assert_text(b64_encode(B64_STANDARD, bytes, strlen(bytes), *state), padded);
		assert_text(b64_encode(B64_URL_PADDED, bytes, strlen(bytes), *state), padded);
		assert_text(b64_encode(B64_URL, bytes, strlen(bytes), *state), bare);
		assert_true(b64_decode(B64_STANDARD, padded, *state, &back));
		assert_text(back, str_from_c(bytes));
		assert_true(b64_decode(B64_URL, bare, *state, &back));
		assert_text(back, str_from_c(bytes));
	}
}

static void
test_b64__every_length_and_byte_comes_back(void **state)
{
	unsigned char bytes[300], back[300];
	char          text[B64_MAX(300)];

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		for (size_t i = 0; i < len; i++)
			bytes[i] = (unsigned char)(i * 7 + len * 31);
		for (size_t f = 0; f < 3; f++) {
			size_t written = b64_encode_into(forms[f], bytes, len, text), got = 0;

			assert_int_equal(written, forms[f] == B64_URL ? (len * 4 + 2) / 3 : B64_MAX(len));
			assert_true(b64_decode_into(forms[f], str_of(text, written), back, len, &got));
			assert_int_equal(got, len);
			assert_memory_equal(back, bytes, len);
		}
	}
}

static void
test_b64__each_form_has_its_own_two_digits(void **state)
{
	struct str out;

	assert_text(b64_encode(B64_STANDARD, "\xfb\xff\xbf", 3, *state), STR("+/+/"));
	assert_text(b64_encode(B64_URL, "\xfb\xff\xbf", 3, *state), STR("-_-_"));
	assert_text(b64_encode(B64_URL_PADDED, "\xfb\xff\xbf", 3, *state), STR("-_-_"));
	assert_false(b64_decode(B64_STANDARD, STR("-_-_"), *state, &out));
	assert_false(b64_decode(B64_URL, STR("+/+/"), *state, &out));
	assert_false(b64_decode(B64_URL_PADDED, STR("+/+/"), *state, &out));
}

static void
test_b64__refuses_every_byte_that_is_no_digit(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	(void)state;
	for (size_t f = 0; f < 3; f++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			const char *two = forms[f] == B64_STANDARD ? "+/" : "-_";
			bool        digit = byte != 0 && (strchr(letters, (int)byte) || strchr(two, (int)byte));

			for (size_t at = 0; at < 7; at++) {
				char   text[8] = { 'A', 'A', 'A', 'A', 'A', 'A', 'A', 'A' };
				char   out[6];
				size_t len;

				text[at] = (char)byte;
				assert_int_equal(b64_decode_into(forms[f], str_of(text, 8), out, 6, &len), digit);
			}
		}
	}
}

static void
test_b64__refuses_spare_bits(void **state)
{
	struct str out;

	assert_true(b64_decode(B64_URL, STR("Zg"), *state, &out));
	assert_false(b64_decode(B64_URL, STR("Zh"), *state, &out));
	assert_false(b64_decode(B64_URL, STR("Zo"), *state, &out));
	assert_true(b64_decode(B64_URL, STR("Zm8"), *state, &out));
	assert_false(b64_decode(B64_URL, STR("Zm9"), *state, &out));
	assert_false(b64_decode(B64_URL, STR("Zm-"), *state, &out));
	assert_false(b64_decode(B64_STANDARD, STR("Zh=="), *state, &out));
	assert_false(b64_decode(B64_STANDARD, STR("Zm9="), *state, &out));
	assert_false(b64_decode(B64_URL_PADDED, STR("Zm9="), *state, &out));
}

static void
test_b64__only_one_text_stands_for_two_bytes(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t            accepted = 0;

	(void)state;
	for (size_t i = 0; i < 64 * 64 * 64; i++) {
		char   text[3] = { digits[i / 4096], digits[i / 64 % 64], digits[i % 64] }, out[2], again[3];
		size_t len;

		if (!b64_decode_into(B64_URL, str_of(text, 3), out, 2, &len))
			continue;
		assert_int_equal(b64_encode_into(B64_URL, out, len, again), 3);
		assert_memory_equal(again, text, 3);
		accepted++;
	}
	assert_int_equal(accepted, 65536);
}

static void
test_b64__refuses_padding_that_is_not_asked_for(void **state)
{
	static const char *const bad_padded[] = { "Zg",       "Zg=",   "Zg===",    "Zg====", "Zm8",
		                                  "Zm8==",    "Zm9v=", "Zm9v====", "====",   "=",
		                                  "Zg==Zg==", "Z===",  "=g==",     "Z=g=",   "Zm9vZg" };
	static const char *const bad_bare[] = { "Zg==", "Zg=", "Zm8=", "=", "Z", "Zm9vY", "Zm9v=" };
	struct str               out;

	for (size_t i = 0; i < sizeof(bad_padded) / sizeof(bad_padded[0]); i++) {
		assert_false(b64_decode(B64_STANDARD, str_from_c(bad_padded[i]), *state, &out));
		assert_false(b64_decode(B64_URL_PADDED, str_from_c(bad_padded[i]), *state, &out));
	}
	for (size_t i = 0; i < sizeof(bad_bare) / sizeof(bad_bare[0]); i++)
		assert_false(b64_decode(B64_URL, str_from_c(bad_bare[i]), *state, &out));
}

static void
test_b64__refuses_blanks(void **state)
{
	static const char *const blanked[] = { " Zm9", "Zm9 ", "Zm 9", "Zm9v\n", "Zm9v\r\nZm9v", "\tZm9v", "    " };
	struct str               out;

	for (size_t i = 0; i < sizeof(blanked) / sizeof(blanked[0]); i++)
		for (size_t f = 0; f < 3; f++)
			assert_false(b64_decode(forms[f], str_from_c(blanked[i]), *state, &out));
}

static void
test_b64__writes_no_more_than_there_is_room_for(void **state)
{
	char   out[8] = "untouch";
	size_t len = 99;

	(void)state;
	assert_false(b64_decode_into(B64_URL, STR("Zm9vYmFy"), out, 5, &len));
	assert_string_equal(out, "untouch");
	assert_false(b64_decode_into(B64_URL, STR("Zm9vYmF*"), out, 6, &len));
	assert_string_equal(out + 6, "h");
	assert_int_equal(len, 99);
	assert_true(b64_decode_into(B64_URL, STR("Zm9vYmFy"), out, 6, &len));
	assert_int_equal(len, 6);
	assert_memory_equal(out, "foobarh", 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_b64__encodes_the_examples_of_rfc_4648),
		cmocka_unit_test(test_b64__every_length_and_byte_comes_back),
		TEST_WITH_ARENA(test_b64__each_form_has_its_own_two_digits),
		cmocka_unit_test(test_b64__refuses_every_byte_that_is_no_digit),
		TEST_WITH_ARENA(test_b64__refuses_spare_bits),
		cmocka_unit_test(test_b64__only_one_text_stands_for_two_bytes),
		TEST_WITH_ARENA(test_b64__refuses_padding_that_is_not_asked_for),
		TEST_WITH_ARENA(test_b64__refuses_blanks),
		cmocka_unit_test(test_b64__writes_no_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

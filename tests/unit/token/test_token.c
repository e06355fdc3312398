/* SPDX-License-Identifier: Apache-2.0 */
#include "token_test.h"

#include "text/b64.h"

static const struct token_key key = { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } };

static struct str
seal(const struct token *token, const struct token_bind *bind, struct arena *arena)
{
	return token_seal_with(&key, token, bind, &entropy_system, arena);
}

static bool
opens_with(const struct token_key *with, struct str text, const struct token_bind *bind, struct arena *arena,
           struct token *token_out)
{
	struct token_raw raw;

	return token_raw_read(text, &raw) && token_open_with(with, &raw, bind, arena, token_out);
}

static void
test_token__what_was_sealed_opens_to_the_same(void **state)
{
	static const char  longest[TOKEN_OPTIONS_MAX] = "options";
	struct token_bind  bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	const struct token tokens[] = {
		{ { { 0, 0, false }, { { 0 } }, 0, 0 }, 0, STR_EMPTY },
		{ { { 0, 7, true }, guid_of(4), 1, 7 }, 1, STR("select=id") },
		{ { { UINT64_MAX, UINT64_MAX, true }, guid_of(255), UINT32_MAX, UINT64_MAX },
		  INT64_MIN,
		  STR("\0\xff") },
		{ { { 1, UINT64_MAX, false }, guid_of(255), UINT32_MAX, 0 }, INT64_MAX, { longest, sizeof(longest) } },
	};

	for (size_t i = 0; i < COUNT(tokens); i++) {
		struct str   text = seal(&tokens[i], &bind, *state);
		struct token back;

		assert_true(text.len <= TOKEN_TEXT_MAX);
		assert_true(opens_with(&key, text, &bind, *state, &back));
		assert_same_token(&tokens[i], &back);
	}
}

static void
test_token__tells_its_kind_itself(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      seen = token_of(9, 9, STR_EMPTY), more = token_of(8, 9, STR_EMPTY), back;

	assert_true(opens_with(&key, seal(&seen, &bind, *state), &bind, *state, &back));
	assert_true(cursor_is_complete(&back.cursor));
	assert_true(opens_with(&key, seal(&more, &bind, *state), &bind, *state, &back));
	assert_false(cursor_is_complete(&back.cursor));
}

static void
test_token__two_of_the_same_place_differ_all_over(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("options"));
	struct str        one = seal(&token, &bind, *state), two = seal(&token, &bind, *state);
	size_t            same = 0;

	assert_int_equal(one.len, two.len);
	for (size_t i = 8; i < one.len; i++)
		same += one.at[i] == two.at[i];
	assert_true(same < one.len / 8);
}

static void
test_token__its_text_is_safe_in_a_url_and_shows_nothing(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("select=subject,name"));
	struct str        text = seal(&token, &bind, *state), raw;

	for (size_t i = 0; i < text.len; i++)
		assert_non_null(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", text.at[i]));
	assert_true(b64_decode(B64_URL, text, *state, &raw));
	assert_null(memmem(raw.at, raw.len, "subject", 7));
	assert_null(memmem(raw.at, raw.len, token.cursor.generation.b, 4));
}

static void
test_token__refuses_every_flipped_bit(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("select=id")), back = token_of(4, 4, STR_EMPTY);
	struct str        text = seal(&token, &bind, *state);
	struct token_raw  raw, flipped;

	assert_true(token_raw_read(text, &raw));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		struct str flipped_text;

		flipped = raw;
		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		flipped_text = b64_encode(B64_URL, flipped.bytes, flipped.len, *state);
		assert_false(opens_with(&key, flipped_text, &bind, *state, &back));
	}
	assert_int_equal(back.cursor.span.after, 4);
}

static void
test_token__refuses_every_flipped_bit_of_its_text(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("select=id")), back;
	struct str        text = seal(&token, &bind, *state);
	char             *copy = arena_take_raw(*state, text.len);

	for (size_t bit = 0; bit < text.len * 8; bit++) {
		memcpy(copy, text.at, text.len);
		copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
		assert_false(opens_with(&key, str_of(copy, text.len), &bind, *state, &back));
	}
}

static void
test_token__refuses_every_truncation_and_addition(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("select=id")), back;
	struct str        text = seal(&token, &bind, *state);
	static const char more[] = "=A-_+/ .\n%";

	for (size_t len = 0; len < text.len; len++) {
		assert_false(opens_with(&key, str_first(text, len), &bind, *state, &back));
		assert_false(opens_with(&key, str_skip(text, len + 1), &bind, *state, &back));
	}
	for (size_t i = 0; i < sizeof(more); i++) {
		struct str after = arena_printf(*state, "%.*s%c", STR_ARG(text), more[i]);
		struct str before = arena_printf(*state, "%c%.*s", more[i], STR_ARG(text));

		assert_false(opens_with(&key, after, &bind, *state, &back));
		assert_false(opens_with(&key, before, &bind, *state, &back));
	}
	text = arena_printf(*state, "%.*s%.*s", STR_ARG(text), STR_ARG(text));
	assert_false(opens_with(&key, text, &bind, *state, &back));
}

static void
test_token__only_one_alphabet_is_read(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR("options!")), back;
	struct token_raw  raw;
	struct str        text, standard;

	do /* until the two alphabets differ on it */
		text = seal(&token, &bind, *state);
	while (str_find(text, '-') == text.len && str_find(text, '_') == text.len);
	assert_true(token_raw_read(text, &raw));
	standard = b64_encode(B64_STANDARD, raw.bytes, raw.len, *state);
	assert_true(opens_with(&key, text, &bind, *state, &back));
	assert_false(opens_with(&key, standard, &bind, *state, &back));
	assert_false(opens_with(&key, str_first(standard, text.len), &bind, *state, &back));
}

static void
test_token__opens_nowhere_else(void **state)
{
	static const enum token_function functions[] = {
		TOKEN_CALENDARS_DELTA,
		TOKEN_ALL_RECORDINGS,
		TOKEN_ALL_RECORDINGS_DELTA,
		TOKEN_MEETING_RECORDINGS_DELTA,
	};
	struct token_bind cursors[3 * 3 * 2 * COUNT(functions)];
	struct token      token = token_of(1, 9, STR("select=id")), back;
	size_t            n = 0;

	for (uint8_t tenant = 1; tenant <= 3; tenant++)
		for (uint8_t owner = 1; owner <= 3; owner++)
			for (uint8_t collection = 1; collection <= 2; collection++)
				for (size_t f = 0; f < COUNT(functions); f++)
					cursors[n++] = bind_of(tenant, owner, collection, functions[f]);
	for (size_t i = 0; i < n; i++) {
		struct str text = seal(&token, &cursors[i], *state);

		for (size_t j = 0; j < n; j++)
			assert_int_equal(opens_with(&key, text, &cursors[j], *state, &back), i == j);
	}
}

static void
test_token__the_key_id_is_bound_too(void **state)
{
	struct token_bind bind = bind_of(1, 2, 1, TOKEN_CALENDARS_DELTA);
	struct token      token = token_of(1, 9, STR_EMPTY), back;
	struct str        text = seal(&token, &bind, *state);
	struct token_raw  raw;
	struct token_key  other = key;

	other.bytes[31] ^= 1;
	assert_false(opens_with(&other, text, &bind, *state, &back));
	assert_true(token_raw_read(text, &raw));
	assert_memory_equal(token_raw_key_id(&raw), key.id, sizeof(key.id));
	raw.bytes[4] ^= 1;
	assert_false(token_open_with(&key, &raw, &bind, *state, &back));
}

/* Only the key's owner can seal such bytes, but a bug or a later version might; they must not open. */
static void
test_token__refuses_plain_bytes_that_are_not_canonical(void **state)
{
	struct token token = token_of(8, 9, STR("abc")), back;
	uint8_t      plain[TOKEN_PLAIN_MAX + 8] = { 0 }, bad[sizeof(plain)];
	size_t       len = token_plain_write(&token, plain);

	(void)state;
	assert_true(token_plain_read(str_of(plain, len), &back));
	assert_same_token(&token, &back);
	for (size_t cut = 0; cut <= len + 8; cut++)
		assert_int_equal(token_plain_read(str_of(plain, cut), &back), cut == len);
	memcpy(bad, plain, sizeof(bad));
	bad[24] = 2; /* initial is 0 or 1 */
	assert_false(token_plain_read(str_of(bad, len), &back));
	memcpy(bad, plain, sizeof(bad));
	bad[8] = 10; /* after is not beyond until */
	assert_false(token_plain_read(str_of(bad, len), &back));
}

static void
test_token__its_fields_stand_where_the_corpus_has_them(void **state)
{
	struct token  token = { { { 0x0102030405060708, 0x1112131415161718, true }, guid_of(0xab), 0x21222324, 0x31 },
		                0x4142434445464748,
		                STR("op") };
	const uint8_t expected[] = {
		0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02,
		0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x01, 0xab, 0xab, 0xab, 0xab, 0xab,
		0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0x24, 0x23, 0x22, 0x21,
		0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 'o',  'p',
	};
	uint8_t plain[TOKEN_PLAIN_MAX];

	(void)state;
	assert_int_equal(token_plain_write(&token, plain), sizeof(expected));
	assert_memory_equal(plain, expected, sizeof(expected));
}

static void
test_token__refuses_texts_that_are_too_long_before_decoding(void **state)
{
	char            *text = arena_take_raw(*state, 1 << 20);
	struct token_raw raw;

	memset(text, 'A', 1 << 20);
	text[1] = 'Q'; /* version 1, so only the length is wrong */
	assert_true(token_raw_read(str_of(text, B64_MAX(TOKEN_RAW_MAX)), &raw));
	assert_false(token_raw_read(str_of(text, B64_MAX(TOKEN_RAW_MAX) + 4), &raw));
	assert_false(token_raw_read(str_of(text, TOKEN_TEXT_MAX), &raw));
	assert_false(token_raw_read(str_of(text, TOKEN_TEXT_MAX + 4), &raw));
	assert_false(token_raw_read(str_of(text, 1 << 20), &raw));
	assert_false(token_raw_read(STR_EMPTY, &raw));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_token__what_was_sealed_opens_to_the_same),
		TEST_WITH_ARENA(test_token__tells_its_kind_itself),
		TEST_WITH_ARENA(test_token__two_of_the_same_place_differ_all_over),
		TEST_WITH_ARENA(test_token__its_text_is_safe_in_a_url_and_shows_nothing),
		TEST_WITH_ARENA(test_token__refuses_every_flipped_bit),
		TEST_WITH_ARENA(test_token__refuses_every_flipped_bit_of_its_text),
		TEST_WITH_ARENA(test_token__refuses_every_truncation_and_addition),
		TEST_WITH_ARENA(test_token__only_one_alphabet_is_read),
		TEST_WITH_ARENA(test_token__opens_nowhere_else),
		TEST_WITH_ARENA(test_token__the_key_id_is_bound_too),
		TEST_WITH_ARENA(test_token__refuses_plain_bytes_that_are_not_canonical),
		TEST_WITH_ARENA(test_token__its_fields_stand_where_the_corpus_has_them),
		TEST_WITH_ARENA(test_token__refuses_texts_that_are_too_long_before_decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of released versions.  They stay readable for ever: if one of them fails, the code is wrong, not the corpus.
 */
#include "token_test.h"

#include <stdio.h>

#include "text/json_read.h"

#define HERE "unit/token/test_token_corpus.c"

static struct str
read_corpus(const char *name, struct arena *arena)
{
	struct str  here = str_from_c(__FILE__);
	const char *path;
	FILE       *file;
	char       *bytes = arena_take_raw(arena, 1 << 20);
	size_t      len;

	assert_true(str_ends(here, STR(HERE)));
	here.len -= sizeof(HERE) - 1;
	path = arena_c(arena, arena_printf(arena, "%.*scorpus/tokens/%s", STR_ARG(here), name));
	file = fopen(path, "r");
	if (!file) {
		fail_msg("%s is not there", path);
		return STR_EMPTY;
	}
	len = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	assert_in_range(len, 1, (1 << 20) - 1);
	return str_of(bytes, len);
}

static struct str
text_of(const struct json *object, const char *name)
{
	struct str text = STR_EMPTY;

	if (!json_text(json_member(object, name), &text))
		fail_msg("no text '%s'", name);
	return text;
}

static int64_t
int_of(const struct json *object, const char *name)
{
	int64_t value = 0;

	if (!json_int(json_member(object, name), &value))
		fail_msg("no number '%s'", name);
	return value;
}

static uint64_t
u64_of(const struct json *object, const char *name, struct arena *arena)
{
	return strtoull(arena_c(arena, text_of(object, name)), NULL, 10);
}

static struct guid
guid_in(const struct json *object, const char *name)
{
	struct guid guid = { 0 };

	assert_true(guid_parse(text_of(object, name), &guid));
	return guid;
}

static struct str
bytes_of(const struct json *object, const char *name, struct arena *arena)
{
	struct str hex = text_of(object, name);
	char      *bytes = arena_take_raw(arena, hex.len / 2 + 1);

	assert_int_equal(hex.len % 2, 0);
	for (size_t i = 0; i < hex.len / 2; i++) {
		char pair[3] = { hex.at[2 * i], hex.at[2 * i + 1], '\0' };

		bytes[i] = (char)strtoul(pair, NULL, 16);
	}
	return str_of(bytes, hex.len / 2);
}

static struct token_key
key_of(const struct json *entry, struct arena *arena)
{
	struct str       id = bytes_of(entry, "keyId", arena), bytes = bytes_of(entry, "key", arena);
	struct token_key key;

	assert_int_equal(id.len, sizeof(key.id));
	assert_int_equal(bytes.len, sizeof(key.bytes));
	memcpy(key.id, id.at, id.len);
	memcpy(key.bytes, bytes.at, bytes.len);
	return key;
}

static struct token
expected_of(const struct json *entry, struct arena *arena)
{
	struct token expected = { .options = bytes_of(entry, "options", arena) };

	expected.issued_s = strtoll(arena_c(arena, text_of(entry, "issued")), NULL, 10);
	expected.cursor.span.after = u64_of(entry, "after", arena);
	expected.cursor.span.until = u64_of(entry, "until", arena);
	assert_true(json_bool(json_member(entry, "fresh"), &expected.cursor.span.initial));
	expected.cursor.generation = guid_in(entry, "incarnation");
	expected.cursor.epoch = (uint32_t)int_of(entry, "epoch");
	expected.cursor.seen = u64_of(entry, "seen", arena);
	return expected;
}

static void
entry_opens(const struct json *entry, struct arena *arena)
{
	struct token_key  key = key_of(entry, arena);
	struct token      expected = expected_of(entry, arena), token;
	struct token_bind bind = {
		{ guid_in(entry, "tenant"), guid_in(entry, "owner"), (uint8_t)int_of(entry, "collection") },
		(enum token_function)int_of(entry, "function"),
	};
	struct token_raw raw;
	const char      *name = arena_c(arena, text_of(entry, "name"));

	if (!token_raw_read(text_of(entry, "token"), &raw) || !token_open_with(&key, &raw, &bind, arena, &token)) {
		fail_msg("'%s' opens no more", name);
		return;
	}
	assert_memory_equal(token_raw_key_id(&raw), key.id, sizeof(key.id));
	assert_same_token(&token, &expected);
	assert_true(str_eq(text_of(entry, "kind"), cursor_is_complete(&token.cursor) ? STR("delta") : STR("skip")));
}

static void
every_token_opens(const char *name, int64_t version, size_t count_min, struct arena *arena)
{
	struct json       *root = NULL;
	struct str         why = STR_EMPTY;
	const struct json *tokens;

	if (json_read(read_corpus(name, arena), arena, &root, &why) != OK)
		fail_msg("%s: %.*s", name, STR_ARG(why));
	tokens = json_member(root, "tokens");
	assert_int_equal(int_of(root, "version"), version);
	assert_true(json_count(tokens) >= count_min);
	for (const struct json *token = json_first(tokens); token; token = token->next)
		entry_opens(token, arena);
	json_drop(&root);
}

static void
test_token_corpus__every_token_of_version_1_opens_to_what_it_was(void **state)
{
	every_token_opens("v1.json", 1, 10, *state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_token_corpus__every_token_of_version_1_opens_to_what_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch_secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the above first. */
#include <cmocka.h>

#define LONG "abcdefghijklmnopqrstuvwxyz0123456789"

static void
assert_masked(const char *secret, const char *before, const char *after)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "%s", before);
	fetch_secret_mask(str_from_c(secret), text, strlen(text));
	assert_string_equal(text, after);
}

static void
test_secrets__are_masked_whole_in_parts_and_side_by_side(void **state)
{
	(void)state;
	assert_masked(LONG, "x " LONG " y", "x ************************************ y");
	assert_masked(LONG, "klmnopqrstuvwxyz", "****************");
	assert_masked(LONG, "klmnopqrstuvwxy", "klmnopqrstuvwxy");
	assert_masked("tok.en-1", "tok.en-1tok.en-1 tok.en-", "**************** tok.en-");
	assert_masked("tok.en-", "tok.en-", "tok.en-");
	assert_masked(LONG, "", "");
}

static void
test_secrets__are_found_in_links_however_escaped(void **state)
{
	struct arena *arena = arena_open((size_t)1 << 20);

	(void)state;
	assert_true(fetch_secret_stands_in_link(STR("a+secret/x="), STR("https://h/?t=a+secret/x="), arena));
	assert_true(fetch_secret_stands_in_link(STR("a+secret/x="), STR("https://h/?t=a%2bsecret%2Fx%3D"), arena));
	assert_true(fetch_secret_stands_in_link(STR("a+secret/x="), STR("https://h/%?t=%61+secret/x=%"), arena));
	assert_false(fetch_secret_stands_in_link(STR("a+secret/x="), STR("https://h/?t=a+secret/x%"), arena));
	assert_false(fetch_secret_stands_in_link(STR("short"), STR("https://h/?t=short"), arena));
	arena_close(&arena);
}

/* Only the beginning of a long one is looked for at first. */
static void
test_secrets__a_long_one_is_found_whole_and_only_whole(void **state)
{
	char   secret[700], text[3000];
	size_t begins[] = { 0, 3, 255, 256, 257, 699 };

	(void)state;
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (char)('a' + i * i % 23);
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		memset(text, '.', sizeof(text));
		memcpy(text + 10, secret, begins[i]);
		assert_false(fetch_secret_stands_in(str_of(secret, sizeof(secret)), str_of(text, sizeof(text))));
		memcpy(text + sizeof(text) - sizeof(secret), secret, sizeof(secret));
		assert_true(fetch_secret_stands_in(str_of(secret, sizeof(secret)), str_of(text, sizeof(text))));
		assert_false(fetch_secret_stands_in(str_of(secret, sizeof(secret)), str_of(text, sizeof(text) - 1)));
	}
}

static void
test_secrets__the_newest_are_known_and_nothing_is_asked_of_none(void **state)
{
	struct fetch_secrets *secrets = fetch_secrets_open();
	struct arena         *arena = arena_open((size_t)1 << 20);
	char                  text[32];

	(void)state;
	for (int i = 0; i <= FETCH_SECRETS_KEPT; i++) {
		(void)snprintf(text, sizeof(text), "secret-number-%d", i);
		fetch_secrets_note(secrets, str_from_c(text));
		fetch_secrets_note(secrets, str_from_c(text));
	}
	fetch_secrets_note(secrets, STR("short"));
	assert_false(fetch_secrets_stand_in(secrets, STR("secret-number-0")));
	assert_true(fetch_secrets_stand_in(secrets, STR("a secret-number-1!")));
	assert_true(fetch_secrets_stand_in(secrets, STR("secret-number-8")));
	assert_true(fetch_secrets_stand_in_link(secrets, STR("%73ecret-number-8"), arena));
	assert_false(fetch_secrets_stand_in(secrets, STR("short")));
	assert_false(fetch_secrets_stand_in(NULL, STR("secret-number-8")));
	fetch_secrets_mask(NULL, text, strlen(text));
	assert_string_equal(text, "secret-number-8");
	fetch_secrets_mask(secrets, text, strlen(text));
	assert_string_equal(text, "***************");
	fetch_secrets_close(&secrets);
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secrets__are_masked_whole_in_parts_and_side_by_side),
		cmocka_unit_test(test_secrets__are_found_in_links_however_escaped),
		cmocka_unit_test(test_secrets__a_long_one_is_found_whole_and_only_whole),
		cmocka_unit_test(test_secrets__the_newest_are_known_and_nothing_is_asked_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

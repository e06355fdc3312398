/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#include "text_test.h"

#include "text/uri.h"

static struct str
decoded(const char *text, struct arena *arena)
{
	struct str out = STR_EMPTY;

	if (uri_decode(str_from_c(text), arena, &out) != OK)
		fail_msg("'%s' should be decoded", text);
	return out;
}

static void
test_uri__percent_escapes_are_decoded_once(void **state)
{
	assert_text(decoded("", *state), STR(""));
	assert_text(decoded("plain", *state), STR("plain"));
	assert_text(decoded("%24skiptoken", *state), STR("$skiptoken"));
	assert_text(decoded("a%20b%2Fc%2fd", *state), STR("a b/c/d"));
	assert_text(decoded("%2520", *state), STR("%20"));
	assert_text(decoded("gr%C3%BC%c3%9fe \xf0\x9f\x98\x80", *state),
	  STR("gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x98\x80"));
	assert_text(decoded("%e2%82%ac", *state), STR("\xe2\x82\xac"));
}

static void
test_uri__a_plus_sign_stands_for_itself(void **state)
{
	assert_text(decoded("1+1%2B1", *state), STR("1+1+1"));
}

static void
test_uri__text_without_escapes_is_given_back_uncopied(void **state)
{
	struct str text = STR("users/ann"), out;

	assert_int_equal(uri_decode(text, *state, &out), OK);
	assert_ptr_equal(out.at, text.at);
	assert_int_equal(arena_used(*state), 0);
}

static void
test_uri__broken_escapes_and_unclean_bytes_are_refused(void **state)
{
	static const char *const bad[] = {
		"%", "%2", "%zz", "%0g", "%g0", "a%", "a%2", "%%20", "% 20", "%+1", "%-1", "%00", "a%00b", "%0A", "%0d",
		"%1f", "%7F", "%09", "\n", "a\rb", "\x7f", "\x01", "%80", "%C0%80", "%C0%AF", "%c1%bf", "%E0%80%AF",
		"%F0%80%80%AF", "%ED%A0%80", "%ED%BF%BF", "%F4%90%80%80", "%F5%80%80%80", "%FF", "%FE", "%C3", "%E2%82",
		"%F0%9F%98", "\xff", "\xc3", "\xc0\x80", "%C3\x28", "%EF%BB",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str out = STR("untouched");

		if (uri_decode(str_from_c(bad[i]), *state, &out) != ERR_BAD_REQUEST)
			fail_msg("'%s' should be refused", bad[i]);
		assert_text(out, STR("untouched"));
	}
	assert_int_equal(uri_decode(str_of("a\0b", 3), *state, &(struct str){ 0 }), ERR_BAD_REQUEST);
}

static void
test_uri__every_escaped_byte_is_judged(void **state)
{
	for (unsigned byte = 0; byte < 256; byte++) {
		char       text[4];
		struct str out;
		bool       good = byte >= 0x20 && byte < 0x7f;

		(void)snprintf(text, sizeof(text), "%%%02x", byte);
		assert_int_equal(uri_decode(str_of(text, 3), *state, &out) == OK, good);
		if (good)
			assert_text(out, str_of(&(char){ (char)byte }, 1));
	}
}

static void
test_uri__pairs_are_taken_one_by_one(void **state)
{
	struct str      rest = STR("&&$select=id,name&empty=&bare&a%3Db=c%26d=e&=x&caf%C3%A9=1+1&a+b=%2B+%20+&&");
	struct uri_pair pair;
	bool            more;
	static const struct {
		const char *name, *value;
		bool        has_value;
	} wanted[] = {
		{ "$select", "id,name", true }, { "empty", "", true }, { "bare", "", false },
		{ "a=b", "c&d=e", true },       { "", "x", true },     { "caf\xc3\xa9", "1 1", true },
		{ "a b", "+   ", true },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_int_equal(uri_take_pair(&rest, *state, &pair, &more), OK);
		assert_true(more);
		assert_text(pair.name, str_from_c(wanted[i].name));
		assert_text(pair.value, str_from_c(wanted[i].value));
		assert_int_equal(pair.has_value, wanted[i].has_value);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(uri_take_pair(&rest, *state, &pair, &more), OK);
		assert_false(more);
	}
}

static void
test_uri__a_bad_pair_is_refused_in_name_and_value(void **state)
{
	static const char *const bad[] = { "%zz=1", "a=%zz", "a=%00", "%00", "a=1%", "a=%C0%80" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct str      rest = str_from_c(bad[i]);
		struct uri_pair pair = { .name = STR("untouched") };
		bool            more = true;

		assert_int_equal(uri_take_pair(&rest, *state, &pair, &more), ERR_BAD_REQUEST);
		assert_text(rest, str_from_c(bad[i]));
		assert_text(pair.name, STR("untouched"));
		assert_true(more);
	}
}

static void
test_uri__encoding_keeps_what_it_is_told_and_comes_back(void **state)
{
	char bytes[0x5f];

	assert_text(uri_encode(STR("a b/c'd\xc3\xa9~%"), "", *state), STR("a%20b%2Fc%27d%C3%A9~%25"));
	assert_text(uri_encode(STR("a b/c'd"), "/'", *state), STR("a%20b/c'd"));
	assert_text(uri_encode(STR_EMPTY, "", *state), STR_EMPTY);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(0x20 + i);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct str text = str_of(bytes, len), back;

		assert_int_equal(uri_decode(uri_encode(text, "$!'()*,;:@/?", *state), *state, &back), OK);
		assert_text(back, text);
	}
}

static void
test_uri__urls_are_taken_apart(void **state)
{
	static const struct {
		const char *url, *scheme, *authority, *host;
		uint16_t    port;
		const char *path, *query;
	} good[] = {
		{ "https://graph.microsoft.com/v1.0/me/calendars/delta?$deltatoken=a%20b", "https",
		  "graph.microsoft.com",
		  "graph.microsoft.com", 443, "/v1.0/me/calendars/delta", "$deltatoken=a%20b" },
		{ "http://127.0.0.1:8080", "http", "127.0.0.1:8080", "127.0.0.1", 8080, "", "" },
		{ "http://localhost/", "http", "localhost", "localhost", 80, "/", "" },
		{ "https://[::1]:8443/x", "https", "[::1]:8443", "::1", 8443, "/x", "" },
		{ "https://[2001:db8::192.0.2.1]?q", "https", "[2001:db8::192.0.2.1]", "2001:db8::192.0.2.1", 443, "",
		  "q" },
		{ "https://h:1", "https", "h:1", "h", 1, "", "" },
		{ "https://h:65535/", "https", "h:65535", "h", 65535, "/", "" },
		{ "https://h?a?b/c", "https", "h", "h", 443, "", "a?b/c" },
		{ "https://h/a?", "https", "h", "h", 443, "/a", "" },
		{ "https://h/a@b:c('x',y=@z)|{}", "https", "h", "h", 443, "/a@b:c('x',y=@z)|{}", "" },
		{ "https://a-b_c.Example/%41", "https", "a-b_c.Example", "a-b_c.Example", 443, "/%41", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct uri_parts parts;

		if (!uri_split(str_from_c(good[i].url), &parts))
			fail_msg("'%s' should be a URL", good[i].url);
		assert_text(parts.scheme, str_from_c(good[i].scheme));
		assert_text(parts.authority, str_from_c(good[i].authority));
		assert_text(parts.host, str_from_c(good[i].host));
		assert_int_equal(parts.port, good[i].port);
		assert_text(parts.path, str_from_c(good[i].path));
		assert_text(parts.query, str_from_c(good[i].query));
	}
}

static void
test_uri__what_is_no_plain_http_url_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "https", "https:", "https:/", "https://", "http:///x", "https://?q", "//h/x", "/x", "h/x",
		"ftp://h/",
		"HTTPS://h/", "Http://h/", " https://h/", "https:// h/", "https://h/ x", "https://h/x y",
		"https://h/\n",
		"https://h/\x7f", "https://h/\xc3\xa9", "https://h\xc3\xa9/", "https://h/#f", "https://h#f",
		"https://h/?#",
		"https://user@h/", "https://user:pass@h/", "https://@h/", "https://good\\@evil/", "https://h\\x",
		"https://h/\\",
		"https://h:", "https://h:/x", "https://h:0/", "https://h:65536/", "https://h:080/", "https://h:8x/",
		"https://h:-1/", "https://h:+1/", "https://h:1:2/", "https://h:99999999999999999999/", "https://:80/",
		"https://[::1/", "https://::1/", "https://[::1]8443/", "https://[::1]x/", "https://[]/",
		"https://[1.2.3.4]/",
		"https://[::g]/", "https://[fe80::1%25eth0]/", "https://[::1]]/", "https://[:::]/", "https://h]/",
		"https://h/%", "https://h/%2", "https://h/%zz", "https://h/?a=%g0", "https://%68/", "https://h,g/",
		"https://h'/",
		"https://[1:2:3:4:5:6:7:8:9]/", "https://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct uri_parts parts = { .port = 42 };

		if (uri_split(str_from_c(bad[i]), &parts))
			fail_msg("'%s' should be refused", bad[i]);
		assert_int_equal(parts.port, 42);
	}
	assert_false(uri_split(str_of("https://h/\0", 11), &(struct uri_parts){ 0 }));
	assert_false(uri_split(str_of("https://[::1\0]/", 15), &(struct uri_parts){ 0 }));
}

static void
test_uri__a_host_has_at_most_255_bytes(void **state)
{
	char             url[8 + 256];
	struct uri_parts parts;

	(void)state;
	memset(url, 'h', sizeof(url));
	memcpy(url, "https://", 8);
	assert_true(uri_split(str_of(url, 8 + 254), &parts));
	assert_true(uri_split(str_of(url, 8 + 255), &parts));
	assert_int_equal(parts.host.len, 255);
	assert_false(uri_split(str_of(url, 8 + 256), &parts));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH_ARENA(test_uri__percent_escapes_are_decoded_once),
		TEST_WITH_ARENA(test_uri__a_plus_sign_stands_for_itself),
		TEST_WITH_ARENA(test_uri__text_without_escapes_is_given_back_uncopied),
		TEST_WITH_ARENA(test_uri__broken_escapes_and_unclean_bytes_are_refused),
		TEST_WITH_ARENA(test_uri__every_escaped_byte_is_judged),
		TEST_WITH_ARENA(test_uri__pairs_are_taken_one_by_one),
		TEST_WITH_ARENA(test_uri__a_bad_pair_is_refused_in_name_and_value),
		TEST_WITH_ARENA(test_uri__encoding_keeps_what_it_is_told_and_comes_back),
		cmocka_unit_test(test_uri__urls_are_taken_apart),
		cmocka_unit_test(test_uri__what_is_no_plain_http_url_is_refused),
		cmocka_unit_test(test_uri__a_host_has_at_most_255_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

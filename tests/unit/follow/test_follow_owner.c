/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs mean the caller's own data, and whose data a token opens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "follow/follow_owner.h"
#include "text/b64.h"

struct kit {
	struct arena       *arena;
	struct follow_owner owner;
	struct fetch_bearer bearer;
	struct str          token, body, asked;
	unsigned            status, asks;
};

static enum err
give(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct kit *kit = ctx;

	(void)again;
	(void)arena;
	(void)why_out;
	*bearer_out = kit->token;
	return OK;
}

static enum err
answer(void *ctx, const struct follow_request *request, struct arena *arena, struct follow_response *response_out,
       struct str *why_out)
{
	struct kit *kit = ctx;

	(void)arena;
	(void)why_out;
	kit->asks++;
	kit->asked = request->link;
	*response_out = (struct follow_response){ .status = kit->status, .body = kit->body };
	return OK;
}

static int
set_up(void **state)
{
	static struct kit kit;

	kit = (struct kit){ .arena = arena_open(1 << 20), .status = 200, .body = STR("{\"id\":\"ID\"}") };
	kit.owner = (struct follow_owner){ .inner = { .ctx = &kit, .get = give },
		                           .source = { .ctx = &kit, .fetch = answer },
		                           .link = STR("https://x/me?$select=id") };
	kit.bearer = follow_owner_bearer(&kit.owner);
	*state = &kit;
	return 0;
}

static int
tear_down(void **state)
{
	arena_close(&((struct kit *)*state)->arena);
	return 0;
}

/* A token with these claims, or the text itself if it is no JSON. */
static enum err
get(struct kit *kit, const char *claims)
{
	struct str text, why;

	kit->token = str_from_c(claims);
	if (claims[0] == '{')
		kit->token = arena_printf(kit->arena, "head.%.*s.sign",
		                          STR_ARG(b64_encode(B64_URL, claims, strlen(claims), kit->arena)));
	return kit->bearer.get(kit->bearer.ctx, false, kit->arena, &text, &why);
}

static void
test_owner__a_url_of_me_has_me_behind_its_version(void **state)
{
	static const char *const urls[][2] = {
		{ "https://x/v1.0/me/calendars/delta", "https://x/v1.0/me" },
		{ "https://x/beta/me/calendars/delta", "https://x/beta/me" },
		{ "https://x/me/calendars/delta?a=/me/", "https://x/me" },
		{ "https://x:8443/V1.0/ME/mailFolders/me/messages/delta", "https://x:8443/V1.0/ME" },
		{ "https://x/v1.0/%6D%45/drive/root/delta", "https://x/v1.0/%6D%45" },
		{ "https://x//v1.0//me/drive/root/delta", "https://x//v1.0//me" },
		{ "https://x/gateway/v2.1/me/calendars/delta", "https://x/gateway/v2.1/me" },
		{ "https://x/v1.0/users/me/calendars/delta", NULL },
		{ "https://x/v1.0/users/delta?$filter=/me/", NULL },
		{ "https://x/v1.0/groups/x/me/delta", NULL },
		{ "https://x/v1.0/me2/delta", NULL },
		{ "https://x/verbs/me/delta", NULL },
		{ "https://me/v1.0/users/delta", NULL },
		{ "no url/v1.0/me/delta", NULL },
	};
	struct kit *kit = *state;
	struct str  link;

	for (size_t i = 0; i < COUNT_OF(urls); i++) {
		bool is_me = follow_owner_link(str_from_c(urls[i][0]), kit->arena, &link);

		assert_int_equal(is_me, urls[i][1] != NULL);
		if (is_me)
			assert_string_equal(arena_c(kit->arena, link),
			                    arena_c(kit->arena, arena_printf(kit->arena, "%s?$select=id", urls[i][1])));
	}
}

static void
test_owner__a_jwt_says_whose_it_is_and_nobody_is_asked(void **state)
{
	struct kit *kit = *state;

	assert_int_equal(get(kit, "{\"tid\":\"T\",\"oid\":\"O\"}"), OK);
	assert_string_equal(kit->owner.text, "T/O");
	assert_int_equal(kit->asks, 0);
}

static void
test_owner__every_other_token_is_asked_about_once(void **state)
{
	const char *tokens[] = {
		"opaque",
		"a.b.c",
		"{\"tid\":\"T\"}",
		"{\"oid\":\"O\"}",
		"{\"tid\":\"T\",\"oid\":7}",
		"{\"tid\":\"T\",\"oid\":\"a b\"}",
		"{\"tid\":\"T\",\"oid\":\"a/b\"}",
		"{\"tid\":\"T\",\"oid\":\"\\n\"}",
		"{\"tid\":\"T\",\"oid\":\"\"}",
		NULL, /* an id that is too long */
	};
	struct kit *kit = *state;
	char        long_id[200];

	(void)snprintf(long_id, sizeof(long_id), "{\"tid\":\"T\",\"oid\":\"%0121d\"}", 0);
	tokens[COUNT_OF(tokens) - 1] = long_id;
	for (size_t i = 0; i < COUNT_OF(tokens); i++) {
		kit->asks = 0;
		assert_int_equal(get(kit, tokens[i]), OK);
		assert_int_equal(get(kit, tokens[i]), OK);
		assert_int_equal(kit->asks, 1);
		assert_string_equal(kit->owner.text, "ID");
		assert_true(str_eq(kit->asked, kit->owner.link));
	}
}

static void
test_owner__what_says_nothing_leaves_the_owner_unknown(void **state)
{
	static const struct {
		unsigned    status;
		const char *body;
		enum err    err;
	} answers[] = {
		{ 200, "{\"id\":7}", OK },
		{ 200, "{}", OK },
		{ 200, "no json", OK },
		{ 200, "{\"id\":\"a b\"}", OK },
		{ 401, "{\"id\":\"ID\"}", OK },
		{ 403, "", OK },
		{ 404, "", OK },
		{ 302, "", OK },
		{ 204, "", OK },
		{ 429, "", ERR_BUSY },
		{ 503, "", ERR_BUSY },
	};
	struct kit *kit = *state;

	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		kit->status = answers[i].status;
		kit->body = str_from_c(answers[i].body);
		memset(kit->owner.seen, 0, sizeof(kit->owner.seen));
		assert_int_equal(get(kit, "opaque"), answers[i].err);
		assert_string_equal(kit->owner.text, "");
		assert_true(kit->owner.doubt[0] != '\0');
	}
	kit->status = 200;
	kit->body = STR("{\"id\":\"ID\"}");
	assert_int_equal(get(kit, "opaque-2"), OK);
	assert_string_equal(kit->owner.text, "ID");
	assert_string_equal(kit->owner.doubt, "");
}

static void
test_owner__the_token_of_another_owner_does_not_pass(void **state)
{
	struct kit *kit = *state;

	assert_int_equal(get(kit, "{\"tid\":\"T\",\"oid\":\"O\"}"), OK);
	assert_int_equal(get(kit, "{\"tid\":\"t\",\"oid\":\"o\",\"again\":1}"), OK);
	assert_int_equal(get(kit, "{\"tid\":\"T\",\"oid\":\"P\"}"), ERR_NO_IDENTITY);
	assert_int_equal(get(kit, "{\"tid\":\"T\",\"oid\":\"P\"}"), ERR_NO_IDENTITY);
	assert_int_equal(get(kit, "{\"tid\":\"U\",\"oid\":\"O\"}"), ERR_NO_IDENTITY);
	assert_int_equal(get(kit, "opaque"), ERR_NO_IDENTITY);
	kit->body = STR("{\"id\":\"o\"}");
	assert_int_equal(get(kit, "opaque"), OK);
	assert_string_equal(kit->owner.text, "T/O");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_owner__a_url_of_me_has_me_behind_its_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner__a_jwt_says_whose_it_is_and_nobody_is_asked, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_owner__every_other_token_is_asked_about_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owner__what_says_nothing_leaves_the_owner_unknown, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(test_owner__the_token_of_another_owner_does_not_pass, set_up,
		                                tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which served scope a path names, beside the paths of the store's own feeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/route.h"

#define G "https://graph.microsoft.com"

static const struct {
	const char *name, *url;
	bool        is_many;
} scopes[] = {
	{ "mail", G "/v1.0/users/ann/messages/delta?$select=subject", false },
	{ "cal", G "/v1.0/users/{user}/calendars/delta", true },
	{ "drive",
	  G "/beta/drives/b%21d1/root"
	    "/delta()",
	  false },
	{ "view", G "/v1.0/me/calendarView/microsoft.graph.delta", false },
	{ "users", G "/v1.0/users/delta", false },
	{ "plain", G "/v1.0/things", false },
	{ "other", G "/odata/things/delta", false },
	{ "early", "", false },
	{ "odd", G "/v1.0/x/p{n}q/delta", true },
	{ "third", G "/v1.0/users/%7Bn%7D/users/{n}/delta", true },
	{ "option", G "/v1.0/users/ann/messages/delta?x=/{n}/z", true },
	{ "team", G "/v1.0/groups/0000abcd-0000-4000-8000-00000000000f/sites/delta", false },
	{ "keyed", G "/v1.0/users('o''ann')/contacts/delta", false },
	{ "each", G "/v1.0/users('{u}')/events/f(id='{u}')/delta", true },
	{ "any", G "/v1.0/users/ann/{x}/delta", true },
	{ "one", G "/v1.0/drives/Abc/root/delta", false },
	{ "events", G "/v1.0/users/bea/events/delta", false },
	{ "both", G "/v1.0/users/bea/calendarView/delta", false },
	{ "mine", G "/v1.0/me/messages/delta", false },
	{ "noun", G "/v1.0/{x}/ann/calendars/delta", true },
};

#define LONG32    "0123456789abcdef0123456789abcdef"
#define LONG      LONG32 LONG32 LONG32 LONG32
#define LONG_NAME LONG32 LONG32 LONG32 "~c7651348a631d7cc" /* 100 bytes and FNV-1a of all */

static const struct {
	const char     *path, *scope; /* scope NULL: none is named */
	enum route_kind kind;
	const char     *id, *relation;
} cases[] = {
	{ "/v1.0/users/ann/messages/delta", "mail", ROUTE_DELTA, "delta", "" },
	{ "/V1.0/users/ann/messages/delta()", "mail", ROUTE_DELTA, "delta()", "" },
	{ "/v1.0/users/ann/messages", "mail", ROUTE_COLLECTION, "", "" },
	{ "/v1.0/users/ann/messages/$count", "mail", ROUTE_COLLECTION, "", "" },
	{ "/v1.0/users/ann/messages/a%2Fb", "mail", ROUTE_ITEM, "a/b", "" },
	{ "/v1.0/users/ann/messages/a/attachments", "mail", ROUTE_MEMBERS, "a", "attachments" },
	{ "/v1.0/users/ann/messages/a/b/c", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/beta/users/ann/messages/delta", "mail", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users/Ann/messages/delta", "mail", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/Users/ann/Messages/Delta", "mail", ROUTE_DELTA, "Delta", "" },
	{ "/v1.0/users('ann')/messages/a", "mail", ROUTE_ITEM, "a", "" },
	{ "/v1.0/users('bob')/messages/a", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users('bob')/calendars", "cal:bob", ROUTE_COLLECTION, "", "" },
	{ "/beta/drives/B!D1/root"
	  "/delta",
	  NULL, ROUTE_UNKNOWN, "", "" },
	{ "/beta/Drives/b!d1/Items/f", "drive", ROUTE_ITEM, "f", "" },
	{ "/v1.0/groups/0000ABCD-0000-4000-8000-00000000000F/sites/delta", "team", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/groups/0000abcd-0000-4000-8000-00000000000f/sites/Ab", "team", ROUTE_ITEM, "Ab", "" },
	{ "/beta/scopes/mail/delta", "mail", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/scopes/mail/a", "mail", ROUTE_ITEM, "a", "" },
	{ "/v1.0/scopes/mai/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/scopes/mail:x/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/x/scopes/mail/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users/bob/calendars/delta", "cal:bob", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users/bob/calendars/c1", "cal:bob", ROUTE_ITEM, "c1", "" },
	{ "/v1.0/scopes/cal:bob", "cal:bob", ROUTE_COLLECTION, "", "" },
	{ "/v1.0/scopes/cal/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users/bob/calendars/c1/permanentDelete", "cal:bob", ROUTE_MEMBERS, "c1", "permanentDelete" },
	{ "/beta/drives/b!d1/root"
	  "/delta",
	  "drive", ROUTE_DELTA, "delta", "" },
	{ "/beta/drives/b!d1/items", "drive", ROUTE_COLLECTION, "", "" },
	{ "/beta/drives/b!d1/items/f", "drive", ROUTE_ITEM, "f", "" },
	{ "/v1.0/me/calendarView/delta", "view", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/me/events/e", "view", ROUTE_ITEM, "e", "" },
	{ "/v1.0/users/delta", "users", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users", NULL, ROUTE_USERS, "", "" },
	{ "/v1.0/users/bob", NULL, ROUTE_USER, "", "" },
	{ "/v1.0/scopes/users/bob", "users", ROUTE_ITEM, "bob", "" },
	{ "/v1.0/things", "plain", ROUTE_DELTA, "", "" },
	{ "/v1.0/things/t", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/odata/things/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/scopes/other/delta", "other", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/scopes/early/delta", "early", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/x/p12q/delta", "odd:12", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/x/pq/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/me/calendars/delta", NULL, ROUTE_DELTA, "", "" },
	/* A key in brackets is a segment of its own, also in the scope's URL. */
	{ "/v1.0/users/o'ann/contacts/delta", "keyed", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users('o''ann')/contacts/c", "keyed", ROUTE_ITEM, "c", "" },
	/* What is no literal is text. */
	{ "/v1.0/scopes/mail/x(y')", "mail", ROUTE_ITEM, "x(y')", "" },
	{ "/v1.0/scopes/mail/x('y')", "mail", ROUTE_ITEM, "x('y')", "" },
	/* A word that comes twice is one value; a name holds no blank, and is not long. */
	{ "/v1.0/users/o'b/events/f(id='o''b')/delta", "each:o'b", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users/bob/events/f(id='eve')/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users/bob/events/f(id='b'b')/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users/a%20b/calendars/c", "cal:a%20b", ROUTE_ITEM, "c", "" },
	{ "/v1.0/users/5%25/calendars/c", "cal:5%25", ROUTE_ITEM, "c", "" },
	{ "/v1.0/x/p" LONG "q/delta", "odd:" LONG_NAME, ROUTE_DELTA, "delta", "" },
	/* A word takes no path from the store's own feeds. */
	{ "/v1.0/users/ann/things/delta", "any:things", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users/ann/calendarGroups/delta", NULL, ROUTE_ITEM, "", "" },
	{ "/v1.0/users/ann/calendarGroups", NULL, ROUTE_COLLECTION, "", "" },
	{ "/v1.0/scopes/noun:users/c", "noun:users", ROUTE_ITEM, "c", "" },
	/* Ids that differ in letter case are two. */
	{ "/v1.0/Drives/Abc/Root/delta", "one", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/drives/aBC/root/delta", NULL, ROUTE_UNKNOWN, "", "" },
	/* The noun of items names no round, and yields to a scope of that noun. */
	{ "/v1.0/me/events", "view", ROUTE_COLLECTION, "", "" },
	{ "/v1.0/me/events/e/x", "view", ROUTE_MEMBERS, "e", "x" },
	{ "/v1.0/me/events/delta", NULL, ROUTE_UNKNOWN, "", "" },
	{ "/v1.0/users/bea/events/delta", "events", ROUTE_DELTA, "delta", "" },
	{ "/v1.0/users/bea/events/e", "events", ROUTE_ITEM, "e", "" },
	{ "/v1.0/users/bea/calendarView/e", "both", ROUTE_ITEM, "e", "" },
};

static struct served_all
served(struct arena *arena)
{
	struct graph_served *all = arena_take(arena, sizeof(scopes) / sizeof(scopes[0]) * sizeof(*all));
	struct graph_parts   parts = { .served = all, .served_count = sizeof(scopes) / sizeof(scopes[0]) };

	for (size_t i = 0; i < parts.served_count; i++)
		all[i] = (struct graph_served){ .name = str_from_c(scopes[i].name),
			                        .url = str_from_c(scopes[i].url),
			                        .is_many = scopes[i].is_many };
	return served_read(&parts, arena);
}

static void
test_served__a_path_names_a_scope_by_its_url_or_its_name(void **state)
{
	struct arena     *arena = arena_open((size_t)1 << 20);
	struct served_all all = served(arena);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route route;

		assert_int_equal(route_parse(str_from_c(cases[i].path), &all, arena, &route), OK);
		if (route.kind != cases[i].kind || !str_eq(route.scope, str_from_c(cases[i].scope)) ||
		    (cases[i].scope && (!str_eq(route.id, str_from_c(cases[i].id)) ||
		                        !str_eq(route.relation, str_from_c(cases[i].relation)))))
			fail_msg("%s is kind %d of \"%.*s\", id \"%.*s\"", cases[i].path, (int)route.kind,
			         STR_ARG(route.scope), STR_ARG(route.id));
	}
	arena_close(&arena);
}

static void
test_served__a_scope_stands_where_its_url_is(void **state)
{
	struct arena        *arena = arena_open((size_t)1 << 20);
	struct served_all    all = served(arena);
	const struct served *mail = &all.at[0], *cal = &all.at[1];

	(void)state;
	assert_true(served_is_at(mail, STR("mail"), STR(G "/v1.0/users/ann/messages/delta?$select=subject"), arena));
	assert_false(served_is_at(mail, STR("mail"), STR(G "/v1.0/users/ann/messages/delta"), arena));
	assert_false(served_is_at(mail, STR("mail"), STR("http://other/v1.0/users/ann/messages/delta?$select=subject"),
	                          arena));
	assert_false(served_is_at(mail, STR("mail"), STR(G "/v1.0/users/bob/messages/delta"), arena));
	assert_false(served_is_at(mail, STR("mail"), STR(G "/v1.0/users/ann/messages"), arena));
	assert_true(served_is_at(cal, STR("cal:bob"), STR(G "/v1.0/users/bob/calendars/delta"), arena));
	assert_false(served_is_at(cal, STR("cal:ann"), STR(G "/v1.0/users/bob/calendars/delta"), arena));
	arena_close(&arena);
}

/* Those that are as the section has them, and those that must be read, give the same. */
static const struct {
	size_t      at; /* in `scopes` */
	const char *scope, *url, *owner;
	bool        is_there;
} urls[] = {
	{ 0, "mail", G "/v1.0/users/ann/messages/delta?$select=subject", "ann", true },
	{ 0, "mail", G "/v1.0/users/ann/messages/delta?$select=body", "ann", false },
	{ 0, "mail", G "/beta/users/bob/x/delta", "bob", false },
	{ 0, "mail", G "/v1.0/groups/bob/x/delta", "", false },
	{ 0, "mail", G "/v1.0/users/delta", "", false },
	{ 1, "cal:bob", G "/v1.0/users/bob/calendars/delta", "bob", true },
	{ 1, "cal:bob", G "/v1.0/users/b%6fb/calendars/delta", "bob", true },
	{ 1, "cal:bob", "http://other/v1.0/users/bob/calendars/delta", "bob", false },
	{ 1, "cal:ann", G "/v1.0/users/bob/calendars/delta", "bob", false },
	{ 1, "cal:a@b.c", G "/v1.0/users/a%40b.c/calendars/delta", "a@b.c", true },
	{ 1, "cal:a/b", G "/v1.0/users/a%2Fb/calendars/delta", "a/b", true },
	{ 1, "cal:a/b", G "/v1.0/users/a/b/calendars/delta", "a", false },
	{ 1, "cal:", G "/v1.0/users//calendars/delta", "calendars", false },
	{ 1, "cal:bob", G "/v1.0/users/bob/calendars/delta?x", "bob", false },
	{ 1, "cal:b?c", G "/v1.0/users/b?c/calendars/delta", "", false },
	{ 4, "users", G "/v1.0/users/delta", "", true },
	{ 5, "plain", G "/v1.0/things/x", "", false },
	{ 6, "other", G "/odata/things/delta", "", true },
	{ 6, "other", G "/odata/others/delta", "", false },
	{ 7, "early", G "/odata/others/delta", "", true },
	{ 8, "odd:12", G "/v1.0/x/p12q/delta", "", true },
	{ 8, "odd:13", G "/v1.0/x/p12q/delta", "", false },
	{ 9, "third:y", G "/v1.0/users/%7Bn%7D/users/y/delta", "{n}", true },
	{ 10, "option:y", G "/v1.0/users/ann/messages/delta?x=/y/z", "ann", true },
	{ 10, "option:y", G "/v1.0/users/ann/contacts/delta?x=/y/z", "ann", false },
	{ 12, "keyed", G "/v1.0/users('o''ann')/contacts/delta", "o'ann", true },
	{ 13, "each:o'b", G "/v1.0/users('o%27%27b')/events/f(id='o%27%27b')/delta", "o'b", true },
	{ 13, "each:bob", G "/v1.0/users('bob')/events/f(id='eve')/delta", "bob", false },
	{ 13, "each:bob", G "/v1.0/users('bob')/tasks/f(id='bob')/delta", "bob", false },
	{ 18, "mine", G "/v1.0/me/calendars/delta", "", false },
};

static void
test_served__the_owner_and_the_place_are_read_from_the_url(void **state)
{
	struct arena     *arena = arena_open((size_t)1 << 20);
	struct served_all all = served(arena);

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		const struct served *one = &all.at[urls[i].at];
		struct served        unknown = *one;
		struct str           scope = str_from_c(urls[i].scope), url = str_from_c(urls[i].url);
		struct str           owner = served_owner_of(one, STR("other"), url, arena), read;

		unknown.url = STR("-"); /* always read */
		read = served_owner_of(&unknown, STR("other"), url, arena);
		if (served_is_at(one, scope, url, arena) != urls[i].is_there ||
		    !str_eq(owner, str_from_c(urls[i].owner)) || !str_eq(owner, read))
			fail_msg("%s is of \"%.*s\", read of \"%.*s\"", urls[i].url, STR_ARG(owner), STR_ARG(read));
	}
	assert_true(str_eq(served_owner_of(&all.at[1], STR("bob"), STR_EMPTY, arena), STR("bob")));
	assert_true(str_eq(served_owner_of(&all.at[0], STR_EMPTY, STR_EMPTY, arena), STR("ann")));
	arena_close(&arena);
}

static const struct {
	const char *a, *b;
	bool        clash;
} pairs[] = {
	{ G "/v1.0/users/ann/messages/delta", "http://other/beta/Users/Ann/Messages/delta()?x=y", true },
	{ G "/v1.0/users/a%40b.c/messages/delta", G "/v1.0/users/a@b.c/messages/microsoft.graph.delta", true },
	{ G "/v1.0/users/ann/messages/delta", G "/v1.0/users/ann/messages", true },
	{ G "/v1.0/users/ann/messages/delta", G "/v1.0/users/bob/messages/delta", false },
	{ G "/v1.0/users/ann/messages/delta", G "/v1.0/users/{user}/messages/delta", true },
	{ G "/v1.0/users/ann/messages/delta", G "/v1.0/users/{user}/events/delta", false },
	{ G "/v1.0/drives/b!a1/root/delta", G "/v1.0/drives/b!A1/root/delta", false },
	{ G "/v1.0/drives/abc/root/delta", G "/v1.0/drives/aBC/root/delta", false },
	{ G "/v1.0/users('ann')/messages/delta", G "/v1.0/users/ann/messages/delta", true },
	{ G "/v1.0/users/bea/calendarView/delta", G "/v1.0/users/bea/events/delta", false },
	{ G "/one/things/delta", G "/two/things/delta", false },
	{ G "/odata/things/delta", G "/v1.0/things/delta", false },
	{ G "/v1.0/me/calendars/delta", G "/v1.0/me/calendars/delta", false },
	{ "", "", false },
};

static void
test_served__two_scopes_clash_where_one_path_names_both(void **state)
{
	struct arena *arena = arena_open((size_t)1 << 20);
	size_t        at[2];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct graph_served two[] = { { .name = STR("a"), .url = str_from_c(pairs[i].a) },
			                      { .name = STR("b"), .url = str_from_c(pairs[i].b) } };

		if (graph_served_clash(two, 2, arena, at) != pairs[i].clash)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
	}
	arena_close(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_served__a_path_names_a_scope_by_its_url_or_its_name),
		cmocka_unit_test(test_served__a_scope_stands_where_its_url_is),
		cmocka_unit_test(test_served__the_owner_and_the_place_are_read_from_the_url),
		cmocka_unit_test(test_served__two_scopes_clash_where_one_path_names_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

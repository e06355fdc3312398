/* SPDX-License-Identifier: Apache-2.0 */
/* user — the descriptor of the user resource: who is in the directory, read only. */
#include "resource/user.h"

#define READ RIGHT_USERS_READ
#define FIND (PROPERTY_FILTER | PROPERTY_SORT)

/* What Graph sends of a user by default.  The store knows four of them. */
static const struct property rows[] = {
	{ .name = "id", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL | PROPERTY_FILTER },
	{ .name = "businessPhones", .type = TYPE_STRINGS, .initial = "[]" },
	{ .name = "displayName", .type = TYPE_STRING, .flags = FIND },
	{ .name = "givenName", .type = TYPE_STRING },
	{ .name = "jobTitle", .type = TYPE_STRING },
	{ .name = "mail", .type = TYPE_STRING, .flags = FIND },
	{ .name = "mobilePhone", .type = TYPE_STRING },
	{ .name = "officeLocation", .type = TYPE_STRING },
	{ .name = "preferredLanguage", .type = TYPE_STRING },
	{ .name = "surname", .type = TYPE_STRING },
	{ .name = "userPrincipalName", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL | FIND },
};

static const struct resource_path paths[] = {
	{ "", ROUTE_USER, READ, READ },
	{ "/me", ROUTE_USER, RIGHT_ME_READ, RIGHT_ME_READ },
	{ "/users", ROUTE_USERS, READ, READ },
	{ NULL, ROUTE_UNKNOWN, RIGHT_COUNT, RIGHT_COUNT },
};

static const char *const any[] = { RIGHT_ANY, NULL };
static const char *const none[] = { NULL };
static const char *const all[] = { "User.ReadBasic.All", "User.Read.All", "Directory.Read.All", NULL };
static const char *const oneself[] = { "User.Read", "User.ReadBasic.All", "User.Read.All", "Directory.Read.All", NULL };

static const struct right_row rights[] = {
	{ RIGHT_ME_READ, "`/me`: the signed-in user", any, none, NULL },
	{ RIGHT_USERS_READ, "list and get of users", oneself, all, all },
	{ RIGHT_COUNT, NULL, NULL, NULL, NULL },
};

static const struct navigation links[] = {
	{ "calendar", "graph.calendar" },
	{ "calendars", "Collection(graph.calendar)" },
	{ "calendarGroups", "Collection(graph.calendarGroup)" },
	{ "onlineMeetings", "Collection(graph.onlineMeeting)" },
	{ NULL, NULL },
};

const struct resource resource_user = {
	.name = "user",
	.article = "a",
	.odata_type = "#microsoft.graph.user",
	.collection = "users",
	.functions = none,
	.identity = NAMES("id"),
	.removal = REMOVAL_ANNOTATION,
	.updates = UPDATES_PARTIAL,
	.relations = none,
	.lists = true,
	.page_size = 200,
	.paths = paths,
	.rights = rights,
	.properties = rows,
	.property_count = sizeof(rows) / sizeof(rows[0]),
	.key = USER_PRINCIPAL_NAME,
	.item_path = "users('{id}')",
	.links = links,
	.is_bare = true,
	.pieces = resource_plain_pieces,
	.read = resource_plain_read,
};

static void
set(struct values *values, size_t row, struct str text, struct arena *arena)
{
	if (text.len > 0)
		values_set_text(values, row, text, arena);
}

struct item
user_item(const struct user_values *user, struct arena *arena)
{
	struct values values = { .unknown = STR_EMPTY };

	set(&values, USER_ID, user->id, arena);
	set(&values, USER_DISPLAY_NAME, user->display_name, arena);
	set(&values, USER_MAIL, user->mail, arena);
	set(&values, USER_PRINCIPAL_NAME, user->principal_name, arena);
	values_fill(&values, &resource_user);
	return (struct item){
		.id = user->id,
		.key = values_folded(&values, USER_PRINCIPAL_NAME, arena),
		.body = resource_plain_body(&resource_user, &values, arena),
	};
}

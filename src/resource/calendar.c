/* SPDX-License-Identifier: Apache-2.0 */
/* calendar — the descriptor of the calendar resource. */
#include "resource/calendar.h"

#include "text/json_span.h"

#define NAME_CHARACTERS_MAX 255

/* ---- checks beyond type and length ------------------------------------------------------------------------ */

static size_t
count_characters(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += ((unsigned char)text.at[i] & 0xc0) != 0x80;
	return count;
}

static const char *
check_name(struct str raw, struct str text, struct arena *arena)
{
	(void)raw;
	(void)arena;
	if (str_trim(text).len == 0)
		return "must not be empty";
	if (count_characters(text) > NAME_CHARACTERS_MAX)
		return "must not be longer than 255 characters";
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f)
			return "must not hold control characters";
	return NULL;
}

/* It goes into ETags, where RFC 9110 section 8.8.3 allows no more. */
static const char *
check_change_key(struct str raw, struct str text, struct arena *arena)
{
	(void)raw;
	(void)arena;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= 0x20 || text.at[i] >= 0x7f || text.at[i] == '"' || text.at[i] == '\\')
			return "must hold visible ASCII without quotes only";
	return NULL;
}

static const char *
check_owner(struct str raw, struct str text, struct arena *arena)
{
	static const char *const members[] = { "name", "address" };
	struct str               value;

	for (int i = 0; i < 2; i++)
		if (json_span_member(raw, str_from_c(members[i]), &value) && value.at[0] != 'n' &&
		    (!json_span_text(value, arena, &text) || text.len > RESOURCE_TEXT_MAX))
			return "must have a name and an address that are strings";
	return NULL;
}

/* ---- the rows --------------------------------------------------------------------------------------------- */

static const struct enumeration color = {
	"calendarColor", -1,
	(const char *const[]){ "auto", "lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow", "lightTeal",
	                       "lightPink", "lightBrown", "lightRed", "maxColor", NULL },
};

static const struct enumeration provider = {
	"onlineMeetingProviderType", 0,
	(const char *const[]){ "unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness", NULL },
};

#define NEEDED (PROPERTY_NOT_NULL | PROPERTY_NEEDED)
#define BOTH   (PROPERTY_CREATE | PROPERTY_UPDATE)
#define BETA   PROPERTY_BETA
#define FILTER PROPERTY_FILTER

/* In the order of Graph's own sample.  Numbers are stored: add rows at the end. */
static const struct property rows[] = {
	{ .name = "id", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL, .bytes_max = STORE_ID_MAX },
	{ .name = "name", .type = TYPE_STRING, .flags = NEEDED | BOTH | FILTER | PROPERTY_SORT, .bytes_max = 4 * NAME_CHARACTERS_MAX, .check = check_name },
	{ .name = "color", .type = TYPE_ENUM, .flags = BOTH, .initial = "\"auto\"", .enumeration = &color },
	{ .name = "hexColor", .type = TYPE_STRING, .flags = 0, .initial = "\"\"" },
	{ .name = "groupClassId", .type = TYPE_GUID, .flags = BETA, .initial = "\"0006f0b7-0000-0000-c000-000000000046\"" },
	{ .name = "isDefaultCalendar", .type = TYPE_BOOLEAN, .flags = PROPERTY_UPDATE | FILTER, .initial = "false" },
	{ .name = "changeKey", .type = TYPE_STRING, .flags = 0, .check = check_change_key },
	{ .name = "canShare", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true" },
	{ .name = "canViewPrivateItems", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true" },
	{ .name = "isShared", .type = TYPE_BOOLEAN, .flags = BETA | FILTER, .initial = "false" },
	{ .name = "isSharedWithMe", .type = TYPE_BOOLEAN, .flags = BETA | FILTER, .initial = "false" },
	{ .name = "canEdit", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true" },
	{ .name = "calendarGroupId", .type = TYPE_STRING, .flags = BETA | PROPERTY_CREATE, .initial = "null" },
	{ .name = "allowedOnlineMeetingProviders", .type = TYPE_ENUMS, .flags = 0, .initial = "[\"teamsForBusiness\"]", .enumeration = &provider },
	{ .name = "defaultOnlineMeetingProvider", .type = TYPE_ENUM, .flags = PROPERTY_UPDATE, .initial = "\"teamsForBusiness\"", .enumeration = &provider },
	{ .name = "isTallyingResponses", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "false" },
	{ .name = "isRemovable", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true" },
	{ .name = "owner", .type = TYPE_OBJECT, .flags = 0, .complex = "emailAddress", .check = check_owner },
};

static const struct store_column columns[] = {
	{ "name", "name" }, { "color", "color" }, { "hexColor", "hexColor" }, { "isDefaultCalendar", "isDefaultCalendar" },
	{ "changeKey", "changeKey" }, { "canEdit", "canEdit" }, { "canShare", "canShare" },
	{ "canViewPrivateItems", "canViewPrivateItems" }, { "isRemovable", "isRemovable" },
	{ "isTallyingResponses", "isTallyingResponses" }, { "ownerName", "owner.name" }, { "ownerAddress", "owner.address" },
	{ NULL, NULL },
};

/* ---- paths and rights ---------------------------------------------------------------------------------------- */

static const struct resource_path paths[] = {
	{ "calendar", ROUTE_DEFAULT_CALENDAR },
	{ "calendar/permanentDelete()", ROUTE_PERMANENT_DELETE },
	{ "calendars", ROUTE_CALENDARS },
	{ "calendars/delta()", ROUTE_CALENDARS_DELTA },
	{ "calendars/{id}", ROUTE_CALENDAR },
	{ "calendars/{id}/permanentDelete()", ROUTE_PERMANENT_DELETE },
	{ "calendarGroups", ROUTE_GROUPS },
	{ "calendarGroups/{group}", ROUTE_GROUP },
	{ "calendarGroups/{group}/calendars", ROUTE_GROUP_CALENDARS },
	{ NULL, ROUTE_UNKNOWN },
};

static const struct right_row rights[] = {
	{
		RIGHT_CALENDARS_READ, "list, get and delta of calendars",
		(const char *const[]){ "Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite", NULL },
		(const char *const[]){ "Calendars.ReadBasic", "Calendars.ReadBasic.All", "Calendars.Read",
		                       "Calendars.ReadWrite", NULL },
	},
	{
		RIGHT_CALENDARS_WRITE, "create, update and delete of calendars",
		(const char *const[]){ "Calendars.ReadWrite", NULL },
		(const char *const[]){ "Calendars.ReadWrite", NULL },
	},
	{ RIGHT_COUNT, NULL, NULL, NULL },
};

const struct resource resource_calendar = {
	.number = 1,
	.name = "calendar",
	.article = "a",
	.odata_type = "#microsoft.graph.calendar",
	.collection = "calendars",
	.functions = (const char *const[]){ NULL },
	.identity = (const char *const[]){ "id", NULL },
	.removal = REMOVAL_ANNOTATION,
	.updates = UPDATES_PARTIAL,
	.relations = (const char *const[]){ NULL },
	.lists = true,
	.page_size = 200,
	.view = { "calendars", "#microsoft.graph.calendar", columns },
	.paths = paths,
	.rights = rights,
	.properties = rows,
	.property_count = sizeof(rows) / sizeof(rows[0]),
	.key = CALENDAR_NAME,
	.item_path = "users('{owner}@{tenant}')/calendars('{id}')",
	.pieces = calendar_pieces,
	.read = calendar_read,
	.delta_function = 1,
	.version_row = CALENDAR_CHANGE_KEY,
	.id_is_shaped = calendar_id_is_shaped,
	.ensure = calendar_ensure_default,
	.require_default = calendar_require_default,
	.create = calendar_create,
	.update = calendar_update,
	.remove = calendar_remove,
	.put_import = calendar_put_import,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* calendar — the descriptor of the calendar resource. */
#include "resource/calendar.h"
#include "resource/calendar_group.h"
#include "resource/mailbox.h"

#include "text/json_span.h"

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

static const struct enumeration color = {
	"calendarColor",
	-1,
	NAMES("auto", "lightBlue", "lightGreen", "lightOrange", "lightGray", "lightYellow", "lightTeal", "lightPink",
	      "lightBrown", "lightRed", "maxColor"),
};

static const struct enumeration provider = {
	"onlineMeetingProviderType",
	0,
	NAMES("unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness"),
};

#define NEEDED (PROPERTY_NOT_NULL | PROPERTY_NEEDED)
#define BOTH   (PROPERTY_CREATE | PROPERTY_UPDATE)
#define BETA   PROPERTY_BETA
#define FILTER PROPERTY_FILTER

static const struct store_column owner_columns[] = {
	{ "ownerName", "owner.name", NULL },
	{ "ownerAddress", "owner.address", NULL },
	{ NULL, NULL, NULL },
};

/* In the order of Graph's own sample.  Numbers are stored: add rows at the end. */
static const struct property rows[] = {
	{ .name = "id", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL, .bytes_max = STORE_ID_MAX },
	{ .name = "name",
	  .type = TYPE_STRING,
	  .flags = NEEDED | BOTH | FILTER | PROPERTY_SORT,
	  .bytes_max = MAILBOX_NAME_BYTES,
	  .check = mailbox_check_name,
	  IN_VIEW("name", 1) },
	{ .name = "color",
	  .type = TYPE_ENUM,
	  .flags = BOTH,
	  .initial = "\"auto\"",
	  .enumeration = &color,
	  IN_VIEW("color", 2) },
	{ .name = "hexColor",
	  .type = TYPE_STRING,
	  .flags = BOTH | PROPERTY_BETA_SET,
	  .initial = "\"\"",
	  IN_VIEW("hexColor", 3) },
	{ .name = "groupClassId",
	  .type = TYPE_GUID,
	  .flags = BETA,
	  .initial = "\"0006f0b7-0000-0000-c000-000000000046\"" },
	{ .name = "isDefaultCalendar",
	  .type = TYPE_BOOLEAN,
	  .flags = PROPERTY_UPDATE | FILTER,
	  .initial = "false",
	  TRUTH_IN_VIEW("isDefaultCalendar", 4) },
	{ .name = "changeKey", .type = TYPE_STRING, .check = mailbox_check_change_key, IN_VIEW("changeKey", 5) },
	{ .name = "canShare", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true", TRUTH_IN_VIEW("canShare", 7) },
	{ .name = "canViewPrivateItems",
	  .type = TYPE_BOOLEAN,
	  .flags = FILTER,
	  .initial = "true",
	  TRUTH_IN_VIEW("canViewPrivateItems", 8) },
	{ .name = "isShared", .type = TYPE_BOOLEAN, .flags = BETA | FILTER, .initial = "false" },
	{ .name = "isSharedWithMe", .type = TYPE_BOOLEAN, .flags = BETA | FILTER, .initial = "false" },
	{ .name = "canEdit", .type = TYPE_BOOLEAN, .flags = FILTER, .initial = "true", TRUTH_IN_VIEW("canEdit", 6) },
	{ .name = "calendarGroupId", .type = TYPE_STRING, .flags = BETA | PROPERTY_CREATE, .initial = "null" },
	{ .name = "allowedOnlineMeetingProviders",
	  .type = TYPE_ENUMS,
	  .initial = "[\"teamsForBusiness\"]",
	  .enumeration = &provider },
	{ .name = "defaultOnlineMeetingProvider",
	  .type = TYPE_ENUM,
	  .flags = PROPERTY_UPDATE,
	  .initial = "\"teamsForBusiness\"",
	  .enumeration = &provider },
	{ .name = "isTallyingResponses",
	  .type = TYPE_BOOLEAN,
	  .flags = FILTER,
	  .initial = "false",
	  TRUTH_IN_VIEW("isTallyingResponses", 10) },
	{ .name = "isRemovable",
	  .type = TYPE_BOOLEAN,
	  .flags = FILTER,
	  .initial = "true",
	  TRUTH_IN_VIEW("isRemovable", 9) },
	{ .name = "owner",
	  .type = TYPE_OBJECT,
	  .complex = "emailAddress",
	  .check = check_owner,
	  .columns = owner_columns,
	  .column_at = 11 },
};

/* The most frequent path comes first. */
static const struct resource_path paths[] = {
	{ "calendars/delta()", ROUTE_DELTA, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendar", ROUTE_DEFAULT_ITEM, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendar/permanentDelete()", ROUTE_PERMANENT_DELETE, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendars", ROUTE_COLLECTION, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendars/{id}", ROUTE_ITEM, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendars/{id}/permanentDelete()", ROUTE_PERMANENT_DELETE, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendarGroups/{group}/calendars", ROUTE_COLLECTION, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendarGroups/{group}/calendars/{id}", ROUTE_ITEM, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendarGroups/{group}/calendars/{id}/permanentDelete()", ROUTE_PERMANENT_DELETE, RIGHT_CALENDARS_READ,
	  RIGHT_CALENDARS_WRITE },
	{ NULL, ROUTE_UNKNOWN, RIGHT_COUNT, RIGHT_COUNT },
};

static const struct right_row rights[] = {
	{ RIGHT_CALENDARS_READ, "list, get and delta of calendars",
	  NAMES("Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite"),
	  NAMES("Calendars.ReadBasic", "Calendars.ReadBasic.All", "Calendars.Read", "Calendars.ReadWrite"), NULL },
	{ RIGHT_CALENDARS_WRITE, "create, update and delete of calendars", NAMES("Calendars.ReadWrite"),
	  NAMES("Calendars.ReadWrite"), NULL },
	{ RIGHT_COUNT, NULL, NULL, NULL, NULL },
};

const struct resource resource_calendar = {
	.number = CALENDAR_FEED,
	.name = "calendar",
	.article = "a",
	.odata_type = "#microsoft.graph.calendar",
	.collection = "calendars",
	.functions = NONE,
	.identity = NAMES("id"),
	.removal = REMOVAL_ANNOTATION,
	.updates = UPDATES_PARTIAL,
	.relations = NONE,
	.lists = true,
	.page_size = 200,
	.paths = paths,
	.rights = rights,
	.properties = rows,
	.property_count = sizeof(rows) / sizeof(rows[0]),
	.key = CALENDAR_NAME,
	.item_path = "users('{owner}@{tenant}')/calendars('{id}')",
	.pieces = calendar_pieces,
	.read = calendar_read,
	.delta_function = 1,
	.has_extended = true,
	.version_row = CALENDAR_CHANGE_KEY,
	.id_is_shaped = mailbox_id_is_shaped,
	.groups = &resource_calendar_group,
	.is_in = calendar_is_in,
	.ensure = calendar_ensure_default,
	.require_default = calendar_require_default,
	.create = calendar_create,
	.update = calendar_update,
	.remove = calendar_remove,
	.put_import = calendar_put_import,
};

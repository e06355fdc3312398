/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/calendar_group.h"

#include "resource/calendar.h"
#include "resource/mailbox.h"
#include "resource/values.h"
#include "text/json_span.h"

#define SCRATCH_MAX ((size_t)16 << 20)

enum group_row { GROUP_ID, GROUP_NAME, GROUP_CHANGE_KEY, GROUP_CLASS };

static const struct {
	const char *class_id;
	const char *name;
} classes[] = {
	{ "0006f0b7-0000-0000-c000-000000000046", "My Calendars" },
	{ "0006f0b8-0000-0000-c000-000000000046", "Other Calendars" },
	{ "0006f0b9-0000-0000-c000-000000000046", "People's Calendars" },
};

/* ---- the descriptor --------------------------------------------------------------------------------------- */

static const struct property rows[] = {
	{ .name = "id", .type = TYPE_STRING, .flags = PROPERTY_NOT_NULL, .bytes_max = STORE_ID_MAX },
	{ .name = "name",
	  .type = TYPE_STRING,
	  .flags = PROPERTY_CREATE | PROPERTY_UPDATE | PROPERTY_FILTER | PROPERTY_SORT,
	  .bytes_max = MAILBOX_NAME_BYTES,
	  .check = mailbox_check_name,
	  IN_VIEW("name", 1) },
	{ .name = "changeKey", .type = TYPE_STRING, .check = mailbox_check_change_key, IN_VIEW("changeKey", 2) },
	{ .name = "classId", .type = TYPE_GUID, IN_VIEW("classId", 3) },
};

static const struct resource_path paths[] = {
	{ "calendarGroups", ROUTE_COLLECTION, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ "calendarGroups/{id}", ROUTE_ITEM, RIGHT_CALENDARS_READ, RIGHT_CALENDARS_WRITE },
	{ NULL, ROUTE_UNKNOWN, RIGHT_COUNT, RIGHT_COUNT },
};

/* ---- which group a calendar is in ------------------------------------------------------------------------- */

static struct str
text_of(struct str raw, struct arena *arena)
{
	struct str text;

	return raw.len > 0 && raw.at[0] == '"' && json_span_text(raw, arena, &text) ? text : STR_EMPTY;
}

/* An unknown class counts as the first. */
static size_t
class_of(struct str group_class, struct arena *arena)
{
	struct str text = text_of(group_class, arena);

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (str_eq_nocase(text, str_from_c(classes[i].class_id)))
			return i;
	return 0;
}

static struct str
id_of_class(const struct guid *owner, size_t class, struct arena *arena)
{
	return mailbox_group_id(owner, str_from_c(classes[class].class_id), arena);
}

struct str
calendar_group_of(const struct guid *owner, struct str group_id, struct str group_class, struct arena *arena)
{
	struct str named = text_of(group_id, arena);

	return named.len > 0 ? named : id_of_class(owner, class_of(group_class, arena), arena);
}

static void
read_members(struct str body, struct str *group_id_out, struct str *group_class_out)
{
	struct str json = calendar_json(body);

	*group_id_out = *group_class_out = STR_EMPTY;
	(void)json_span_member(json, STR("calendarGroupId"), group_id_out);
	(void)json_span_member(json, STR("groupClassId"), group_class_out);
}

bool
calendar_is_in(const struct guid *owner, struct str body, struct str group, struct arena *arena)
{
	struct str group_id, group_class;

	read_members(body, &group_id, &group_class);
	return str_eq(calendar_group_of(owner, group_id, group_class, arena), group);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static struct resource_ctx
groups_of(const struct resource_ctx *ctx)
{
	struct resource_ctx groups = *ctx;

	groups.resource = &resource_calendar_group;
	groups.feed.collection = resource_calendar_group.number;
	return groups;
}

/* Gives the group what it lacks, and writes it. */
static void
write_group(struct store_txn *txn, const struct resource_ctx *ctx, struct values *group, struct item *item_out)
{
	struct feed_state state;
	struct guid       class_id;

	if (!mailbox_state(txn, ctx, &state))
		return;
	if (group->raw[GROUP_ID].len == 0)
		values_set_text(group, GROUP_ID, mailbox_id(ctx, &state), ctx->arena);
	if (values_is_null(group, GROUP_CHANGE_KEY))
		values_set_text(group, GROUP_CHANGE_KEY, mailbox_change_key(&state, ctx->arena), ctx->arena);
	if (values_is_null(group, GROUP_CLASS)) {
		class_id = guid_random(ctx->entropy);
		values_set_text(group, GROUP_CLASS, str_from_c(guid_str(&class_id).c), ctx->arena);
	}
	*item_out = (struct item){
		.id = values_text(group, GROUP_ID, ctx->arena),
		.key = values_folded(group, GROUP_NAME, ctx->arena),
		.body = resource_plain_body(ctx->resource, group, ctx->arena),
	};
	if (item_out->body.len == 0)
		store_fail(txn, ERR_TOO_LARGE);
	else
		store_put(txn, &ctx->feed, item_out);
}

void
calendar_group_note(struct store_txn *txn, const struct resource_ctx *ctx, struct str group_id, struct str group_class)
{
	struct resource_ctx groups = groups_of(ctx);
	size_t class = class_of(group_class, ctx->arena);
	struct str    id = calendar_group_of(&ctx->feed.owner, group_id, group_class, ctx->arena);
	struct values group = { .unknown = STR_EMPTY };
	struct item   item;

	if (store_txn_get(txn, &groups.feed, id, &item) || store_txn_err(txn) != OK)
		return;
	values_set_text(&group, GROUP_ID, id, ctx->arena);
	values_set_text(&group, GROUP_CLASS, str_from_c(classes[class].class_id), ctx->arena);
	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (str_eq(id, id_of_class(&ctx->feed.owner, i, ctx->arena)))
			values_set_text(&group, GROUP_NAME, str_from_c(classes[i].name), ctx->arena);
	write_group(txn, &groups, &group, &item);
}

/* Walks the calendars: notes the group of each, or, with a group, only looks for one in it.  True: there is one. */
static bool
walk_calendars(struct store_txn *txn, const struct resource_ctx *ctx, struct str group)
{
	AUTO(arena_close) struct arena *scratch = arena_open(SCRATCH_MAX);
	struct resource_ctx             each = *ctx;
	struct store_feed               calendars = ctx->feed;
	struct str                      first = id_of_class(&ctx->feed.owner, 0, ctx->arena), group_id, group_class;
	struct item                     item = { .seq = 0 };

	calendars.collection = CALENDAR_FEED;
	each.arena = scratch;
	while (store_txn_next(txn, &calendars, item.seq, scratch, &item)) {
		if (calendar_is_in(&calendars.owner, item.body, group.len > 0 ? group : first, scratch)) {
			if (group.len > 0)
				return true;
		} else if (group.len == 0) {
			read_members(item.body, &group_id, &group_class);
			calendar_group_note(txn, &each, group_id, group_class);
		}
		arena_reset(scratch);
	}
	return false;
}

void
calendar_group_ensure(struct store_txn *txn, const struct resource_ctx *ctx)
{
	struct resource_ctx groups = groups_of(ctx);
	struct feed_state   state;

	if (!store_txn_state(txn, &groups.feed, &state) || state.exists)
		return;
	calendar_group_note(txn, &groups, STR_EMPTY, STR_EMPTY);
	(void)walk_calendars(txn, &groups, STR_EMPTY);
}

static enum err
find_group(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct values *group_out)
{
	struct item item;

	calendar_group_ensure(txn, ctx);
	if (!store_txn_get(txn, &ctx->feed, id, &item))
		return store_txn_err(txn) != OK ? store_txn_err(txn) : ERR_NOT_FOUND;
	return resource_plain_read(ctx->resource, item.body, NULL, ctx->arena, group_out) ? OK : ERR_CORRUPT;
}

bool
calendar_group_find(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str *class_out)
{
	struct resource_ctx groups = groups_of(ctx);
	struct values       group;
	enum err            err = find_group(txn, &groups, id, &group);

	if (err != OK && err != ERR_NOT_FOUND)
		store_fail(txn, err);
	*class_out = err == OK ? group.raw[GROUP_CLASS] : STR_EMPTY;
	return err == OK;
}

static enum err
find_unchanged(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
               struct values *group_out)
{
	TRY(find_group(txn, ctx, id, group_out));
	return if_match.len == 0 || mailbox_etag_fits(if_match, values_text(group_out, GROUP_CHANGE_KEY, ctx->arena))
	               ? OK
	               : ERR_STALE;
}

/* Takes the name that a POST or PATCH brings, if it is free. */
static enum err
take_name(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *sent, struct values *group,
          struct str *why_out)
{
	struct item other;

	if (values_is_null(sent, GROUP_NAME)) {
		*why_out = STR("A calendar group needs a 'name'.");
		return ERR_BAD_REQUEST;
	}
	group->raw[GROUP_NAME] = sent->raw[GROUP_NAME];
	return store_txn_find(txn, &ctx->feed, values_folded(group, GROUP_NAME, ctx->arena), &other) &&
	                       !str_eq(other.id, values_text(group, GROUP_ID, ctx->arena))
	               ? ERR_CONFLICT
	               : OK;
}

static void
create(struct store_txn *txn, const struct resource_ctx *ctx, struct str value, struct item *item_out,
       struct str *why_out)
{
	struct values sent, group = { .unknown = STR_EMPTY };

	if (!values_fail(txn, resource_read_body(ctx, value, PROPERTY_CREATE, &sent, why_out)) &&
	    !values_fail(txn, take_name(txn, ctx, &sent, &group, why_out)))
		write_group(txn, ctx, &group, item_out);
}

static void
update(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match, struct str value,
       struct item *item_out, struct str *why_out)
{
	struct values sent, group;

	if (values_fail(txn, resource_read_body(ctx, value, PROPERTY_UPDATE, &sent, why_out)) ||
	    values_fail(txn, find_unchanged(txn, ctx, id, if_match, &group)))
		return;
	if (sent.raw[GROUP_NAME].len > 0 && values_fail(txn, take_name(txn, ctx, &sent, &group, why_out)))
		return;
	group.raw[GROUP_CHANGE_KEY] = STR_EMPTY;
	write_group(txn, ctx, &group, item_out);
}

static void
remove_group(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
             struct str *why_out)
{
	struct values group;

	if (values_fail(txn, find_unchanged(txn, ctx, id, if_match, &group)))
		return;
	if (str_eq(id, id_of_class(&ctx->feed.owner, 0, ctx->arena))) {
		*why_out = STR("The group of the default calendar cannot be deleted.");
		store_fail(txn, ERR_CONFLICT);
	} else if (walk_calendars(txn, ctx, id)) {
		*why_out = STR("The calendar group holds calendars; delete them first.");
		store_fail(txn, ERR_BAD_REQUEST);
	} else {
		store_remove(txn, &ctx->feed, id);
	}
}

/* An import may be repeated; what it does not bring stays. */
static void
put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx, struct str value,
           const struct content_ref *content, struct str *why_out)
{
	struct values group, there;
	struct item   item;

	(void)content;
	if (values_fail(txn, resource_read_import(resource, value, ctx->arena, &group, why_out)))
		return;
	calendar_group_ensure(txn, ctx);
	if (group.raw[GROUP_ID].len > 0 &&
	    find_group(txn, ctx, values_text(&group, GROUP_ID, ctx->arena), &there) == OK) {
		for (size_t row = 0; row < resource->property_count; row++)
			if (group.raw[row].len == 0)
				group.raw[row] = there.raw[row];
		if (str_eq(resource_plain_body(resource, &group, ctx->arena),
		           resource_plain_body(resource, &there, ctx->arena)))
			return;
	}
	write_group(txn, ctx, &group, &item);
}

const struct resource resource_calendar_group = {
	.number = 3,
	.name = "calendar group",
	.article = "a",
	.odata_type = "#microsoft.graph.calendarGroup",
	.collection = "calendarGroups",
	.functions = NONE,
	.identity = NAMES("id"),
	.removal = REMOVAL_ANNOTATION,
	.updates = UPDATES_PARTIAL,
	.relations = NONE,
	.lists = true,
	.page_size = 200,
	.paths = paths,
	.properties = rows,
	.property_count = sizeof(rows) / sizeof(rows[0]),
	.key = GROUP_NAME,
	.item_path = "users('{owner}@{tenant}')/calendarGroups('{id}')",
	.pieces = resource_plain_pieces,
	.read = resource_plain_read,
	.version_row = GROUP_CHANGE_KEY,
	.id_is_shaped = mailbox_id_is_shaped,
	.ensure = calendar_group_ensure,
	.create = create,
	.update = update,
	.remove = remove_group,
	.removal_is_checked = true,
	.put_import = put_import,
};

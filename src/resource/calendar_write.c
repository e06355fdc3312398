/* SPDX-License-Identifier: Apache-2.0 */
/* calendar_write — creates, changes and removes calendars: the one default calendar, unique names, groups. */
#include "resource/calendar.h"
#include "resource/calendar_group.h"
#include "resource/extended.h"
#include "resource/mailbox.h"
#include "resource/values.h"

#include "text/json_write.h"

/* ---- filling and writing ------------------------------------------------------------------------- */

static struct str
owner_json(const struct resource_ctx *ctx)
{
	AUTO(buf_close) struct buf buf;
	struct json_out            out;

	/* JSON writes a byte as six at most. */
	buf_open(&buf, 32 + (ctx->owner_name.len + ctx->owner_address.len) * 6);
	out = json_out_object(&buf);
	json_put_member(&out, STR("name"), ctx->owner_name);
	json_put_member(&out, STR("address"), ctx->owner_address);
	json_end_object(&out);
	return arena_copy(ctx->arena, buf_str(&buf));
}

/* Fills what is missing with what Graph shows for a calendar that its owner created. */
static void
fill_defaults(struct values *calendar, const struct resource_ctx *ctx)
{
	if (values_flag(calendar, CALENDAR_IS_DEFAULT) && calendar->raw[CALENDAR_TALLYING].len == 0)
		values_set_flag(calendar, CALENDAR_TALLYING, true);
	if (values_flag(calendar, CALENDAR_IS_DEFAULT) && calendar->raw[CALENDAR_REMOVABLE].len == 0)
		values_set_flag(calendar, CALENDAR_REMOVABLE, false);
	if (calendar->raw[CALENDAR_OWNER].len == 0)
		calendar->raw[CALENDAR_OWNER] = owner_json(ctx);
	values_fill(calendar, ctx->resource);
}

static void
write_calendar(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *calendar,
               struct item *item_out)
{
	struct item item = {
		.id = values_text(calendar, CALENDAR_ID, ctx->arena),
		.key = values_folded(calendar, CALENDAR_NAME, ctx->arena),
		.body = calendar_body(ctx->resource, calendar, ctx->arena),
	};

	if (item.body.len == 0) {
		store_fail(txn, ERR_TOO_LARGE);
		return;
	}
	store_put(txn, &ctx->feed, &item);
	*item_out = item;
}

/* A new changeKey belongs to the seq the next put takes. */
static void
renew_change_key(struct store_txn *txn, const struct resource_ctx *ctx, struct values *calendar)
{
	struct feed_state state;

	if (mailbox_state(txn, ctx, &state))
		values_set_text(calendar, CALENDAR_CHANGE_KEY, mailbox_change_key(&state, ctx->arena), ctx->arena);
}

/* The previous default, unless it is `id`, becomes an ordinary calendar.  That is a change, so it gets a new seq. */
static void
demote_default(struct store_txn *txn, const struct resource_ctx *ctx, struct str id)
{
	struct values calendar;
	struct item   item;

	if (!store_txn_get_default(txn, &ctx->feed, &item) || str_eq(item.id, id))
		return;
	if (!calendar_read(ctx->resource, item.body, NULL, ctx->arena, &calendar)) {
		store_fail(txn, ERR_CORRUPT);
		return;
	}
	values_set_flag(&calendar, CALENDAR_IS_DEFAULT, false);
	values_set_flag(&calendar, CALENDAR_REMOVABLE, true);
	renew_change_key(txn, ctx, &calendar);
	write_calendar(txn, ctx, &calendar, &item);
}

/* ---- import -------------------------------------------------------------------------------------- */

static bool
is_default_now(struct store_txn *txn, const struct resource_ctx *ctx, struct str id)
{
	struct item pinned;

	return store_txn_get_default(txn, &ctx->feed, &pinned) && str_eq(pinned.id, id);
}

/* An import may be repeated.  If it changes nothing, nothing is written and no reader gets the calendar again. */
static bool
is_as_it_stands(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *calendar)
{
	struct values same = *calendar, there;
	struct str    id = values_text(calendar, CALENDAR_ID, ctx->arena);
	struct item   item;

	if (!store_txn_get(txn, &ctx->feed, id, &item) ||
	    !calendar_read(ctx->resource, item.body, NULL, ctx->arena, &there))
		return false;
	if (values_is_null(&same, CALENDAR_CHANGE_KEY))
		same.raw[CALENDAR_CHANGE_KEY] = there.raw[CALENDAR_CHANGE_KEY];
	fill_defaults(&same, ctx);
	return str_eq(calendar_body(ctx->resource, &same, ctx->arena),
	              calendar_body(ctx->resource, &there, ctx->arena));
}

/* A calendar that is in another group than new ones brings that group. */
static void
note_group(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *calendar)
{
	struct str group_id = calendar->raw[CALENDAR_GROUP], group_class = calendar->raw[CALENDAR_GROUP_CLASS];

	if (values_is_null(calendar, CALENDAR_GROUP) &&
	    str_eq(group_class, str_from_c(ctx->resource->properties[CALENDAR_GROUP_CLASS].initial)))
		return;
	calendar_group_ensure(txn, ctx);
	calendar_group_note(txn, ctx, group_id, group_class);
}

void
calendar_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                    struct str value, const struct content_ref *content, struct str *why_out)
{
	struct values     calendar;
	struct feed_state state;
	struct item       item;
	bool              was_default;
	enum err          err = resource_read_import(ctx->resource, value, ctx->arena, &calendar, why_out);

	(void)resource;
	(void)content;
	if (values_fail(txn, err))
		return;
	if (!mailbox_state(txn, ctx, &state))
		return;
	if (calendar.raw[CALENDAR_ID].len == 0)
		values_set_text(&calendar, CALENDAR_ID, mailbox_id(ctx, &state), ctx->arena);
	calendar.extended = extended_merge(STR_EMPTY, calendar.extended, ctx->arena);
	was_default = is_default_now(txn, ctx, values_text(&calendar, CALENDAR_ID, ctx->arena));
	if (was_default && calendar.raw[CALENDAR_IS_DEFAULT].len == 0)
		values_set_flag(&calendar, CALENDAR_IS_DEFAULT, true);
	if (is_as_it_stands(txn, ctx, &calendar))
		return;
	if (values_flag(&calendar, CALENDAR_IS_DEFAULT))
		demote_default(txn, ctx, values_text(&calendar, CALENDAR_ID, ctx->arena));
	if (values_is_null(&calendar, CALENDAR_CHANGE_KEY))
		renew_change_key(txn, ctx, &calendar);
	else /* without its JSON escapes: ETags are compared byte by byte */
		values_set_text(&calendar, CALENDAR_CHANGE_KEY, values_text(&calendar, CALENDAR_CHANGE_KEY, ctx->arena),
		                ctx->arena);
	fill_defaults(&calendar, ctx);
	write_calendar(txn, ctx, &calendar, &item);
	note_group(txn, ctx, &calendar);
	if (values_flag(&calendar, CALENDAR_IS_DEFAULT))
		store_set_default(txn, &ctx->feed, item.id);
	else if (was_default)
		store_set_default(txn, &ctx->feed, STR_EMPTY);
}

/* ---- create, update, remove ------------------------------------------------------------------------ */

static bool
name_is_free(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *calendar, struct str id)
{
	struct item other;

	return !store_txn_find(txn, &ctx->feed, values_folded(calendar, CALENDAR_NAME, ctx->arena), &other) ||
	       str_eq(other.id, id);
}

/* What a client sent for a row; null stands for the row's initial value. */
static struct str
wanted(const struct resource_ctx *ctx, const struct values *sent, size_t row)
{
	const char *initial = ctx->resource->properties[row].initial;

	return values_is_null(sent, row) && initial ? str_from_c(initial) : sent->raw[row];
}

/* The group of the path, or the one that the body names: it must exist. */
static enum err
enter_group(struct store_txn *txn, const struct resource_ctx *ctx, struct values *calendar, struct str *why_out)
{
	struct str named = values_text(calendar, CALENDAR_GROUP, ctx->arena);
	struct str group = ctx->group.len > 0 ? ctx->group : named;

	if (values_is_null(calendar, CALENDAR_GROUP) && group.len == 0)
		return OK;
	if (!calendar_group_find(txn, ctx, group, &calendar->raw[CALENDAR_GROUP_CLASS])) {
		*why_out = STR("The calendarGroupId is not the id of a calendar group of this mailbox.");
		return ctx->group.len > 0 ? ERR_NOT_FOUND : ERR_BAD_REQUEST;
	}
	if (named.len > 0 && !str_eq(named, group)) {
		*why_out = STR("The calendarGroupId must be the group of the request's path.");
		return ERR_BAD_REQUEST;
	}
	values_set_text(calendar, CALENDAR_GROUP, group, ctx->arena);
	return OK;
}

/* Extended properties: what a client sent is merged into what is there. */
static enum err
take_extended(const struct values *sent, struct values *calendar, struct arena *arena, struct str *why_out)
{
	struct str fault = STR_EMPTY;

	if (sent->extended.len == 0)
		return OK;
	calendar->extended = extended_merge(calendar->extended, sent->extended, arena);
	if (calendar->extended.len > 0)
		fault = extended_check(calendar->extended, arena);
	if (fault.len == 0)
		return OK;
	*why_out = arena_printf(arena, "'%s' %.*s", EXTENDED_NAME, STR_ARG(fault));
	return ERR_BAD_REQUEST;
}

/* The values of a POST: a name that is free, and what else may be set. */
static enum err
read_new(struct store_txn *txn, const struct resource_ctx *ctx, struct str value, struct values *calendar_out,
         struct str *why_out)
{
	const struct values none = { 0 };
	struct values       sent, calendar = { 0 };

	TRY(resource_read_body(ctx, value, PROPERTY_CREATE, &sent, why_out));
	if (sent.raw[CALENDAR_NAME].len == 0) {
		*why_out = STR("A calendar needs a 'name'.");
		return ERR_BAD_REQUEST;
	}
	for (size_t row = 0; row < ctx->resource->property_count; row++)
		if (sent.raw[row].len > 0)
			calendar.raw[row] = wanted(ctx, &sent, row);
	TRY(calendar_settle_color(&none, &calendar, ctx->arena, why_out));
	TRY(take_extended(&sent, &calendar, ctx->arena, why_out));
	TRY(enter_group(txn, ctx, &calendar, why_out));
	*calendar_out = calendar;
	return name_is_free(txn, ctx, &calendar, STR_EMPTY) ? OK : ERR_CONFLICT;
}

/* Gives the calendar its id and changeKey and writes it. */
static void
write_new(struct store_txn *txn, const struct resource_ctx *ctx, struct values *calendar, struct item *item_out)
{
	struct feed_state state;

	if (!mailbox_state(txn, ctx, &state))
		return;
	values_set_text(calendar, CALENDAR_ID, mailbox_id(ctx, &state), ctx->arena);
	values_set_text(calendar, CALENDAR_CHANGE_KEY, mailbox_change_key(&state, ctx->arena), ctx->arena);
	fill_defaults(calendar, ctx);
	write_calendar(txn, ctx, calendar, item_out);
}

void
calendar_create(struct store_txn *txn, const struct resource_ctx *ctx, struct str value, struct item *item_out,
                struct str *why_out)
{
	struct values calendar;

	if (!values_fail(txn, read_new(txn, ctx, value, &calendar, why_out)))
		write_new(txn, ctx, &calendar, item_out);
}

/* The item, if it is in the path's group, unchanged since the caller saw it, and may be edited. */
static enum err
find_editable(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
              struct item *item_out, struct values *calendar_out)
{
	if (!store_txn_get(txn, &ctx->feed, id, item_out) ||
	    (ctx->group.len > 0 && !calendar_is_in(&ctx->feed.owner, item_out->body, ctx->group, ctx->arena)))
		return ERR_NOT_FOUND;
	if (!calendar_read(ctx->resource, item_out->body, NULL, ctx->arena, calendar_out))
		return ERR_CORRUPT;
	if (if_match.len && !mailbox_etag_fits(if_match, values_text(calendar_out, CALENDAR_CHANGE_KEY, ctx->arena)))
		return ERR_STALE;
	return values_flag(calendar_out, CALENDAR_CAN_EDIT) ? OK : ERR_NOT_ALLOWED;
}

/* Replaces the properties that a PATCH may set; others that were sent are ignored. */
static enum err
apply_patch(const struct resource_ctx *ctx, const struct values *sent, struct values *calendar, struct str *why_out)
{
	const struct values before = *calendar;

	for (size_t row = 0; row < ctx->resource->property_count; row++) {
		if (sent->raw[row].len == 0 || (row == CALENDAR_IS_DEFAULT && values_is_null(sent, row)))
			continue;
		if (row == CALENDAR_IS_DEFAULT && values_flag(calendar, row) && !values_flag(sent, row)) {
			*why_out = STR(
				"There is always a default calendar; set isDefaultCalendar on another one instead.");
			return ERR_BAD_REQUEST;
		}
		calendar->raw[row] = wanted(ctx, sent, row);
	}
	TRY(take_extended(sent, calendar, ctx->arena, why_out));
	return calendar_settle_color(&before, calendar, ctx->arena, why_out);
}

/* The calendar as the PATCH makes it. */
static enum err
read_update(struct store_txn *txn, const struct resource_ctx *ctx, const struct values *sent, struct str id,
            struct str if_match, struct values *calendar_out, struct str *why_out)
{
	struct item item;

	TRY(find_editable(txn, ctx, id, if_match, &item, calendar_out));
	TRY(apply_patch(ctx, sent, calendar_out, why_out));
	return !sent->raw[CALENDAR_NAME].len || name_is_free(txn, ctx, calendar_out, id) ? OK : ERR_CONFLICT;
}

/* Writes a changed calendar; it becomes the default one if it says so. */
static void
write_change(struct store_txn *txn, const struct resource_ctx *ctx, struct values *calendar, struct item *item_out)
{
	bool is_default = values_flag(calendar, CALENDAR_IS_DEFAULT);

	if (is_default) {
		demote_default(txn, ctx, values_text(calendar, CALENDAR_ID, ctx->arena));
		values_set_flag(calendar, CALENDAR_REMOVABLE, false);
	}
	renew_change_key(txn, ctx, calendar);
	write_calendar(txn, ctx, calendar, item_out);
	if (is_default)
		store_set_default(txn, &ctx->feed, item_out->id);
}

void
calendar_update(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
                struct str value, struct item *item_out, struct str *why_out)
{
	struct values sent, calendar;

	if (!values_fail(txn, resource_read_body(ctx, value, PROPERTY_UPDATE, &sent, why_out)) &&
	    !values_fail(txn, read_update(txn, ctx, &sent, id, if_match, &calendar, why_out)))
		write_change(txn, ctx, &calendar, item_out);
}

void
calendar_remove(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
                struct str *why_out)
{
	struct values calendar;
	struct item   item;

	if (values_fail(txn, find_editable(txn, ctx, id, if_match, &item, &calendar)))
		return;
	if (is_default_now(txn, ctx, id)) {
		*why_out = STR("The default calendar cannot be deleted.");
		store_fail(txn, ERR_CONFLICT);
		return;
	}
	store_remove(txn, &ctx->feed, id);
}

static void
mint_default(struct store_txn *txn, const struct resource_ctx *ctx)
{
	struct values calendar = { 0 };
	struct item   item = { .id = STR_EMPTY };

	calendar.raw[CALENDAR_NAME] = STR("\"Calendar\"");
	calendar.raw[CALENDAR_IS_DEFAULT] = STR("true");
	write_new(txn, ctx, &calendar, &item);
	if (store_txn_err(txn) == OK)
		store_set_default(txn, &ctx->feed, item.id);
}

void
calendar_ensure_default(struct store_txn *txn, const struct resource_ctx *ctx)
{
	struct feed_state state;

	if (store_txn_state(txn, &ctx->feed, &state) && !state.exists)
		mint_default(txn, ctx);
}

void
calendar_require_default(struct store_txn *txn, const struct resource_ctx *ctx)
{
	struct values calendar;
	struct item   item;

	if (store_txn_get_default(txn, &ctx->feed, &item) || store_txn_err(txn) != OK)
		return;
	if (!store_txn_find(txn, &ctx->feed, STR("calendar"), &item)) {
		mint_default(txn, ctx);
		return;
	}
	/* An import brought a calendar of that name that is not marked as the default; now it becomes the default. */
	if (!calendar_read(ctx->resource, item.body, NULL, ctx->arena, &calendar)) {
		store_fail(txn, ERR_CORRUPT);
		return;
	}
	values_set_flag(&calendar, CALENDAR_IS_DEFAULT, true);
	write_change(txn, ctx, &calendar, &item);
}

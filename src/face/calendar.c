/* SPDX-License-Identifier: Apache-2.0 */
#include "face/calendar.h"

#include "crypt/seal.h"
#include "face/shape.h"
#include "text/b64.h"
#include "text/json_write.h"

/* ---- names the server mints ---------------------------------------------------------------------- */

/*
 * An id in Graph's shape, 112 bytes: header, the mailbox as text, then the folder's entry: a part that stands for
 * this history of the feed (incarnation and epoch) and a part that is the change's own (seq), so none is ever
 * given twice.
 */
#define ID_BYTES   112
#define ENTRY_AT   42
#define ID_TAIL_AT (ID_BYTES - 7)

static void
put_counter(uint8_t *at, size_t len, uint64_t value)
{
	for (size_t i = 0; i < len; i++)
		at[len - 1 - i] = (uint8_t)(value >> (8 * i));
}

static void
hash_history(const struct store_mark *mark, uint8_t *out, size_t out_len)
{
	uint8_t history[sizeof(struct guid) + 4];

	memcpy(history, &mark->incarnation, sizeof(struct guid));
	put_counter(history + sizeof(struct guid), 4, mark->epoch);
	hash_blake2b(str_of(history, sizeof(history)), out, out_len);
}

/* The mark names are minted from. A feed that is only about to be made lends them a history of their own. */
static bool
take_mark(struct store_txn *txn, const struct calendar_ctx *ctx, struct store_mark *mark_out)
{
	if (!store_txn_mark(txn, &ctx->feed, mark_out))
		return false;
	if (!mark_out->exists)
		mark_out->incarnation = guid_random(ctx->entropy);
	return true;
}

static struct str
mint_id(const struct calendar_ctx *ctx, const struct store_mark *mark)
{
	uint8_t bytes[ID_BYTES] = { 0x00, 0x03, 0x24, 0x00 };
	uint8_t seed[32];

	hash_history(mark, seed, sizeof(seed));
	guid_format(&ctx->owner->id, (char *)bytes + 4);
	bytes[ENTRY_AT - 1] = 0x46;
	memcpy(bytes + ENTRY_AT + 5, seed, 16);
	bytes[ENTRY_AT + 21] = 0x07;
	memcpy(bytes + ENTRY_AT + 23, seed + 16, 16);
	bytes[ENTRY_AT + 44] = 0x01;
	bytes[ENTRY_AT + 45] = 0x06;
	memcpy(bytes + ENTRY_AT + 47, seed + 16, 16);
	put_counter(bytes + ID_TAIL_AT, 7, mark->head + 1);
	return b64_encode(B64_URL_PADDED, bytes, sizeof(bytes), ctx->arena);
}

/* 22 bytes: sixteen that stand for this history of this feed, six that count. */
static struct str
mint_change_key(const struct store_mark *mark, struct arena *arena)
{
	uint8_t bytes[22];

	hash_history(mark, bytes, 16);
	put_counter(bytes + 16, 6, mark->head + 1);
	return b64_encode(B64_STANDARD, bytes, sizeof(bytes), arena);
}

void
calendar_group_names(const struct guid *owner, struct str group_class, struct arena *arena, struct str *id_out,
                     struct str *change_key_out)
{
	uint8_t bytes[ID_BYTES] = { 0x00, 0x03, 0x24, 0x00 }, seed[32];
	struct str named = arena_printf(arena, "calendar group %.*s", STR_ARG(group_class));

	guid_format(owner, (char *)bytes + 4);
	named = arena_printf(arena, "%.*s of %.*s", STR_ARG(named), GUID_TEXT_LEN, (const char *)bytes + 4);
	hash_blake2b(named, seed, sizeof(seed));
	bytes[ENTRY_AT - 1] = 0x46;
	memcpy(bytes + ENTRY_AT + 5, seed, 16);
	bytes[ENTRY_AT + 21] = 0x07;
	memcpy(bytes + ENTRY_AT + 23, seed + 16, 16);
	*id_out = b64_encode(B64_URL_PADDED, bytes, sizeof(bytes), arena);
	*change_key_out = b64_encode(B64_STANDARD, seed, 22, arena);
}

bool
calendar_id_is_shaped(struct str id)
{
	uint8_t bytes[256];
	size_t  len;

	return b64_decode_into(B64_URL_PADDED, id, bytes, sizeof(bytes), &len) && len >= 48 && bytes[1] == 0x03 &&
	       bytes[2] == 0x24;
}

/* ---- filling and writing ------------------------------------------------------------------------- */

static struct str
owner_json(const struct user *owner, struct arena *arena)
{
	struct buf      buf;
	struct json_out out;
	struct str      copy;

	buf_open(&buf, 8192);
	json_out_open(&out, &buf);
	json_put_object(&out);
	json_put_member(&out, STR("name"), owner->display_name.len ? owner->display_name : owner->upn);
	json_put_member(&out, STR("address"), owner->mail.len ? owner->mail : owner->upn);
	json_end_object(&out);
	MUST(buf_err(&buf) == OK);
	copy = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
	return copy;
}

static void
fill(struct calendar *calendar, enum calendar_prop prop, const char *raw)
{
	if (calendar->prop[prop].len == 0)
		calendar->prop[prop] = str_from_c(raw);
}

/* What Graph shows for a calendar its owner made, wherever nothing else was said. */
static void
fill_defaults(struct calendar *calendar, const struct calendar_ctx *ctx)
{
	bool is_default = calendar_flag(calendar, PROP_IS_DEFAULT);

	fill(calendar, PROP_COLOR, "\"auto\"");
	fill(calendar, PROP_HEX_COLOR, "\"\"");
	fill(calendar, PROP_GROUP_CLASS, "\"0006f0b7-0000-0000-c000-000000000046\"");
	fill(calendar, PROP_IS_DEFAULT, "false");
	fill(calendar, PROP_CAN_SHARE, "true");
	fill(calendar, PROP_CAN_VIEW, "true");
	fill(calendar, PROP_IS_SHARED, "false");
	fill(calendar, PROP_IS_SHARED_ME, "false");
	fill(calendar, PROP_CAN_EDIT, "true");
	fill(calendar, PROP_GROUP, "null");
	fill(calendar, PROP_PROVIDERS, "[\"teamsForBusiness\"]");
	fill(calendar, PROP_PROVIDER, "\"teamsForBusiness\"");
	fill(calendar, PROP_TALLYING, is_default ? "true" : "false");
	fill(calendar, PROP_REMOVABLE, is_default ? "false" : "true");
	if (calendar->prop[PROP_OWNER].len == 0)
		calendar->prop[PROP_OWNER] = owner_json(ctx->owner, ctx->arena);
}

static void
write_calendar(struct store_txn *txn, const struct calendar_ctx *ctx, const struct calendar *calendar,
               struct item *item_out)
{
	struct item item = {
		.id = calendar_text(calendar, PROP_ID, ctx->arena),
		.key = calendar_name_key(calendar, ctx->arena),
		.body = calendar_body(calendar, ctx->arena),
	};

	if (item.body.len == 0)
		store_fail(txn, ERR_TOO_LARGE);
	store_put(txn, &ctx->feed, &item);
	*item_out = item;
}

/* A new changeKey belongs to the seq the next put takes. */
static void
renew_change_key(struct store_txn *txn, const struct calendar_ctx *ctx, struct calendar *calendar)
{
	struct store_mark mark;

	if (take_mark(txn, ctx, &mark))
		calendar_set_text(calendar, PROP_CHANGE_KEY, mint_change_key(&mark, ctx->arena), ctx->arena);
}

/* The default of before, unless it is `id` itself, becomes an ordinary calendar and moves to the end. */
static void
demote_default(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id)
{
	struct calendar calendar;
	struct item     item;

	if (!store_txn_get_pinned(txn, &ctx->feed, &item) || str_eq(item.id, id))
		return;
	if (!calendar_read_body(item.body, &calendar)) {
		store_fail(txn, ERR_CORRUPT);
		return;
	}
	calendar_set_flag(&calendar, PROP_IS_DEFAULT, false);
	calendar_set_flag(&calendar, PROP_REMOVABLE, true);
	renew_change_key(txn, ctx, &calendar);
	write_calendar(txn, ctx, &calendar, &item);
}

/* ---- import -------------------------------------------------------------------------------------- */

enum err
calendar_check_import(struct str value, struct arena *arena, struct str *why_out)
{
	struct calendar calendar;

	TRY(calendar_read(value, arena, &calendar, why_out));
	if (calendar.prop[PROP_NAME].len == 0) {
		*why_out = STR("a calendar needs a 'name'");
		return ERR_BAD_REQUEST;
	}
	return OK;
}

static bool
is_default_now(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id)
{
	struct item pinned;

	return store_txn_get_pinned(txn, &ctx->feed, &pinned) && str_eq(pinned.id, id);
}

/* A file may be given again: what it says of a calendar is what is there, so nothing changes and nobody is told. */
static bool
is_as_it_stands(struct store_txn *txn, const struct calendar_ctx *ctx, const struct calendar *calendar)
{
	struct calendar same = *calendar, there;
	struct str      id = calendar_text(calendar, PROP_ID, ctx->arena);
	struct item     item;

	if (!store_txn_get(txn, &ctx->feed, id, &item) || !calendar_read_body(item.body, &there))
		return false;
	if (same.prop[PROP_CHANGE_KEY].len == 0 || same.prop[PROP_CHANGE_KEY].at[0] == 'n')
		same.prop[PROP_CHANGE_KEY] = there.prop[PROP_CHANGE_KEY];
	fill_defaults(&same, ctx);
	return str_eq(calendar_body(&same, ctx->arena), item.body);
}

void
calendar_put_import(struct store_txn *txn, const struct calendar_ctx *ctx, struct str value, struct str *why_out)
{
	struct calendar   calendar;
	struct store_mark mark;
	struct item       item;
	bool              was_default;
	enum err          err = calendar_check_import(value, ctx->arena, why_out);

	if (err == OK)
		err = calendar_read(value, ctx->arena, &calendar, why_out);
	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (!take_mark(txn, ctx, &mark))
		return;
	if (calendar.prop[PROP_ID].len == 0)
		calendar_set_text(&calendar, PROP_ID, mint_id(ctx, &mark), ctx->arena);
	was_default = is_default_now(txn, ctx, calendar_text(&calendar, PROP_ID, ctx->arena));
	if (was_default && calendar.prop[PROP_IS_DEFAULT].len == 0)
		calendar_set_flag(&calendar, PROP_IS_DEFAULT, true);
	if (is_as_it_stands(txn, ctx, &calendar))
		return;
	if (calendar_flag(&calendar, PROP_IS_DEFAULT))
		demote_default(txn, ctx, calendar_text(&calendar, PROP_ID, ctx->arena));
	if (calendar.prop[PROP_CHANGE_KEY].len == 0 || calendar.prop[PROP_CHANGE_KEY].at[0] == 'n')
		renew_change_key(txn, ctx, &calendar);
	else    /* as it is meant, not as it was escaped: ETags are compared byte by byte */
		calendar_set_text(&calendar, PROP_CHANGE_KEY, calendar_text(&calendar, PROP_CHANGE_KEY, ctx->arena), ctx->arena);
	fill_defaults(&calendar, ctx);
	write_calendar(txn, ctx, &calendar, &item);
	if (calendar_flag(&calendar, PROP_IS_DEFAULT))
		store_pin(txn, &ctx->feed, item.id);
	else if (was_default)
		store_pin(txn, &ctx->feed, STR_EMPTY);
}

/* ---- create, update, remove ------------------------------------------------------------------------ */

static void
refuse(struct store_txn *txn, enum err err, struct str sentence, struct str *why_out)
{
	*why_out = sentence;
	store_fail(txn, err);
}

static bool
name_is_free(struct store_txn *txn, const struct calendar_ctx *ctx, const struct calendar *calendar, struct str id)
{
	struct item other;

	return !store_txn_find(txn, &ctx->feed, calendar_name_key(calendar, ctx->arena), &other) || str_eq(other.id, id);
}

/* A member a client may not send at all: nothing of the kind exists. */
static bool
has_unknown(const struct calendar *calendar, struct arena *arena, struct str *why_out)
{
	struct str name = str_skip(calendar->unknown, 2);

	if (calendar->unknown.len == 0)
		return false;
	name = str_first(name, str_find(name, '"'));
	*why_out = arena_printf(arena, "The property '%.*s' does not exist on type 'microsoft.graph.calendar'.",
	                        STR_ARG(str_cut(name, 64)));
	return true;
}

void
calendar_create(struct store_txn *txn, const struct calendar_ctx *ctx, struct str value, struct item *item_out,
                struct str *why_out)
{
	static const enum calendar_prop given[] = { PROP_NAME, PROP_COLOR, PROP_GROUP };
	struct calendar   sent, calendar = { 0 };
	struct store_mark mark;
	enum err          err = calendar_read(value, ctx->arena, &sent, why_out);

	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (has_unknown(&sent, ctx->arena, why_out)) {
		store_fail(txn, ERR_BAD_REQUEST);
		return;
	}
	if (sent.prop[PROP_NAME].len == 0) {
		refuse(txn, ERR_BAD_REQUEST, STR("A calendar needs a 'name'."), why_out);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(given); i++)
		calendar.prop[given[i]] = sent.prop[given[i]];
	if (!name_is_free(txn, ctx, &calendar, STR_EMPTY)) {
		store_fail(txn, ERR_CONFLICT);
		return;
	}
	if (!take_mark(txn, ctx, &mark))
		return;
	calendar_set_text(&calendar, PROP_ID, mint_id(ctx, &mark), ctx->arena);
	calendar_set_text(&calendar, PROP_CHANGE_KEY, mint_change_key(&mark, ctx->arena), ctx->arena);
	fill_defaults(&calendar, ctx);
	write_calendar(txn, ctx, &calendar, item_out);
}

/* Weak or strong form, or the bare changeKey; a list is searched; '*' fits anything. */
static bool
etag_fits(struct str if_match, struct str change_key)
{
	struct str one;

	while (str_take_until(&if_match, ',', &one)) {
		one = str_trim(one);
		if (str_starts(one, STR("W/")))
			one = str_skip(one, 2);
		if (one.len >= 2 && one.at[0] == '"' && one.at[one.len - 1] == '"')
			one = str_of(one.at + 1, one.len - 2);
		if (str_eq(one, STR("*")) || str_eq(one, change_key))
			return true;
	}
	return false;
}

/* The item, if it is there, unchanged since the caller saw it, and may be edited. */
static bool
find_editable(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id, struct str if_match,
              struct item *item_out, struct calendar *calendar_out)
{
	if (!store_txn_get(txn, &ctx->feed, id, item_out)) {
		store_fail(txn, ERR_NOT_FOUND);
		return false;
	}
	if (!calendar_read_body(item_out->body, calendar_out)) {
		store_fail(txn, ERR_CORRUPT);
		return false;
	}
	if (if_match.len && !etag_fits(if_match, calendar_text(calendar_out, PROP_CHANGE_KEY, ctx->arena))) {
		store_fail(txn, ERR_STALE);
		return false;
	}
	if (!calendar_flag(calendar_out, PROP_CAN_EDIT)) {
		store_fail(txn, ERR_NOT_ALLOWED);
		return false;
	}
	return true;
}

/* What is sent replaces what is there, for the properties that can be written; read-only ones are passed over. */
static enum err
apply_patch(const struct calendar *sent, struct calendar *calendar, struct str *why_out)
{
	static const enum calendar_prop writable[] = { PROP_NAME, PROP_COLOR, PROP_IS_DEFAULT, PROP_PROVIDER };

	for (size_t i = 0; i < COUNT_OF(writable); i++) {
		enum calendar_prop prop = writable[i];

		if (sent->prop[prop].len == 0 || (prop == PROP_IS_DEFAULT && sent->prop[prop].at[0] == 'n'))
			continue;
		if (prop == PROP_IS_DEFAULT && calendar_flag(calendar, prop) && !calendar_flag(sent, prop)) {
			*why_out = STR("There is always a default calendar; set isDefaultCalendar on another one instead.");
			return ERR_BAD_REQUEST;
		}
		calendar->prop[prop] = sent->prop[prop];
	}
	return OK;
}

void
calendar_update(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id, struct str if_match,
                struct str value, struct item *item_out, struct str *why_out)
{
	struct calendar sent, calendar;
	struct item     item;
	enum err        err = calendar_read(value, ctx->arena, &sent, why_out);

	if (err == OK && has_unknown(&sent, ctx->arena, why_out))
		err = ERR_BAD_REQUEST;
	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (!find_editable(txn, ctx, id, if_match, &item, &calendar))
		return;
	err = apply_patch(&sent, &calendar, why_out);
	if (err == OK && sent.prop[PROP_NAME].len && !name_is_free(txn, ctx, &calendar, item.id))
		err = ERR_CONFLICT;
	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (calendar_flag(&calendar, PROP_IS_DEFAULT)) {
		demote_default(txn, ctx, item.id);
		calendar_set_flag(&calendar, PROP_REMOVABLE, false);
	}
	renew_change_key(txn, ctx, &calendar);
	write_calendar(txn, ctx, &calendar, item_out);
	if (calendar_flag(&calendar, PROP_IS_DEFAULT))
		store_pin(txn, &ctx->feed, item_out->id);
}

void
calendar_remove(struct store_txn *txn, const struct calendar_ctx *ctx, struct str id, struct str if_match,
                struct str *why_out)
{
	struct calendar calendar;
	struct item     item, pinned;

	if (!find_editable(txn, ctx, id, if_match, &item, &calendar))
		return;
	if (store_txn_get_pinned(txn, &ctx->feed, &pinned) && str_eq(pinned.id, id)) {
		refuse(txn, ERR_CONFLICT, STR("The default calendar cannot be deleted."), why_out);
		return;
	}
	store_remove(txn, &ctx->feed, id);
}

static void
mint_default(struct store_txn *txn, const struct calendar_ctx *ctx)
{
	struct calendar   calendar = { 0 };
	struct store_mark mark;
	struct item       item;

	if (!take_mark(txn, ctx, &mark))
		return;
	calendar.prop[PROP_NAME] = STR("\"Calendar\"");
	calendar.prop[PROP_IS_DEFAULT] = STR("true");
	calendar_set_text(&calendar, PROP_ID, mint_id(ctx, &mark), ctx->arena);
	calendar_set_text(&calendar, PROP_CHANGE_KEY, mint_change_key(&mark, ctx->arena), ctx->arena);
	fill_defaults(&calendar, ctx);
	write_calendar(txn, ctx, &calendar, &item);
	store_pin(txn, &ctx->feed, item.id);
}

void
calendar_ensure_default(struct store_txn *txn, const struct calendar_ctx *ctx)
{
	struct store_mark mark;

	if (store_txn_mark(txn, &ctx->feed, &mark) && !mark.exists)
		mint_default(txn, ctx);
}

void
calendar_require_default(struct store_txn *txn, const struct calendar_ctx *ctx)
{
	struct calendar calendar;
	struct item     item;

	if (store_txn_get_pinned(txn, &ctx->feed, &item) || store_txn_err(txn) != OK)
		return;
	if (!store_txn_find(txn, &ctx->feed, STR("calendar"), &item)) {
		mint_default(txn, ctx);
		return;
	}
	/* An import brought a calendar of that name without saying that it is the default: now it is. */
	if (!calendar_read_body(item.body, &calendar)) {
		store_fail(txn, ERR_CORRUPT);
		return;
	}
	calendar_set_flag(&calendar, PROP_IS_DEFAULT, true);
	calendar_set_flag(&calendar, PROP_REMOVABLE, false);
	renew_change_key(txn, ctx, &calendar);
	write_calendar(txn, ctx, &calendar, &item);
	store_pin(txn, &ctx->feed, item.id);
}

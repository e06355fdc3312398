/* SPDX-License-Identifier: Apache-2.0 */
/* recording_write — creates recordings and links their content. */
#include "resource/recording.h"
#include "resource/values.h"

#include "base/bytes.h"
#include "base/guid.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_span.h"

/* ---- the organizer --------------------------------------------------------------------------------------- */

#define IDENTITY_TYPE "\"@odata.type\":\"#microsoft.graph.teamworkUserIdentity\""

static bool
is_null(struct str raw)
{
	return raw.len == 0 || raw.at[0] == 'n';
}

static void
put_member_or_null(struct buf *buf, struct str object, const char *name)
{
	struct str value;

	buf_printf(buf, "\"%s\":", name);
	buf_put(buf, json_span_member(object, str_from_c(name), &value) ? value : STR("null"));
}

static bool
is_one_of(struct str name, const char *const *words)
{
	for (; *words; words++)
		if (str_eq(name, str_from_c(*words)))
			return true;
	return false;
}

/* All members of the object except those in `without` and control information. */
static void
put_others(struct buf *buf, struct str object, const char *const *without)
{
	struct json_walk walk;
	struct json_span span;

	json_walk_open(&walk, object);
	while (json_walk_next(&walk, &span)) {
		if (is_one_of(span.name, without) || str_find(span.name, '@') < span.name.len)
			continue;
		buf_put(buf, STR(",\""));
		buf_put(buf, span.name);
		buf_put(buf, STR("\":"));
		buf_put(buf, span.value);
	}
}

/* As given, with the @odata.type of the documentation's samples. */
static void
put_organizer(struct buf *buf, struct str raw, const struct store_feed *feed)
{
	static const char *const none[] = { NULL }, *const first[] = { "application", "device", "user", NULL };
	struct str user;

	if (is_null(raw)) {
		buf_printf(buf,
		           "{\"application\":null,\"device\":null,\"user\":{" IDENTITY_TYPE
		           ",\"id\":\"%s\",\"displayName\":null,"
		           "\"userIdentityType\":\"aadUser\",\"tenantId\":\"%s\"}}",
		           guid_str(&feed->owner).c, guid_str(&feed->tenant).c);
		return;
	}
	buf_put_char(buf, '{');
	put_member_or_null(buf, raw, "application");
	buf_put_char(buf, ',');
	put_member_or_null(buf, raw, "device");
	buf_put(buf, STR(",\"user\":"));
	if (json_span_member(raw, STR("user"), &user) && !is_null(user)) {
		buf_put(buf, STR("{" IDENTITY_TYPE));
		put_others(buf, user, none);
		buf_put_char(buf, '}');
	} else {
		buf_put(buf, STR("null"));
	}
	put_others(buf, raw, first);
	buf_put_char(buf, '}');
}

/* ---- ids ------------------------------------------------------------------------------ */

/* In the format of Graph's: base64 of V2##{organizer}{tenant}{the meeting's global object id}##{guid}. */
static struct str
mint_id(const struct resource_ctx *ctx)
{
	char        meeting[48];
	struct guid guid = guid_random(ctx->entropy);
	uint8_t     bytes[24];
	struct str  text;

	entropy_fill(ctx->entropy, bytes, sizeof(bytes));
	hex_write(bytes, sizeof(bytes), meeting);
	text = arena_printf(ctx->arena, "V2##%s%s040000008200E00074C5B7101A82E008%.*s##%s",
	                    guid_str(&ctx->feed.owner).c, guid_str(&ctx->feed.tenant).c, (int)sizeof(meeting), meeting,
	                    guid_str(&guid).c);
	return b64_encode(B64_URL_PADDED, text.at, text.len, ctx->arena);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* The JSON text (empty: it is too large) and where the URL's value is in it. */
static void
write_json(const struct resource_ctx *ctx, struct values *values, struct recording *recording)
{
	AUTO(buf_close) struct buf organizer = { 0 }, json = { 0 };
	size_t                     starts[RESOURCE_PROPERTIES_MAX + 1];

	buf_open(&organizer, STORE_BODY_MAX);
	buf_open(&json, STORE_BODY_MAX);
	put_organizer(&organizer, values->raw[RECORDING_ORGANIZER], &ctx->feed);
	values->raw[RECORDING_ORGANIZER] = buf_str(&organizer);
	values_fill(values, ctx->resource);
	resource_put_object(&json, ctx->resource, values, starts);
	recording->row_count = ctx->resource->property_count;
	recording->has_url = !values_is_null(values, RECORDING_URL);
	recording->url_at = starts[RECORDING_URL] + sizeof("\"recordingContentUrl\":") - 1;
	recording->url_len = starts[RECORDING_URL + 1] - 1 - recording->url_at;
	recording->json = buf_err(&organizer) == OK && buf_err(&json) == OK ? arena_copy(ctx->arena, buf_str(&json))
	                                                                    : STR_EMPTY;
}

/* The item of these values.  recording->content is set before.  False: the transaction has failed. */
static bool
make_item(struct store_txn *txn, const struct resource_ctx *ctx, struct values *values, struct recording *recording,
          struct item *item_out, struct str *why_out)
{
	struct item item = {
		.id = values_text(values, RECORDING_ID, ctx->arena),
		.key = values_text(values, RECORDING_MEETING, ctx->arena),
	};

	/* The descriptor has checked the value. */
	(void)date_parse(values_text(values, RECORDING_CREATED, ctx->arena), &recording->created_ns);
	write_json(ctx, values, recording);
	if (recording->json.len > 0)
		item.body = recording_body(recording, ctx->arena);
	if (item.body.len == 0) {
		*why_out = STR("the recording is too large");
		store_fail(txn, ERR_TOO_LARGE);
		return false;
	}
	*item_out = item;
	return true;
}

void
recording_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                     struct str value, const struct content_ref *content, struct str *why_out)
{
	struct recording recording = { 0 }, known;
	struct values    values;
	struct item      item, old;
	enum err         err = resource_read_import(resource, value, ctx->arena, &values, why_out);
	bool             exists;

	if (values_fail(txn, err))
		return;
	if (values.raw[RECORDING_ID].len == 0)
		values_set_text(&values, RECORDING_ID, mint_id(ctx), ctx->arena);
	exists = store_txn_get(txn, &ctx->feed, values_text(&values, RECORDING_ID, ctx->arena), &old);
	if (content) {
		recording.has_content = true;
		recording.content = *content;
	} else if (exists && recording_read(old.body, &known) && known.has_content) {
		recording.has_content = true;
		recording.content = known.content;
	}
	if (!make_item(txn, ctx, &values, &recording, &item, why_out))
		return;
	if (exists)
		store_rewrite(txn, &ctx->feed, &item);
	else
		store_put(txn, &ctx->feed, &item);
}

/* The path names the meeting; the body may not name another one. */
static enum err
complete_new(const struct recording_new *made, struct values *values, struct str *why_out)
{
	char       now[DATE_TEXT_MAX];
	struct str meeting = values_text(values, RECORDING_MEETING, made->ctx.arena);

	if (values->raw[RECORDING_MEETING].len > 0 && !str_eq(meeting, made->meeting)) {
		*why_out = STR("The meetingId must be the meeting of the request's path.");
		return ERR_BAD_REQUEST;
	}
	values_set_text(values, RECORDING_MEETING, made->meeting, made->ctx.arena);
	if (values->raw[RECORDING_ID].len == 0)
		values_set_text(values, RECORDING_ID, mint_id(&made->ctx), made->ctx.arena);
	if (values->raw[RECORDING_CREATED].len == 0)
		values_set_text(values, RECORDING_CREATED, str_of(now, date_format(made->now_ns, 7, now)),
		                made->ctx.arena);
	return OK;
}

void
recording_create(struct store_txn *txn, const struct recording_new *made, struct str value, struct item *item_out,
                 struct str *why_out)
{
	struct recording recording = { 0 };
	struct values    values;
	struct item      item, old;
	enum err         err = resource_read_body(&made->ctx, value, PROPERTY_CREATE | PROPERTY_ADD, &values, why_out);

	if (err == OK)
		err = complete_new(made, &values, why_out);
	if (values_fail(txn, err))
		return;
	if (!make_item(txn, &made->ctx, &values, &recording, &item, why_out))
		return;
	if (store_txn_get(txn, &made->ctx.feed, item.id, &old)) {
		store_fail(txn, ERR_CONFLICT);
		return;
	}
	store_put(txn, &made->ctx.feed, &item);
	*item_out = item;
}

/* The recording, if its content is still what the caller saw. */
static enum err
find_linked(struct store_txn *txn, const struct recording_link *link, struct item *item_out,
            struct recording *recording_out)
{
	if (!store_txn_get(txn, &link->feed, link->id, item_out) || !str_eq(item_out->key, link->meeting))
		return ERR_NOT_FOUND;
	if (!recording_read(item_out->body, recording_out))
		return ERR_CORRUPT;
	return link->seen && (link->seen->has_content != recording_out->has_content ||
	                      memcmp(link->seen->content.id, recording_out->content.id, CONTENT_ID_BYTES) != 0)
	               ? ERR_STALE
	               : OK;
}

void
recording_link_content(struct store_txn *txn, const struct recording_link *link, struct arena *arena,
                       struct content_ref *old_out, bool *had_old_out)
{
	struct recording recording;
	struct item      item;

	if (values_fail(txn, find_linked(txn, link, &item, &recording)))
		return;
	*had_old_out = recording.has_content;
	*old_out = recording.content;
	recording.has_content = true;
	recording.content = link->content;
	item.body = recording_body(&recording, arena);
	if (item.body.len == 0)
		store_fail(txn, ERR_TOO_LARGE);
	else
		store_rewrite(txn, &link->feed, &item);
}

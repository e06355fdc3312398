/* SPDX-License-Identifier: Apache-2.0 */
#include "face/recording.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/guid.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_span.h"
#include "text/json_write.h"

#define URL_MAX 8192

/* ---- properties, in the order they are shown ---------------------------------------------------------- */

enum prop {
	PROP_ID, PROP_MEETING, PROP_CALL, PROP_CORRELATION, PROP_CREATED, PROP_END, PROP_URL, PROP_ORGANIZER, PROP_COUNT
};

static const char *const names[PROP_COUNT] = {
	[PROP_ID] = "id",
	[PROP_MEETING] = "meetingId",
	[PROP_CALL] = "callId",
	[PROP_CORRELATION] = "contentCorrelationId",
	[PROP_CREATED] = "createdDateTime",
	[PROP_END] = "endDateTime",
	[PROP_URL] = "recordingContentUrl",
	[PROP_ORGANIZER] = "meetingOrganizer",
};

struct parts {
	struct str prop[PROP_COUNT];             /* raw JSON; empty: not there */
	struct str unknown;                      /* members not in the table, raw: ,"x":1 */
	struct str first_unknown;                /* the name of the first of them */
};

static bool
is_null(struct str raw)
{
	return raw.len == 0 || raw.at[0] == 'n';
}

static bool
raw_text(struct str raw, struct arena *arena, struct str *text_out)
{
	return raw.len > 0 && raw.at[0] == '"' && json_span_text(raw, arena, text_out);
}

/* NULL when the value is right for the property, else what is wrong with it. */
static const char *
check_text(enum prop prop, struct str text)
{
	int64_t moment;

	switch (prop) {
	case PROP_ID:
		return text.len == 0 || text.len > STORE_ID_MAX ? "must have 1 to 1024 bytes" : NULL;
	case PROP_MEETING:
		return text.len == 0 || text.len > STORE_KEY_MAX ? "must have 1 to 1024 bytes" : NULL;
	case PROP_CREATED:
	case PROP_END:
		return date_parse(text, &moment) ? NULL : "must be a moment such as 2024-01-15T00:00:00Z";
	case PROP_URL:
		return text.len == 0 || text.len > URL_MAX ? "must have 1 to 8192 bytes" : NULL;
	default:
		return text.len > STORE_ID_MAX ? "must not be longer than 1024 bytes" : NULL;
	}
}

static const char *
check_value(enum prop prop, struct str raw, struct arena *arena)
{
	struct str text, user;

	if (is_null(raw))
		return prop <= PROP_MEETING || prop == PROP_CREATED ? "must not be null" : NULL;
	if (prop != PROP_ORGANIZER)
		return raw_text(raw, arena, &text) ? check_text(prop, text) : "must be a string";
	if (raw.at[0] != '{')
		return "must be an object";
	return json_span_member(raw, STR("user"), &user) && !is_null(user) && user.at[0] != '{'
	               ? "must have a user that is an object"
	               : NULL;
}

static enum prop
find_prop(struct str name)
{
	for (int prop = 0; prop < PROP_COUNT; prop++)
		if (str_eq(name, str_from_c(names[prop])))
			return (enum prop)prop;
	return PROP_COUNT;
}

static const char *
check_unknown(struct str name)
{
	if (str_find(name, '\\') < name.len)
		return "property names must be written without escapes";
	if (str_eq(name, STR("@removed")))
		return "'@removed' does not belong in a recording; use {\"op\":\"remove\"}";
	if (str_eq(name, STR("content")))
		return "'content' does not belong in a recording; use \"contentFile\", or PUT it";
	return NULL;
}

/* Takes an object apart and checks each known value. */
static enum err
read_parts(struct str value, struct arena *arena, struct parts *parts_out, struct str *why_out)
{
	struct parts     parts = { .unknown = STR_EMPTY };
	char            *unknown = arena_take_raw(arena, value.len * 2 + 1), *end = unknown;
	struct json_walk walk;
	struct json_span span;
	const char      *fault;

	json_walk_open(&walk, value);
	while (json_walk_next(&walk, &span)) {
		enum prop prop = find_prop(span.name);

		fault = prop == PROP_COUNT ? check_unknown(span.name) : check_value(prop, span.value, arena);
		if (fault) {
			*why_out = prop == PROP_COUNT ? str_from_c(fault) : arena_printf(arena, "'%s' %s", names[prop], fault);
			return ERR_BAD_REQUEST;
		}
		if (prop != PROP_COUNT) {
			parts.prop[prop] = span.value;
		} else if (str_find(span.name, '@') == span.name.len) {
			/* Control information (a name with '@') is the server's to write; anything else is kept. */
			struct str member = arena_printf(arena, ",\"%.*s\":%.*s", STR_ARG(span.name), STR_ARG(span.value));

			if (end == unknown)
				parts.first_unknown = span.name;
			memcpy(end, member.at, member.len);
			end += member.len;
		}
	}
	parts.unknown = str_of(unknown, (size_t)(end - unknown));
	*parts_out = parts;
	return OK;
}

enum err
recording_check_import(struct str value, struct arena *arena, struct str *why_out)
{
	struct parts parts;

	TRY(read_parts(value, arena, &parts, why_out));
	if (parts.prop[PROP_MEETING].len > 0 && parts.prop[PROP_CREATED].len > 0)
		return OK;
	*why_out = parts.prop[PROP_MEETING].len == 0 ? STR("a recording needs a 'meetingId'")
	                                             : STR("a recording needs a 'createdDateTime' such as 2024-01-15T00:00:00Z");
	return ERR_BAD_REQUEST;
}

/* ---- the organizer --------------------------------------------------------------------------------------- */

#define IDENTITY_TYPE "\"@odata.type\":\"#microsoft.graph.teamworkUserIdentity\""

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

/* Everything of the object but what is named in `without` and control information. */
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

/* As given, with the type the documentation's samples write (Graph itself leaks another one in places). */
static void
put_organizer(struct buf *buf, struct str raw, const struct store_feed *feed)
{
	static const char *const none[] = { NULL }, *const first[] = { "application", "device", "user", NULL };
	char                     owner[GUID_TEXT_LEN], tenant[GUID_TEXT_LEN];
	struct str               user;

	if (is_null(raw)) {
		guid_format(&feed->owner, owner);
		guid_format(&feed->tenant, tenant);
		buf_printf(buf,
		           "{\"application\":null,\"device\":null,\"user\":{" IDENTITY_TYPE ",\"id\":\"%.*s\",\"displayName\":null,"
		           "\"userIdentityType\":\"aadUser\",\"tenantId\":\"%.*s\"}}",
		           GUID_TEXT_LEN, owner, GUID_TEXT_LEN, tenant);
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

/* ---- the stored body ---------------------------------------------------------------------------------------- */

/*
 * 'R', version, flags, 0; then little-endian: created_ns:8 url_at:4 url_len:4; with content also
 * id:16 sha256:32 size:8; then the JSON text.
 */
#define BODY_MARK     'R'
#define BODY_VERSION  1
#define FLAG_CONTENT  1
#define FLAG_URL      2
#define HEAD_BYTES    20
#define CONTENT_BYTES (CONTENT_ID_BYTES + CONTENT_HASH_BYTES + 8)

bool
recording_read(struct str body, struct recording *recording_out)
{
	struct recording recording = { 0 };
	size_t           head = HEAD_BYTES;

	if (body.len < HEAD_BYTES || body.at[0] != BODY_MARK || body.at[1] != BODY_VERSION)
		return false;
	recording.has_content = body.at[2] & FLAG_CONTENT;
	recording.has_url = body.at[2] & FLAG_URL;
	recording.created_ns = (int64_t)le_read(body.at + 4, 8);
	recording.url_at = (size_t)le_read(body.at + 12, 4);
	recording.url_len = (size_t)le_read(body.at + 16, 4);
	if (recording.has_content) {
		const char *at = body.at + HEAD_BYTES;

		head += CONTENT_BYTES;
		if (body.len < head)
			return false;
		memcpy(recording.content.id, at, CONTENT_ID_BYTES);
		memcpy(recording.content.sha256, at + CONTENT_ID_BYTES, CONTENT_HASH_BYTES);
		recording.content.size = le_read(at + CONTENT_ID_BYTES + CONTENT_HASH_BYTES, 8);
	}
	recording.json = str_skip(body, head);
	if (recording.json.len < 2 || recording.url_at == 0 || recording.url_at + recording.url_len >= recording.json.len)
		return false;
	*recording_out = recording;
	return true;
}

static struct str
write_body(const struct recording *recording, struct arena *arena)
{
	struct buf buf;
	struct str copy = STR_EMPTY;

	buf_open(&buf, STORE_BODY_MAX);
	buf_put_char(&buf, BODY_MARK);
	buf_put_char(&buf, BODY_VERSION);
	buf_put_char(&buf, (char)((recording->has_content ? FLAG_CONTENT : 0) | (recording->has_url ? FLAG_URL : 0)));
	buf_put_char(&buf, 0);
	buf_put_le(&buf, (uint64_t)recording->created_ns, 8);
	buf_put_le(&buf, recording->url_at, 4);
	buf_put_le(&buf, recording->url_len, 4);
	if (recording->has_content) {
		buf_put(&buf, str_of(recording->content.id, CONTENT_ID_BYTES));
		buf_put(&buf, str_of(recording->content.sha256, CONTENT_HASH_BYTES));
		buf_put_le(&buf, recording->content.size, 8);
	}
	buf_put(&buf, recording->json);
	if (buf_err(&buf) == OK)
		copy = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
	return copy;
}

/* The JSON text, and where the URL's value stands in it. Empty if it is too large. */
static void
write_json(const struct parts *parts, const struct store_feed *feed, struct arena *arena, struct recording *recording)
{
	struct buf buf;

	buf_open(&buf, STORE_BODY_MAX);
	for (int prop = 0; prop < PROP_COUNT; prop++) {
		size_t start;

		buf_printf(&buf, "%s\"%s\":", prop ? "," : "{", names[prop]);
		start = buf.len;
		if (prop == PROP_ORGANIZER)
			put_organizer(&buf, parts->prop[prop], feed);
		else
			buf_put(&buf, parts->prop[prop].len ? parts->prop[prop] : STR("null"));
		if (prop == PROP_URL) {
			recording->url_at = start;
			recording->url_len = buf.len - start;
			recording->has_url = !is_null(parts->prop[prop]);
		}
	}
	buf_put(&buf, parts->unknown);
	buf_put_char(&buf, '}');
	recording->json = buf_err(&buf) == OK ? arena_copy(arena, buf_str(&buf)) : STR_EMPTY;
	buf_close(&buf);
}

struct str
recording_json(struct str body)
{
	struct recording recording;

	return recording_read(body, &recording) ? recording.json : STR("{}");
}

/* ---- names the server mints ------------------------------------------------------------------------------------ */

static struct str
quoted(struct str text, struct arena *arena)
{
	struct buf buf;
	struct str copy;

	buf_open(&buf, STORE_BODY_MAX);
	json_quote(&buf, text);
	MUST(buf_err(&buf) == OK);
	copy = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
	return copy;
}

/* As Graph's decode: V2##{organizer}{tenant}{the meeting's global object id}##{guid}, in base64. */
static struct str
mint_id(const struct store_feed *feed, const struct entropy *entropy, struct arena *arena)
{
	char        owner[GUID_TEXT_LEN], tenant[GUID_TEXT_LEN], own[GUID_TEXT_LEN], meeting[48];
	struct guid guid = guid_random(entropy);
	uint8_t     bytes[24];
	struct str  text;

	guid_format(&feed->owner, owner);
	guid_format(&feed->tenant, tenant);
	guid_format(&guid, own);
	entropy_fill(entropy, bytes, sizeof(bytes));
	hex_write(bytes, sizeof(bytes), meeting);
	text = arena_printf(arena, "V2##%.*s%.*s040000008200E00074C5B7101A82E008%.*s##%.*s", GUID_TEXT_LEN, owner,
	                    GUID_TEXT_LEN, tenant, (int)sizeof(meeting), meeting, GUID_TEXT_LEN, own);
	return b64_encode(B64_URL_PADDED, text.at, text.len, arena);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void
refuse(struct store_txn *txn, enum err err, struct str sentence, struct str *why_out)
{
	*why_out = sentence;
	store_fail(txn, err);
}

/* The item of these parts; its content, if any, is set by then. False: refused. */
static bool
make_item(struct store_txn *txn, const struct store_feed *feed, const struct parts *parts, struct recording *recording,
          struct arena *arena, struct item *item_out, struct str *why_out)
{
	struct item item = { 0 };
	struct str  created;

	MUST(raw_text(parts->prop[PROP_ID], arena, &item.id) && raw_text(parts->prop[PROP_MEETING], arena, &item.key));
	MUST(raw_text(parts->prop[PROP_CREATED], arena, &created) && date_parse(created, &recording->created_ns));
	write_json(parts, feed, arena, recording);
	if (recording->json.len > 0)
		item.body = write_body(recording, arena);
	if (item.body.len == 0) {
		refuse(txn, ERR_TOO_LARGE, STR("the recording is too large"), why_out);
		return false;
	}
	*item_out = item;
	return true;
}

void
recording_put_with_content(struct store_txn *txn, const struct store_feed *feed, const struct entropy *entropy,
                           struct str value, const struct content_ref *content, struct arena *arena, struct str *why_out)
{
	struct recording recording = { 0 }, known;
	struct parts     parts;
	struct item      item, old;
	struct str       id = STR_EMPTY;
	enum err         err = recording_check_import(value, arena, why_out);
	bool             exists;

	if (err == OK)
		err = read_parts(value, arena, &parts, why_out);
	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (parts.prop[PROP_ID].len == 0)
		parts.prop[PROP_ID] = quoted(mint_id(feed, entropy, arena), arena);
	MUST(raw_text(parts.prop[PROP_ID], arena, &id));
	exists = store_txn_get(txn, feed, id, &old);
	if (content) {
		recording.has_content = true;
		recording.content = *content;
	} else if (exists && recording_read(old.body, &known) && known.has_content) {
		recording.has_content = true;
		recording.content = known.content;
	}
	if (!make_item(txn, feed, &parts, &recording, arena, &item, why_out))
		return;
	if (exists)
		store_rewrite(txn, feed, &item);
	else
		store_put(txn, feed, &item);
}

void
recording_put_import(struct store_txn *txn, const struct store_feed *feed, const struct entropy *entropy,
                     struct str value, struct arena *arena, struct str *why_out)
{
	recording_put_with_content(txn, feed, entropy, value, NULL, arena, why_out);
}

/* The meeting is the path's; a body that names another one means something else. */
static enum err
complete_new(const struct recording_new *ctx, struct parts *parts, struct str *why_out)
{
	char       now[DATE_TEXT_MAX];
	struct str meeting;

	if (parts->first_unknown.len > 0) {
		*why_out = arena_printf(ctx->arena, "The property '%.*s' does not exist on type 'microsoft.graph.callRecording'.",
		                        STR_ARG(str_cut(parts->first_unknown, 64)));
		return ERR_BAD_REQUEST;
	}
	if (raw_text(parts->prop[PROP_MEETING], ctx->arena, &meeting) && !str_eq(meeting, ctx->meeting)) {
		*why_out = STR("The meetingId must be the meeting of the request's path.");
		return ERR_BAD_REQUEST;
	}
	parts->prop[PROP_MEETING] = quoted(ctx->meeting, ctx->arena);
	if (parts->prop[PROP_ID].len == 0)
		parts->prop[PROP_ID] = quoted(mint_id(&ctx->feed, ctx->entropy, ctx->arena), ctx->arena);
	if (parts->prop[PROP_CREATED].len == 0)
		parts->prop[PROP_CREATED] = quoted(str_of(now, date_format(ctx->now_ns, 7, now)), ctx->arena);
	return OK;
}

void
recording_create(struct store_txn *txn, const struct recording_new *ctx, struct str value, struct item *item_out,
                 struct str *why_out)
{
	struct recording recording = { 0 };
	struct parts     parts;
	struct item      item, old;
	enum err         err = read_parts(value, ctx->arena, &parts, why_out);

	if (err == OK)
		err = complete_new(ctx, &parts, why_out);
	if (err != OK) {
		store_fail(txn, err);
		return;
	}
	if (!make_item(txn, &ctx->feed, &parts, &recording, ctx->arena, &item, why_out))
		return;
	if (store_txn_get(txn, &ctx->feed, item.id, &old)) {
		store_fail(txn, ERR_CONFLICT);
		return;
	}
	store_put(txn, &ctx->feed, &item);
	*item_out = item;
}

void
recording_link_content(struct store_txn *txn, const struct recording_link *link, struct arena *arena,
                       struct content_ref *old_out, bool *had_old_out)
{
	struct recording recording;
	struct item      item;

	if (!store_txn_get(txn, &link->feed, link->id, &item) || !str_eq(item.key, link->meeting)) {
		store_fail(txn, ERR_NOT_FOUND);
		return;
	}
	if (!recording_read(item.body, &recording)) {
		store_fail(txn, ERR_CORRUPT);
		return;
	}
	if (link->seen && (link->seen->has_content != recording.has_content ||
	                   memcmp(link->seen->content.id, recording.content.id, CONTENT_ID_BYTES) != 0)) {
		store_fail(txn, ERR_STALE);
		return;
	}
	*had_old_out = recording.has_content;
	*old_out = recording.content;
	recording.has_content = true;
	recording.content = link->content;
	item.body = write_body(&recording, arena);
	if (item.body.len == 0)
		store_fail(txn, ERR_TOO_LARGE);
	else
		store_rewrite(txn, &link->feed, &item);
}

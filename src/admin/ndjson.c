/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/ndjson.h"

#include "auth/grant.h"
#include "auth/policy.h"
#include "base/bytes.h"
#include "resource/family.h"
#include "resource/values.h"
#include "text/date.h"
#include "text/json_read.h"
#include "text/json_write.h"
#include "text/uri.h"

#define WORD_SHOWN 64
#define FOLLOWED \
	"a followed scope is filled by its remote alone: follow its URL with `tidemark sync`, or copy the store " \
	"with `tidemark store backup`; items that become a user's own need a feed of that user"

bool
line_is_blank(struct str text)
{
	return str_span(text, STR(" \t\r")) == text.len;
}

/* ---- parsing -------------------------------------------------------------------------------------- */

struct parse {
	struct arena *arena;
	struct str    why;
};

static enum err
bad(struct parse *parse, struct str why)
{
	parse->why = why;
	return ERR_BAD_REQUEST;
}

/* Refuses a member that is not one of `known`, words separated by blanks. */
static enum err
check_members(struct parse *parse, const struct json *object, struct str known, const char *where)
{
	for (const struct json *member = json_first(object); member; member = member->next)
		if (!str_has_word(known, ' ', member->name, str_eq))
			return bad(parse, arena_printf(parse->arena, "unknown member \"%.*s\" in %s",
			                               STR_ARG(str_cut(member->name, WORD_SHOWN)), where));
	return OK;
}

static enum err
need_text(struct parse *parse, const struct json *object, const char *name, struct str *text_out)
{
	const struct json *member = json_member(object, name);
	struct str         text;

	if (!member)
		return bad(parse, arena_printf(parse->arena, "\"%s\" is missing", name));
	if (!json_text(member, &text))
		return bad(parse, arena_printf(parse->arena, "\"%s\" is %s, not a string", name,
		                               json_kind_name(json_kind(member))));
	if (text.len == 0)
		return bad(parse, arena_printf(parse->arena, "\"%s\" is empty", name));
	*text_out = arena_copy(parse->arena, text);
	return OK;
}

static enum err
need_guid(struct parse *parse, const struct json *object, const char *name, struct guid *guid_out)
{
	struct str text;

	TRY(need_text(parse, object, name, &text));
	if (!guid_parse(text, guid_out) || guid_is_zero(guid_out))
		return bad(parse, arena_printf(parse->arena, "\"%s\" is not a GUID", name));
	return OK;
}

/* The object in "value", with no members but the known ones. */
static enum err
need_value(struct parse *parse, const struct json *root, struct str known, const char *where,
           const struct json **value_out)
{
	const struct json *value = json_member(root, "value");

	if (json_kind(value) != JSON_OBJECT)
		return bad(parse, value ? STR("\"value\" is not an object") : STR("\"value\" is missing"));
	*value_out = value;
	return known.len > 0 ? check_members(parse, value, known, where) : OK;
}

/* A text of a user or a client. Without `needed`, absent and null mean empty. */
static enum err
user_text(struct parse *parse, const struct json *value, const char *name, bool needed, struct str *text_out)
{
	const struct json *member = json_member(value, name);

	if (!needed && (!member || json_kind(member) == JSON_NULL)) {
		*text_out = STR_EMPTY;
		return OK;
	}
	TRY(need_text(parse, value, name, text_out));
	if (text_out->len > UPN_MAX)
		return bad(parse, arena_printf(parse->arena, "\"%s\" is longer than %d bytes", name, UPN_MAX));
	if (!utf8_is_clean(*text_out))
		return bad(parse, arena_printf(parse->arena, "\"%s\" has a control character in it", name));
	return OK;
}

static enum err
parse_user(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *value, *tenant;

	TRY(need_value(parse, root, STR("id userPrincipalName displayName mail tenantId"), "the user's value", &value));
	tenant = json_member(value, "tenantId");
	TRY(need_guid(parse, value, "id", &op->user.id));
	TRY(user_text(parse, value, "userPrincipalName", true, &op->user.upn));
	TRY(user_text(parse, value, "displayName", false, &op->user.display_name));
	TRY(user_text(parse, value, "mail", false, &op->user.mail));
	if (tenant && json_kind(tenant) != JSON_NULL) {
		TRY(need_guid(parse, value, "tenantId", &op->user.tenant));
		op->has_tenant = true;
	}
	return OK;
}

static enum err
parse_feed(struct parse *parse, const struct json *root, struct line_op *op)
{
	struct str feed;

	TRY(need_text(parse, root, "feed", &feed));
	if (str_starts(feed, STR("scope/")))
		return bad(parse, STR(FOLLOWED));
	if (!feed_name_parse(feed, &op->owner, &op->resource))
		return bad(parse, arena_printf(parse->arena,
		                               "\"%.*s\" is not a feed: users/<guid>/calendars, "
		                               "users/<guid>/calendarGroups or users/<guid>/recordings",
		                               STR_ARG(str_cut(feed, WORD_SHOWN))));
	return OK;
}

/* "contentFile" or "content", and only of a resource that has content. */
static enum err
parse_content(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *content = json_member(root, "content");
	struct str         id, hash;
	int64_t            size;

	if (!content && !json_member(root, "contentFile"))
		return OK;
	if (!op->resource->content_of)
		return bad(parse, STR("only a recording has content; \"contentFile\" does not belong here"));
	if (!content)
		return need_text(parse, root, "contentFile", &op->content_file);
	TRY(check_members(parse, content, STR("id sha256 size"), "\"content\""));
	if (json_member(root, "contentFile") || !json_text(json_member(content, "id"), &id) ||
	    !json_text(json_member(content, "sha256"), &hash) || !json_int(json_member(content, "size"), &size) ||
	    size < 0 || !hex_read(id, op->content.id, CONTENT_ID_BYTES) ||
	    !hex_read(hash, op->content.sha256, CONTENT_HASH_BYTES))
		return bad(parse,
		           STR("\"content\" is not what tidemark import writes; name a \"contentFile\" instead"));
	op->content.size = (uint64_t)size;
	op->has_content = true;
	return OK;
}

static enum err
parse_put(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *value;
	struct values      values;
	struct str         text;

	TRY(parse_feed(parse, root, op));
	TRY(parse_content(parse, root, op));
	TRY(need_value(parse, root, STR_EMPTY, "", &value));
	if (json_text(json_member(value, "id"), &text) && (text.len == 0 || text.len > STORE_ID_MAX))
		return bad(parse, arena_printf(parse->arena, "\"id\" must have 1 to %d bytes", STORE_ID_MAX));
	op->value = value->raw;
	return resource_read_import(op->resource, op->value, parse->arena, &values, &parse->why);
}

static enum err
parse_remove(struct parse *parse, const struct json *root, struct line_op *op)
{
	TRY(parse_feed(parse, root, op));
	TRY(need_text(parse, root, "id", &op->id));
	if (op->id.len > STORE_ID_MAX)
		return bad(parse, arena_printf(parse->arena, "\"id\" must have 1 to %d bytes", STORE_ID_MAX));
	return OK;
}

static enum err
parse_remove_user(struct parse *parse, const struct json *root, struct line_op *op)
{
	return need_guid(parse, root, "id", &op->user.id);
}

/* Joins the roles with blanks, as they are stored. A role has no blank in it. */
static enum err
client_roles(struct parse *parse, const struct json *roles, struct str *roles_out)
{
	struct str joined = STR_EMPTY, role;

	if (json_kind(roles) != JSON_ARRAY || json_count(roles) > CLIENT_ROLES_MAX / 2)
		return bad(parse, STR("\"roles\" is not an array of names"));
	for (const struct json *one = json_first(roles); one; one = one->next) {
		if (!json_text(one, &role) || role.len == 0 || str_find(role, ' ') < role.len ||
		    joined.len + role.len >= CLIENT_ROLES_MAX)
			return bad(parse, STR("\"roles\" is not an array of names"));
		joined = arena_printf(parse->arena, "%.*s%s%.*s", STR_ARG(joined), joined.len ? " " : "",
		                      STR_ARG(role));
	}
	*roles_out = joined;
	return OK;
}

static enum err
client_since(struct parse *parse, const struct json *value, int64_t *since_s)
{
	struct str text;
	int64_t    ns;

	if (!json_member(value, "createdDateTime"))
		return OK;
	TRY(need_text(parse, value, "createdDateTime", &text));
	if (!date_parse(text, &ns) || ns < 0)
		return bad(parse, STR("\"createdDateTime\" is not a moment like 2026-11-21T10:00:00Z"));
	*since_s = ns / 1000000000;
	return OK;
}

static enum err
parse_client(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *value;
	const char        *why;

	TRY(need_value(parse, root, STR("id displayName roles secretHash certificate createdDateTime tenantId"),
	               "the client's value", &value));
	TRY(need_guid(parse, value, "id", &op->client.id));
	TRY(user_text(parse, value, "displayName", false, &op->client.name));
	TRY(user_text(parse, value, "secretHash", false, &op->client.secret_hash));
	if (json_member(value, "certificate"))
		TRY(need_text(parse, value, "certificate", &op->client.certificate));
	TRY(client_roles(parse, json_member(value, "roles"), &op->client.roles));
	TRY(client_since(parse, value, &op->client.since_s));
	op->has_tenant = json_member(value, "tenantId") != NULL;
	op->client.tenant = op->client.id; /* for the check: the store's own tenant is not known here */
	if (op->has_tenant)
		TRY(need_guid(parse, value, "tenantId", &op->client.tenant));
	if (!client_valid(&op->client, &why))
		return bad(parse, str_from_c(why));
	return OK;
}

static enum err
parse_remove_client(struct parse *parse, const struct json *root, struct line_op *op)
{
	return need_guid(parse, root, "id", &op->client.id);
}

/* {"app":…,"user":…} or {"app":…,"global":true}; the second may name a tenant. */
static enum err
parse_policy(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *value;
	bool               global = false;

	TRY(need_value(parse, root, STR("app user global tenantId"), "the policy's value", &value));
	TRY(need_text(parse, value, "app", &op->app));
	if (!policy_app_valid(op->app))
		return bad(parse, STR("\"app\" is not an application's id: up to 128 characters without blanks"));
	if (json_member(value, "global") && (!json_bool(json_member(value, "global"), &global) || !global))
		return bad(parse, STR("\"global\" can only be true"));
	if (global == (json_member(value, "user") != NULL))
		return bad(parse, STR("a policy is either for a \"user\" or \"global\""));
	if (!global && json_member(value, "tenantId"))
		return bad(parse, STR("\"tenantId\" belongs to a global policy; a user is known by id"));
	if (json_member(value, "tenantId")) {
		TRY(need_guid(parse, value, "tenantId", &op->user.tenant));
		op->has_tenant = true;
	}
	if (!global)
		TRY(need_guid(parse, value, "user", &op->owner));
	return OK;
}

static enum err
parse_grant(struct parse *parse, const struct json *root, struct line_op *op)
{
	const struct json *value;

	TRY(need_value(parse, root, STR("scope to"), "the grant's value", &value));
	TRY(need_text(parse, value, "scope", &op->id));
	TRY(need_text(parse, value, "to", &op->app));
	if (!grant_to_valid(op->app))
		return bad(parse,
		           STR("\"to\" is not the id of a client or a user: up to 128 characters without blanks"));
	return scope_name_is_good(op->id) ? OK : bad(parse, STR("\"scope\" is not the name of a scope"));
}

static const struct {
	const char    *op;
	enum line_kind kind;
	const char    *members;
	enum err (*parse)(struct parse *parse, const struct json *root, struct line_op *op);
} ops[] = {
	{ "user", LINE_USER, "op value", parse_user },
	{ "put", LINE_PUT, "op feed value contentFile content", parse_put },
	{ "remove", LINE_REMOVE, "op feed id", parse_remove },
	{ "remove-user", LINE_REMOVE_USER, "op id", parse_remove_user },
	{ "client", LINE_CLIENT, "op value", parse_client },
	{ "remove-client", LINE_REMOVE_CLIENT, "op id", parse_remove_client },
	{ "policy", LINE_POLICY, "op value", parse_policy },
	{ "remove-policy", LINE_REMOVE_POLICY, "op value", parse_policy },
	{ "grant", LINE_GRANT, "op value", parse_grant },
	{ "remove-grant", LINE_REMOVE_GRANT, "op value", parse_grant },
};

static enum err
parse_op(struct parse *parse, const struct json *root, struct line_op *op)
{
	struct str word;

	if (json_kind(root) != JSON_OBJECT)
		return bad(parse, arena_printf(parse->arena, "the line is %s, not an object",
		                               json_kind_name(json_kind(root))));
	TRY(need_text(parse, root, "op", &word));
	if (str_eq(word, STR("relate")))
		return bad(parse, STR(FOLLOWED));
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		if (!str_eq(word, str_from_c(ops[i].op)))
			continue;
		op->kind = ops[i].kind;
		TRY(check_members(parse, root, str_from_c(ops[i].members),
		                  arena_c(parse->arena, arena_printf(parse->arena, "a %s line", ops[i].op))));
		return ops[i].parse(parse, root, op);
	}
	return bad(parse,
	           arena_printf(parse->arena,
	                        "unknown op \"%.*s\"; user, put, remove, remove-user, client, remove-client, policy, "
	                        "remove-policy, grant and remove-grant are known",
	                        STR_ARG(str_cut(word, WORD_SHOWN))));
}

enum err
line_parse(struct str text, struct arena *arena, struct line_op *op_out, struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct parse                 parse = { .arena = arena, .why = STR("it cannot be understood") };
	struct line_op               op = { 0 };
	enum err                     err;

	if (text.len > LINE_BYTES_MAX) {
		*why_out = STR("the line is longer than 1 MiB");
		return ERR_TOO_LARGE;
	}
	err = json_read(text, arena, &root, &parse.why);
	if (err == OK)
		err = parse_op(&parse, root, &op);
	if (err == OK)
		*op_out = op;
	else
		*why_out = parse.why;
	return err;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static struct json_out
begin_line(struct buf *buf, const char *op)
{
	struct json_out json = json_out_object(buf);

	json_put_member(&json, STR("op"), str_from_c(op));
	return json;
}

static struct json_out
begin_value_line(struct buf *buf, const char *op)
{
	struct json_out json = begin_line(buf, op);

	json_put_name(&json, STR("value"));
	json_put_object(&json);
	return json;
}

static void
end_line(struct buf *buf, struct json_out *json)
{
	json_end_object(json);
	buf_put_char(buf, '\n');
}

void
line_put_user(struct buf *buf, const struct user *user, const struct guid *tenant)
{
	struct json_out json = begin_value_line(buf, "user");

	json_put_member_guid(&json, STR("id"), &user->id);
	json_put_member(&json, STR("userPrincipalName"), user->upn);
	if (user->display_name.len > 0)
		json_put_member(&json, STR("displayName"), user->display_name);
	if (user->mail.len > 0)
		json_put_member(&json, STR("mail"), user->mail);
	if (!guid_eq(&user->tenant, tenant))
		json_put_member_guid(&json, STR("tenantId"), &user->tenant);
	json_end_object(&json);
	end_line(buf, &json);
}

/* Replaces line ends by blanks: in JSON both can only stand between values. */
static struct str
on_one_line(struct str json, struct arena *arena)
{
	char *copy;

	if (!memchr(json.at, '\n', json.len) && !memchr(json.at, '\r', json.len))
		return json;
	copy = arena_take_raw(arena, json.len);
	for (size_t i = 0; i < json.len; i++)
		copy[i] = (char)(json.at[i] == '\n' || json.at[i] == '\r' ? ' ' : json.at[i]);
	return str_of(copy, json.len);
}

void
line_put_item(struct buf *buf, const struct store_feed *feed, const struct item *item, struct arena *arena)
{
	struct str      name = feed_name(feed, arena);
	struct str      value = resource_json(resource_of_feed(feed), item->body, arena);
	struct json_out json = begin_line(buf, "put");

	json_put_member(&json, STR("feed"), name);
	json_put_member_raw(&json, STR("value"), on_one_line(value, arena));
	end_line(buf, &json);
}

void
line_put_client(struct buf *buf, const struct client *client, const struct guid *tenant)
{
	struct json_out json = begin_value_line(buf, "client");
	char            created[DATE_TEXT_MAX];

	json_put_member_guid(&json, STR("id"), &client->id);
	if (client->name.len > 0)
		json_put_member(&json, STR("displayName"), client->name);
	json_put_member_words(&json, STR("roles"), client->roles);
	if (client->secret_hash.len > 0)
		json_put_member(&json, STR("secretHash"), client->secret_hash);
	if (client->certificate.len > 0)
		json_put_member(&json, STR("certificate"), client->certificate);
	if (client->since_s > 0)
		json_put_member(&json, STR("createdDateTime"),
		                str_of(created, date_format(client->since_s * 1000000000, 0, created)));
	if (!guid_eq(&client->tenant, tenant))
		json_put_member_guid(&json, STR("tenantId"), &client->tenant);
	json_end_object(&json);
	end_line(buf, &json);
}

void
line_put_removal(struct buf *buf, const char *op, const struct guid *id)
{
	struct json_out json = begin_line(buf, op);

	json_put_member_guid(&json, STR("id"), id);
	end_line(buf, &json);
}

void
line_put_policy(struct buf *buf, bool removes, const struct guid *user, const struct guid *tenant, struct str app)
{
	struct json_out json = begin_value_line(buf, removes ? "remove-policy" : "policy");

	json_put_member(&json, STR("app"), app);
	if (!guid_is_zero(user))
		json_put_member_guid(&json, STR("user"), user);
	else
		json_put_member_bool(&json, STR("global"), true);
	if (guid_is_zero(user) && tenant)
		json_put_member_guid(&json, STR("tenantId"), tenant);
	json_end_object(&json);
	end_line(buf, &json);
}

void
line_put_grant(struct buf *buf, bool removes, struct str scope, struct str to)
{
	struct json_out json = begin_value_line(buf, removes ? "remove-grant" : "grant");

	json_put_member(&json, STR("scope"), scope);
	json_put_member(&json, STR("to"), to);
	json_end_object(&json);
	end_line(buf, &json);
}

void
line_put_with_content(struct buf *buf, const struct line_op *op, const struct content_ref *content)
{
	char            id[2 * CONTENT_ID_BYTES], hash[2 * CONTENT_HASH_BYTES];
	struct json_out json;

	hex_write(content->id, CONTENT_ID_BYTES, id);
	hex_write(content->sha256, CONTENT_HASH_BYTES, hash);
	buf_printf(buf, "{\"op\":\"put\",\"feed\":\"users/%s/%s\",\"value\":", guid_str(&op->owner).c,
	           op->resource->collection);
	buf_put(buf, op->value);
	buf_put(buf, STR(",\"content\":"));
	json = json_out_object(buf);
	json_put_member(&json, STR("id"), str_of(id, sizeof(id)));
	json_put_member(&json, STR("sha256"), str_of(hash, sizeof(hash)));
	json_put_member_int(&json, STR("size"), (int64_t)content->size);
	json_end_object(&json);
	buf_put(buf, STR("}\n"));
}

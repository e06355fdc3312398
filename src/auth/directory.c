/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kv entries of this module:
 *
 *   namespace  name                           value
 *   setting    "tenant"                       the store's own tenant, 16 bytes
 *   setting    "created"                      when this program first made the store ready, RFC 3339
 *   sign-key   "current"                      the issuer's private key, PKCS#8
 *   user       id, 16 bytes                   JSON: tenantId userPrincipalName displayName mail
 *   upn        tenant, 16 bytes; folded UPN   the user's id, 16 bytes
 *   client, client-gone, client-generation: client.c
 *   policy     tenant, user (zero: global)    ids of applications, one a line (policy.c)
 *
 * A user and its upn entry are always written in one transaction.
 */
#include "auth/directory.h"

#include "auth/grant.h"
#include "auth/policy.h"
#include "crypt/sign.h"
#include "resource/resource.h"
#include "text/date.h"
#include "text/json_read.h"
#include "text/json_write.h"
#include "text/uri.h"

#define NS_USER "user"
#define NS_UPN  "upn"

/* Escapes can make six bytes of one. */
#define USER_KV_MAX  ((size_t)3 * UPN_MAX * 6 + 256)
#define UPN_NAME_MAX (sizeof(struct guid) + UPN_MAX)

/* ---- values ------------------------------------------------------------------------------------ */

struct str
user_name(const struct user *user)
{
	return user->display_name.len ? user->display_name : user->upn;
}

struct str
user_address(const struct user *user)
{
	return user->mail.len ? user->mail : user->upn;
}

static const char *
validate_upn(struct str upn)
{
	size_t at = str_find(upn, '@');

	if (upn.len == 0)
		return "the userPrincipalName is missing";
	if (at == 0 || at + 1 >= upn.len || str_find(str_skip(upn, at + 1), '@') < upn.len - at - 1)
		return "the userPrincipalName must have one '@' with something on either side";
	if (str_find(upn, ' ') < upn.len)
		return "the userPrincipalName has a blank";
	return NULL;
}

bool
user_valid(const struct user *user, const char **why_out)
{
	const struct str texts[] = { user->upn, user->display_name, user->mail };
	const char      *why = validate_upn(user->upn);

	if (guid_is_zero(&user->id) || guid_is_zero(&user->tenant))
		why = "the id and the tenantId must not be all zero";
	for (size_t i = 0; !why && i < COUNT_OF(texts); i++) {
		if (texts[i].len > UPN_MAX)
			why = "userPrincipalName, displayName and mail may have 256 bytes each";
		else if (!utf8_is_clean(texts[i]))
			why = "userPrincipalName, displayName and mail must be UTF-8 without control characters";
	}
	if (why)
		*why_out = why;
	return !why;
}

/* The only function that folds letter case: ASCII only, as bytes; anything else must be written the same. */
struct str
directory_upn_name(const struct guid *tenant, struct str upn, struct arena *arena)
{
	char *name = arena_take_raw(arena, UPN_NAME_MAX);

	MUST(upn.len <= UPN_MAX);
	memcpy(name, tenant->b, sizeof(tenant->b));
	for (size_t i = 0; i < upn.len; i++) {
		char c = upn.at[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		name[sizeof(tenant->b) + i] = c;
	}
	return str_of(name, sizeof(tenant->b) + upn.len);
}

static void
write_user(const struct user *user, struct buf *buf)
{
	struct json_out out = json_out_object(buf);

	json_put_member_guid(&out, STR("tenantId"), &user->tenant);
	json_put_member(&out, STR("userPrincipalName"), user->upn);
	json_put_member(&out, STR("displayName"), user->display_name);
	json_put_member(&out, STR("mail"), user->mail);
	json_end_object(&out);
}

static enum err
read_user(const struct guid *id, struct str value, struct arena *arena, struct user *user_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct user                  user = { .id = *id };
	struct str                   tenant;
	const char                  *why;

	if (json_read(value, arena, &root, NULL) != OK)
		return ERR_CORRUPT;
	if (!json_text(json_member(root, "tenantId"), &tenant) || !guid_parse(tenant, &user.tenant) ||
	    !json_text(json_member(root, "userPrincipalName"), &user.upn) ||
	    !json_text(json_member(root, "displayName"), &user.display_name) ||
	    !json_text(json_member(root, "mail"), &user.mail) || !user_valid(&user, &why))
		return ERR_CORRUPT;
	user.upn = arena_copy(arena, user.upn);
	user.display_name = arena_copy(arena, user.display_name);
	user.mail = arena_copy(arena, user.mail);
	*user_out = user;
	return OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

enum err
directory_tenant(struct store *store, struct arena *arena, struct guid *tenant_out)
{
	struct str value;

	TRY(store_get_kv(store, KV_SETTING, STR(KV_TENANT), arena, &value));
	return guid_from_bytes(value, tenant_out) ? OK : ERR_CORRUPT;
}

enum err
directory_find_owner(struct store *store, const struct guid *id, struct arena *arena, struct user *user_out)
{
	struct str value;

	TRY(store_get_kv(store, NS_USER, guid_bytes(id), arena, &value));
	return read_user(id, value, arena, user_out);
}

/*
 * The two entries are read in two snapshots. A user renamed in between is not found, which was true a moment ago.
 * Never is another user's data returned.
 */
static enum err
find_by_upn(struct store *store, const struct guid *tenant, struct str upn, struct arena *arena, struct user *user_out)
{
	struct str  name = directory_upn_name(tenant, upn, arena), value;
	struct user user;
	struct guid id;

	TRY(store_get_kv(store, NS_UPN, name, arena, &value));
	if (!guid_from_bytes(value, &id))
		return ERR_CORRUPT;
	TRY(directory_find_owner(store, &id, arena, &user));
	if (!str_eq(directory_upn_name(&user.tenant, user.upn, arena), name))
		return ERR_NOT_FOUND;
	*user_out = user;
	return OK;
}

enum err
directory_find_user(struct store *store, const struct guid *tenant, struct str id_or_upn, struct arena *arena,
                    struct user *user_out)
{
	struct user user;
	struct guid id;

	if (id_or_upn.len == 0 || id_or_upn.len > UPN_MAX)
		return ERR_NOT_FOUND;
	if (!guid_parse(id_or_upn, &id))
		return find_by_upn(store, tenant, id_or_upn, arena, user_out);
	TRY(directory_find_owner(store, &id, arena, &user));
	if (!guid_eq(&user.tenant, tenant))
		return ERR_NOT_FOUND;
	*user_out = user;
	return OK;
}

enum err
directory_next_user(struct store *store, const struct user *after, struct arena *arena, struct user *user_out)
{
	struct str  name, value;
	struct guid id;

	TRY(store_next_kv(store, NS_USER, guid_bytes(&after->id), arena, &name, &value));
	if (!guid_from_bytes(name, &id))
		return ERR_CORRUPT;
	return read_user(&id, value, arena, user_out);
}

/* ---- writing ----------------------------------------------------------------------------------- */

bool
directory_txn_find_owner(struct store_txn *txn, const struct guid *id, struct arena *arena, struct user *user_out)
{
	struct str value;
	enum err   err;

	if (!store_txn_get_kv(txn, NS_USER, guid_bytes(id), &value))
		return false;
	err = read_user(id, value, arena, user_out);
	if (err != OK)
		store_fail(txn, err);
	return err == OK;
}

static bool
upn_is_anothers(struct store_txn *txn, struct str name, const struct guid *id)
{
	struct str value;

	return store_txn_get_kv(txn, NS_UPN, name, &value) && !str_eq(value, guid_bytes(id));
}

static void
put_kv(struct store_txn *txn, const struct user *user, struct str name)
{
	struct buf buf;

	buf_open(&buf, USER_KV_MAX);
	write_user(user, &buf);
	MUST(buf_err(&buf) == OK);
	store_put_kv(txn, NS_USER, guid_bytes(&user->id), buf_str(&buf));
	store_put_kv(txn, NS_UPN, name, guid_bytes(&user->id));
	buf_close(&buf);
}

void
directory_put_user(struct store_txn *txn, const struct user *user, struct arena *arena)
{
	struct user earlier;
	struct str  name, earlier_name;
	const char *why;

	if (!user_valid(user, &why)) {
		store_fail(txn, ERR_BAD_REQUEST);
		return;
	}
	name = directory_upn_name(&user->tenant, user->upn, arena);
	if (upn_is_anothers(txn, name, &user->id)) {
		store_fail(txn, ERR_CONFLICT);
		return;
	}
	if (directory_txn_find_owner(txn, &user->id, arena, &earlier)) {
		if (!guid_eq(&earlier.tenant, &user->tenant)) {
			store_fail(txn, ERR_CONFLICT);
			return;
		}
		earlier_name = directory_upn_name(&earlier.tenant, earlier.upn, arena);
		if (!str_eq(earlier_name, name))
			store_remove_kv(txn, NS_UPN, earlier_name);
	}
	put_kv(txn, user, name);
}

bool
directory_remove_user(struct store_txn *txn, const struct guid *id, struct arena *arena)
{
	struct user user;

	if (!directory_txn_find_owner(txn, id, arena, &user))
		return false;
	for (const struct resource *const *resource = resources; *resource; resource++) {
		struct store_feed feed = { user.tenant, *id, (*resource)->number };

		if (feed.collection > 0)
			store_drop_feed(txn, &feed);
	}
	policy_forget_user(txn, &user.tenant, id);
	grant_forget(txn, id);
	store_remove_kv(txn, NS_UPN, directory_upn_name(&user.tenant, user.upn, arena));
	store_remove_kv(txn, NS_USER, guid_bytes(id));
	return store_txn_err(txn) == OK;
}

/* ---- what every store needs ------------------------------------------------------------------- */

static enum err
has_kv(struct store *store, const char *ns, struct str name, struct arena *arena, bool *has_out)
{
	struct str value;
	enum err   err = store_get_kv(store, ns, name, arena, &value);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	*has_out = err == OK;
	return OK;
}

static enum err
put_sign_key(struct store_txn *txn, struct arena *arena)
{
	AUTO(sign_key_close) struct sign_key *key = NULL;

	TRY(sign_key_generate(&key));
	store_put_kv(txn, KV_SIGN_KEY, STR(KV_CURRENT), sign_key_private(key, arena));
	return OK;
}

static enum err
make_ready(struct store *store, const struct entropy *entropy, const struct clock *clock, struct arena *arena)
{
	AUTO(store_abort) struct store_txn *txn = store_begin(store, NULL, arena);
	struct guid                         tenant = guid_random(entropy);
	char                                created[DATE_TEXT_MAX];
	struct str                          value;

	if (!store_txn_get_kv(txn, KV_SETTING, STR(KV_TENANT), &value))
		store_put_kv(txn, KV_SETTING, STR(KV_TENANT), guid_bytes(&tenant));
	if (!store_txn_get_kv(txn, KV_SETTING, STR(KV_CREATED), &value)) {
		size_t len = date_format(clock->wall_ns(clock->ctx), 0, created);

		store_put_kv(txn, KV_SETTING, STR(KV_CREATED), str_of(created, len));
	}
	if (!store_txn_get_kv(txn, KV_SIGN_KEY, STR(KV_CURRENT), &value))
		TRY(put_sign_key(txn, arena));
	return store_commit(&txn);
}

enum err
directory_ensure(struct store *store, const struct entropy *entropy, const struct clock *clock)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	bool                            tenant, created, key;

	TRY(has_kv(store, KV_SETTING, STR(KV_TENANT), arena, &tenant));
	TRY(has_kv(store, KV_SETTING, STR(KV_CREATED), arena, &created));
	TRY(has_kv(store, KV_SIGN_KEY, STR(KV_CURRENT), arena, &key));
	if (tenant && created && key)
		return OK;
	return make_ready(store, entropy, clock, arena);
}

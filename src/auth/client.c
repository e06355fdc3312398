/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/client.h"

#include <stdio.h>

#include "auth/grant.h"
#include "auth/jwt.h"
#include "crypt/rsa_cert.h"
#include "text/b64.h"
#include "text/json_read.h"
#include "text/json_write.h"
#include "text/uri.h"

#define NS_CLIENT     "client"
#define NS_GONE       "client-gone"
#define NS_GENERATION "client-generation" /* a decimal number */

#define STAND_INS_MAX 16 /* clients that are looked at */

/* Escapes can make six bytes of one. */
#define KV_MAX ((size_t)(CLIENT_NAME_MAX + CLIENT_ROLES_MAX + CLIENT_HASH_MAX) * 6 + CLIENT_CERT_MAX + 256)

enum err
client_certificate(const struct client *client, struct rsa_cert **cert_out)
{
	uint8_t     der[RSA_CERT_DER_MAX];
	size_t      len;
	const char *why;

	if (!b64_decode_into(B64_STANDARD, client->certificate, der, sizeof(der), &len))
		return ERR_BAD_REQUEST;
	return rsa_cert_from_der(str_of(der, len), cert_out, &why);
}

static bool
is_certificate(const struct client *client)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = NULL;

	return client_certificate(client, &cert) == OK;
}

bool
client_valid(const struct client *client, const char **why_out)
{
	const char *why = NULL;

	if (guid_is_zero(&client->id) || guid_is_zero(&client->tenant))
		why = "the id and the tenantId must not be all zero";
	else if (client->name.len > CLIENT_NAME_MAX || !utf8_is_clean(client->name))
		why = "displayName must be UTF-8 of at most 256 bytes without control characters";
	else if (client->roles.len > CLIENT_ROLES_MAX || !str_is_within(client->roles, ' ', '~'))
		why = "roles must be printable ASCII of at most 4096 bytes";
	else if (str_trim(client->roles).len == 0)
		why = "a client needs at least one role";
	else if (client->secret_hash.len >= CLIENT_HASH_MAX || !str_is_within(client->secret_hash, '!', '~'))
		why = "secretHash must be printable ASCII without blanks";
	else if (client->secret_hash.len > 0 && !secret_hash_valid(client->secret_hash))
		why = "secretHash must begin with $argon2id$ or $blake2b$";
	else if (client->certificate.len > 0 && !is_certificate(client))
		why = "certificate must be one in DER and base64, for RSA of 2048 to 4096 bits";
	else if (client->since_s < 0 || client->since_s > INT64_MAX / 1000000000)
		why = "a client cannot be from before 1970 or after 2261";
	if (why)
		*why_out = why;
	return !why;
}

/* ---- values ------------------------------------------------------------------------------------ */

static void
write_client(const struct client *client, struct buf *buf)
{
	struct json_out out = json_out_object(buf);

	json_put_member_guid(&out, STR("tenantId"), &client->tenant);
	json_put_member(&out, STR("displayName"), client->name);
	json_put_member(&out, STR("roles"), client->roles);
	json_put_member(&out, STR("secretHash"), client->secret_hash);
	if (client->certificate.len > 0)
		json_put_member(&out, STR("certificate"), client->certificate);
	json_put_member_int(&out, STR("since"), client->since_s);
	json_end_object(&out);
}

static enum err
read_client(const struct guid *id, struct str value, struct arena *arena, struct client *client_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct client                client = { .id = *id };
	struct str                   tenant;
	const char                  *why;

	if (json_read(value, arena, &root, NULL) != OK || !json_text(json_member(root, "tenantId"), &tenant) ||
	    !guid_parse(tenant, &client.tenant) || !json_text(json_member(root, "displayName"), &client.name) ||
	    !json_text(json_member(root, "roles"), &client.roles) ||
	    !json_text(json_member(root, "secretHash"), &client.secret_hash) ||
	    !json_int(json_member(root, "since"), &client.since_s) || !client_valid(&client, &why))
		return ERR_CORRUPT;
	/* Not parsed for every token: it is parsed when it is put and when it is used. */
	if (json_text(json_member(root, "certificate"), &client.certificate))
		client.certificate = arena_copy(arena, client.certificate);
	client.name = arena_copy(arena, client.name);
	client.roles = arena_copy(arena, client.roles);
	client.secret_hash = arena_copy(arena, client.secret_hash);
	*client_out = client;
	return OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

enum err
client_find(struct store *store, const struct guid *id, struct arena *arena, struct client *client_out)
{
	struct str value;

	TRY(store_get_kv(store, NS_CLIENT, guid_bytes(id), arena, &value));
	return read_client(id, value, arena, client_out);
}

enum err
client_next(struct store *store, const struct guid *after, struct arena *arena, struct client *client_out)
{
	struct str  name, value;
	struct guid id;

	TRY(store_next_kv(store, NS_CLIENT, guid_bytes(after), arena, &name, &value));
	if (!guid_from_bytes(name, &id))
		return ERR_CORRUPT;
	return read_client(&id, value, arena, client_out);
}

bool
client_secret_is_random(struct str secret)
{
	uint8_t bytes[CLIENT_SECRET_BYTES];
	size_t  len;

	return b64_decode_into(B64_URL, secret, bytes, sizeof(bytes), &len) && len == sizeof(bytes);
}

/* The next one in the order of ids behind a place that the key chooses. */
enum err
client_stand_in(struct store *store, const uint8_t key[HASH_KEYED_BYTES], struct str id, bool by_certificate,
                struct arena *arena, struct client *client_out)
{
	struct guid at;
	enum err    err;

	_Static_assert(HASH_KEYED_BYTES == sizeof(at.b), "a keyed hash chooses a place among ids");
	hash_keyed(key, id, at.b);
	for (int i = 0; i < STAND_INS_MAX; i++) {
		err = client_next(store, &at, arena, client_out);
		if (err == ERR_NOT_FOUND)
			err = client_next(store, &(struct guid){ { 0 } }, arena, client_out);
		TRY(err);
		if ((by_certificate ? client_out->certificate : client_out->secret_hash).len > 0)
			return OK;
		at = client_out->id;
	}
	return ERR_NOT_FOUND;
}

static enum err
read_generation(struct str value, int64_t *generation_out)
{
	uint64_t number;

	if (!str_to_u64(value, &number) || number >= INT64_MAX)
		return ERR_CORRUPT;
	*generation_out = (int64_t)number;
	return OK;
}

enum err
client_generation(struct store *store, struct str app, struct arena *arena, int64_t *generation_out)
{
	struct guid id;
	struct str  value;
	enum err    err;

	*generation_out = 0;
	if (!guid_parse(app, &id))
		return OK;
	err = store_get_kv(store, NS_GENERATION, guid_bytes(&id), arena, &value);
	return err == OK ? read_generation(value, generation_out) : err == ERR_NOT_FOUND ? OK : err;
}

enum err
client_revocation(struct store *store, struct str app, int64_t issued_s, int64_t generation, struct arena *arena)
{
	struct client client;
	struct guid   id;
	struct str    value;
	int64_t       now;
	enum err      err;

	if (!guid_parse(app, &id))
		return OK;
	TRY(client_generation(store, app, arena, &now));
	err = client_find(store, &id, arena, &client);
	if (err == OK)
		return (generation == JWT_GENERATION_NONE ? issued_s > client.since_s : generation == now)
		               ? OK
		               : ERR_NO_IDENTITY;
	if (err != ERR_NOT_FOUND)
		return err;
	err = store_get_kv(store, NS_GONE, guid_bytes(&id), arena, &value);
	if (err == OK)
		return ERR_NO_IDENTITY;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err
client_check(struct store *store, const struct client *client, struct arena *arena)
{
	struct client known;
	struct str    value;
	enum err      err;

	if (client->since_s > 0 || client_find(store, &client->id, arena, &known) == OK)
		return OK;
	err = store_get_kv(store, NS_GONE, guid_bytes(&client->id), arena, &value);
	if (err == OK)
		return ERR_CONFLICT;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- writing ----------------------------------------------------------------------------------- */

/*
 * A store that was restored may have given higher numbers in what was cut off, but none as high as the present
 * second.
 */
static void
raise_generation(struct store_txn *txn, const struct client *client)
{
	int64_t    generation = 0;
	struct str value;
	char       text[24];
	int        len;

	if (store_txn_get_kv(txn, NS_GENERATION, guid_bytes(&client->id), &value) &&
	    read_generation(value, &generation) != OK)
		store_fail(txn, ERR_CORRUPT);
	generation = generation < client->since_s ? client->since_s : generation + 1;
	len = snprintf(text, sizeof(text), "%lld", (long long)generation);
	store_put_kv(txn, NS_GENERATION, guid_bytes(&client->id), str_of(text, (size_t)len));
}

/* False: it has that value already. */
static bool
put_value(struct store_txn *txn, const struct client *client)
{
	AUTO(buf_close) struct buf buf = { 0 };
	struct str                 value;

	buf_open(&buf, KV_MAX);
	write_client(client, &buf);
	MUST(buf_err(&buf) == OK);
	if (store_txn_get_kv(txn, NS_CLIENT, guid_bytes(&client->id), &value) && str_eq(value, buf_str(&buf)))
		return false;
	store_put_kv(txn, NS_CLIENT, guid_bytes(&client->id), buf_str(&buf));
	return true;
}

void
client_put(struct store_txn *txn, const struct client *client)
{
	struct str  value;
	const char *why;

	if (!client_valid(client, &why))
		store_fail(txn, ERR_BAD_REQUEST);
	else if (client->since_s == 0 && !store_txn_get_kv(txn, NS_CLIENT, guid_bytes(&client->id), &value) &&
	         store_txn_get_kv(txn, NS_GONE, guid_bytes(&client->id), &value))
		store_fail(txn, ERR_CONFLICT);
	else if (put_value(txn, client))
		raise_generation(txn, client);
}

bool
client_txn_find(struct store_txn *txn, const struct guid *id, struct arena *arena, struct client *client_out)
{
	struct str value;

	return store_txn_get_kv(txn, NS_CLIENT, guid_bytes(id), &value) &&
	       read_client(id, value, arena, client_out) == OK;
}

void
client_put_hash(struct store_txn *txn, const struct client *client, struct str hash, struct arena *arena)
{
	struct client now;

	if (!client_txn_find(txn, &client->id, arena, &now) || !str_eq(now.secret_hash, client->secret_hash))
		return;
	now.secret_hash = hash;
	(void)put_value(txn, &now);
}

bool
client_remove(struct store_txn *txn, const struct guid *id)
{
	struct str value;

	if (!store_txn_get_kv(txn, NS_CLIENT, guid_bytes(id), &value))
		return false;
	store_remove_kv(txn, NS_CLIENT, guid_bytes(id));
	grant_forget(txn, id);
	store_put_kv(txn, NS_GONE, guid_bytes(id), STR("1"));
	return store_txn_err(txn) == OK;
}

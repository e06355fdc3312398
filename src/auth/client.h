/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client — the programs that may ask the store's own issuer for tokens, kept as kv entries.
 *
 * A client belongs to a tenant, has roles, and a certificate or a secret, of which only a hash is kept.  The id
 * of a deleted client stays known as gone: tokens that name it are refused, whoever made them.
 *
 * A client has a generation: a number that rises when anything of it changes.  A token names the generation it was made
 * for and is good for no other, whatever the clocks say.  A token without one is of an earlier version of this program:
 * it must have been made in a later second than its client was put.
 */
#pragma once

#include "crypt/seal.h"
#include "store/store.h"

struct rsa_cert;

#define CLIENT_NAME_MAX  256
#define CLIENT_ROLES_MAX 4096
#define CLIENT_HASH_MAX  128
#define CLIENT_CERT_MAX  10928 /* base64 of 8 KiB */

struct client {
	struct guid tenant;
	struct guid id;
	struct str  name;        /* may be empty */
	struct str  roles;       /* blank-separated */
	struct str  secret_hash; /* secret_hash() or secret_hash_random(); empty: it has no secret */
	struct str  certificate; /* its DER in base64; empty: none */
	int64_t     since_s;     /* when it was put */
};

/* Checks what a client must be like. *why_out is a fixed sentence. */
bool client_valid(const struct client *client, const char **why_out);

/* ERR_BAD_REQUEST: it has no valid one. */
enum err client_certificate(const struct client *client, struct rsa_cert **cert_out) MUST_CHECK;

/* ERR_NOT_FOUND if there is no such client now. */
enum err client_find(struct store *store, const struct guid *id, struct arena *arena, struct client *client_out)
	MUST_CHECK;
/* The next client after `after` (zeroed at first) in a fixed order; ERR_NOT_FOUND at the end. */
enum err client_next(struct store *store, const struct guid *after, struct arena *arena, struct client *client_out)
	MUST_CHECK;

/*
 * Inside a transaction. Put replaces; a client that is there already with the same bytes keeps its generation. By
 * store_fail(): ERR_BAD_REQUEST when client_valid() is false, ERR_CONFLICT for an id that is gone when `since` is 0,
 * because that would make tokens of earlier versions good again.
 */
void client_put(struct store_txn *txn, const struct client *client);
/* Would client_put() accept it now? ERR_CONFLICT, or an error of the store. */
enum err client_check(struct store *store, const struct client *client, struct arena *arena) MUST_CHECK;
/* False if there is no such client; its texts stand in the arena. */
bool client_txn_find(struct store_txn *txn, const struct guid *id, struct arena *arena, struct client *client_out);
/* False if there is no such client. */
bool client_remove(struct store_txn *txn, const struct guid *id);
/* Another hash of the same secret, unless the client has changed since it was found. Its tokens stay good. */
void client_put_hash(struct store_txn *txn, const struct client *client, struct str hash, struct arena *arena);

/* Has this secret the form of those that this program makes: base64url of 256 bits? */
#define CLIENT_SECRET_BYTES 32
bool client_secret_is_random(struct str secret);

/*
 * The client that stands in for an id without such a proof, so that its check costs what a known id's costs: one that
 * has a secret (a certificate), for a key and an id always the same. ERR_NOT_FOUND: there is none.
 */
enum err client_stand_in(struct store *store, const uint8_t key[HASH_KEYED_BYTES], struct str id, bool by_certificate,
                         struct arena *arena, struct client *client_out) MUST_CHECK;

/* The generation for a new token; read it before anything else of the client. 0 if the id never was a client's. */
enum err client_generation(struct store *store, struct str app, struct arena *arena, int64_t *generation_out)
	MUST_CHECK;

/*
 * May a token of that client, made at that moment for that generation (JWT_GENERATION_NONE: it names none), still be
 * used? One with an id that never was a client's may: whoever made it can read the store. ERR_NO_IDENTITY.
 */
enum err client_revocation(struct store *store, struct str app, int64_t issued_s, int64_t generation,
                           struct arena *arena) MUST_CHECK;

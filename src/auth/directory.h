/* SPDX-License-Identifier: Apache-2.0 */
/*
 * directory — tenants and users, kept as kv entries.
 *
 * A store has a tenant of its own, made with it, for everything that names none.  A user
 * belongs to one tenant and is found there by id or by userPrincipalName (any letter case);
 * a UPN names one user of a tenant at a time.
 */
#pragma once

#include "store/store.h"

struct user {
	struct guid tenant;
	struct guid id;
	struct str  upn;
	struct str  display_name; /* may be empty */
	struct str  mail;         /* may be empty */
};

/* What others see: the display name and the address, or the UPN in their place. */
struct str user_name(const struct user *user);
struct str user_address(const struct user *user);

#define UPN_MAX 256 /* bytes of a UPN, display name, mail address */

/*
 * Checks what a user must be like: ids not all zero, one '@' in the UPN with text on both sides, no blanks in it,
 * UTF-8 without control bytes everywhere. *why_out is a fixed sentence.
 */
bool user_valid(const struct user *user, const char **why_out);

/* The tenant's bytes and the UPN, its letters A to Z small: one name for all spellings of a UPN. */
struct str directory_upn_name(const struct guid *tenant, struct str upn, struct arena *arena);

/* The store's own tenant. ERR_NOT_FOUND in a store that was never opened for writing by this program. */
enum err directory_tenant(struct store *store, struct arena *arena, struct guid *tenant_out) MUST_CHECK;

/* By GUID or by UPN.  ERR_NOT_FOUND for anything not in that tenant. */
enum err directory_find_user(struct store *store, const struct guid *tenant, struct str id_or_upn, struct arena *arena,
                             struct user *user_out) MUST_CHECK;
/* By id alone, in any tenant (imports name feeds by the owner's id). Ids are unique in a store. */
enum err directory_find_owner(struct store *store, const struct guid *id, struct arena *arena, struct user *user_out)
	MUST_CHECK;
/* The next user after `after` (zeroed at first) in a fixed order; ERR_NOT_FOUND at the end. */
enum err directory_next_user(struct store *store, const struct user *after, struct arena *arena, struct user *user_out)
	MUST_CHECK;

/*
 * Inside a transaction.  Put replaces.  By store_fail(): ERR_CONFLICT when the UPN is another user's or the id
 * belongs to another tenant (its feeds would be lost), ERR_BAD_REQUEST when user_valid() says no.
 */
void directory_put_user(struct store_txn *txn, const struct user *user, struct arena *arena);
bool directory_txn_find_owner(struct store_txn *txn, const struct guid *id, struct arena *arena, struct user *user_out);
/* The user's feeds go too. False if there is no such user. */
bool directory_remove_user(struct store_txn *txn, const struct guid *id, struct arena *arena);

/* Makes what every store needs: its tenant, the issuer's key.  Called after each open for writing. */
enum err directory_ensure(struct store *store, const struct entropy *entropy, const struct clock *clock) MUST_CHECK;

/* Names of kv entries that more than one file of the module reads. */
#define KV_SETTING  "setting"
#define KV_TENANT   "tenant"
#define KV_CREATED  "created"
#define KV_SIGN_KEY "sign-key"
#define KV_CURRENT  "current"

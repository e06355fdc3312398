/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant — to whom a followed scope is open besides those whose permissions open it.
 *
 * A grant names the scope and a client's id or a user's.  Kept as kv entries, one per scope, by its name: they are
 * renamed and removed with it (STORE_OF_SCOPE).
 */
#pragma once

#include "store/store_followed.h"

#define GRANT_TO_MAX 128 /* bytes of an id */
#define GRANTS_MAX   400 /* of one scope */

/* One to GRANT_TO_MAX printable characters without blanks. */
bool grant_to_valid(struct str to);
/* Is the scope open to one of these two?  Either may be empty.  ERR_NOT_ALLOWED: it is not. */
enum err grant_check(struct store *store, struct str scope, struct str user, struct str app, struct arena *arena)
	MUST_CHECK;
/* Scopes with grants, in a fixed order, after that name; `to_out`: ids, one a line.  ERR_NOT_FOUND at the end. */
enum err grant_next(struct store *store, struct str after, struct arena *arena, struct str *scope_out,
                    struct str *to_out) MUST_CHECK;

/* Inside a transaction.  By store_fail(): ERR_BAD_REQUEST, ERR_TOO_LARGE. */
void grant_add(struct store_txn *txn, struct str scope, struct str to, struct arena *arena);
/* False: there is no such grant. */
bool grant_remove(struct store_txn *txn, struct str scope, struct str to, struct arena *arena);
/* All grants to a user or a client that goes. */
void grant_forget(struct store_txn *txn, const struct guid *to);

/* words — kv entries that hold ids, one a line, letter case ignored. */
/* By store_fail(): ERR_TOO_LARGE if there are `max` already. */
void words_add(struct store_txn *txn, const char *ns, struct str name, struct str word, size_t max,
               struct arena *arena);
/* False: it is not there.  Without its last word the entry goes. */
bool words_remove(struct store_txn *txn, const char *ns, struct str name, struct str word, struct arena *arena);

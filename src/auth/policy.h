/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy — Teams' application access policy: which applications may read the meetings of which users.
 *
 * A user has at most one policy, a list of applications; the tenant's global one serves users who have
 * none of their own.  An application in neither list has no access.  Kept as kv entries: one per
 * user and one per tenant.
 */
#pragma once

#include "store/store.h"

#define POLICY_APP_MAX  128 /* bytes of an application's id */
#define POLICY_APPS_MAX 400 /* applications of one policy */

struct policy {
	struct guid tenant;
	struct guid user; /* all zero: the global one */
	struct str  apps; /* ids, one a line */
};

/* One to POLICY_APP_MAX printable characters without blanks. */
bool policy_app_valid(struct str app);

/* ERR_NOT_ALLOWED: no policy lets this application reach that user's meetings. */
enum err policy_check(struct store *store, const struct guid *tenant, const struct guid *user, struct str app,
                      struct arena *arena) MUST_CHECK;
/* Policies in a fixed order; *after starts zeroed. ERR_NOT_FOUND at the end. */
enum err policy_next(struct store *store, const struct policy *after, struct arena *arena, struct policy *policy_out)
	MUST_CHECK;

/* Inside a transaction.  A zeroed user is the global policy.  By store_fail(): ERR_BAD_REQUEST, ERR_TOO_LARGE. */
void policy_allow(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
                  struct arena *arena);
/* False if that application is not in that policy. */
bool policy_remove(struct store_txn *txn, const struct guid *tenant, const struct guid *user, struct str app,
                   struct arena *arena);
/* All of a user's policy goes. */
void policy_forget_user(struct store_txn *txn, const struct guid *tenant, const struct guid *user);

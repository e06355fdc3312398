/* SPDX-License-Identifier: Apache-2.0 */
/* who — the user somebody means on the command line: an id, or a userPrincipalName in this or that tenant. */
#pragma once

#include "auth/directory.h"

/*
 * Without a tenant the store's own is asked first, then all: ERR_NOT_FOUND nobody, ERR_CONFLICT a name that several
 * tenants have.
 */
enum err user_lookup(struct store *store, const struct guid *tenant, struct str id_or_upn, struct arena *arena,
                     struct user *user_out) MUST_CHECK;

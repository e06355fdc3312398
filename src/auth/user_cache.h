/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known — users as they were last looked up, for as long as no note of the store has changed.
 *
 * Only users that exist are kept.  Size is fixed; users share places by hash, and one that lost its place is
 * looked up again.  Shared between threads.
 */
#pragma once

#include "auth/directory.h"

struct user_cache;

struct user_cache *user_cache_open(struct store *store); /* borrowed */
void               user_cache_close(struct user_cache **users);
/*
 * A user of that tenant.  ERR_NOT_FOUND for nobody and for another tenant's user alike, and neither is ever kept: how
 * long the answer takes does not tell one tenant of another's users.
 */
enum err user_cache_find_owner(struct user_cache *users, const struct guid *tenant, const struct guid *id,
                               struct arena *arena, struct user *user_out) MUST_CHECK;

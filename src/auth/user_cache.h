/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user_cache — users as they were last read, until a kv entry of the store changes.
 *
 * Only users that exist are kept.  Size is fixed; users share slots by hash, and one that lost its slot is
 * read again.  Shared between threads.
 */
#pragma once

#include "auth/directory.h"

struct user_cache;

struct user_cache *user_cache_open(struct store *store); /* borrowed */
void               user_cache_close(struct user_cache **users);
/*
 * A user of that tenant. ERR_NOT_FOUND for an unknown user and for another tenant's user alike, and neither is kept:
 * the time of the answer shows nothing about another tenant's users.
 */
enum err user_cache_find_owner(struct user_cache *users, const struct guid *tenant, const struct guid *id,
                               struct arena *arena, struct user *user_out) MUST_CHECK;

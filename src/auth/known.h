/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known — users as they were last looked up, for as long as no note of the store has changed.
 *
 * Only users that exist are kept.  Size is fixed; users share places by hash, and one that lost its place is
 * looked up again.  Shared between threads.
 */
#pragma once

#include "auth/directory.h"

struct known;

struct known *known_open(struct store *store);           /* borrowed */
void          known_close(struct known **known);
/*
 * A user of that tenant.  ERR_NOT_FOUND for nobody and for another tenant's user alike, and neither is ever kept: how
 * long the answer takes does not tell one tenant of another's users.
 */
enum err      known_find_owner(struct known *known, const struct guid *tenant, const struct guid *id,
                               struct arena *arena, struct user *user_out) MUST_CHECK;

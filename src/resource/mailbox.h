/* SPDX-License-Identifier: Apache-2.0 */
/* mailbox — what calendars and their groups share: names, ids and changeKeys in Exchange's format, If-Match. */
#pragma once

#include "resource/resource.h"

#define MAILBOX_NAME_CHARACTERS 255
#define MAILBOX_NAME_BYTES      (4 * MAILBOX_NAME_CHARACTERS)

property_check_fn mailbox_check_name, mailbox_check_change_key;

/* The feed state that ids are made from.  A feed that does not exist yet gets a random generation for them. */
bool mailbox_state(struct store_txn *txn, const struct resource_ctx *ctx, struct feed_state *state_out);
/* For the item that the next put writes. */
struct str mailbox_id(const struct resource_ctx *ctx, const struct feed_state *state);
struct str mailbox_change_key(const struct feed_state *state, struct arena *arena);
/* The id of the group that an owner's calendars of that class (a GUID's text) are in; it never changes. */
struct str mailbox_group_id(const struct guid *owner, struct str group_class, struct arena *arena);
/* Could this be an Exchange id at all? */
bool mailbox_id_is_shaped(struct str id);
/* `if_match` is a list of weak or strong tags or bare changeKeys; '*' fits any. */
bool mailbox_etag_fits(struct str if_match, struct str change_key);

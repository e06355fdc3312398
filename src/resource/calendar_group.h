/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calendar_group — the groups that the calendars of a mailbox stand in.
 *
 * A group is an item of a feed of its own, so import, export, backup, purging and checks treat it as any other item.
 * A calendar is in the group of its calendarGroupId, else in the group of its class; `My Calendars` is the group of the
 * first class.  A mailbox gets its groups when one of them is first asked for or named: `My Calendars`, and the group
 * of each calendar that is in another one.  From then on each imported calendar brings its group, if there is none yet.
 * Of a group that only a calendarGroupId tells of, no name is known.
 */
#pragma once

#include "resource/resource.h"

struct values;

/* The id of a calendar's group, from the JSON of its two members; empty is null. */
struct str calendar_group_of(const struct guid *owner, struct str group_id, struct str group_class,
                             struct arena *arena);
/* Is the stored calendar in that group? */
bool calendar_is_in(const struct guid *owner, struct str body, struct str group, struct arena *arena);

/* In a transaction.  `ctx` may be that of any feed of the mailbox. */

/* Creates the groups of a mailbox that has none yet. */
void calendar_group_ensure(struct store_txn *txn, const struct resource_ctx *ctx);
/* The class of the group, as JSON.  False: there is no such group. */
bool calendar_group_find(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str *class_out);
/* Creates the group of a calendar, given as JSON of its two members, unless it exists. */
void calendar_group_note(struct store_txn *txn, const struct resource_ctx *ctx, struct str group_id,
                         struct str group_class);

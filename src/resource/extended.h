/* SPDX-License-Identifier: Apache-2.0 */
/*
 * extended — the single-value extended properties of an item: texts that clients keep under names of their own.
 *
 * They are stored as the JSON array that $expand answers with, each with its id and its value.  Ids are compared
 * without their letter case.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define EXTENDED_NAME      "singleValueExtendedProperties"
#define EXTENDED_MAX       32   /* of one item */
#define EXTENDED_ID_MAX    512  /* bytes */
#define EXTENDED_VALUE_MAX 4096 /* bytes */

/* Empty: `sent`, the JSON of the member, is good.  Else the end of a sentence that begins with the member's name. */
struct str extended_check(struct str sent, struct arena *arena);
/* `list` after a client's change: what was sent replaces or, with null as its value, removes.  Empty: none is left. */
struct str extended_merge(struct str list, struct str sent, struct arena *arena);
/* "id":…,"value":… of each with one of these ids, as a JSON array; empty: there is none. */
struct str extended_select(struct str list, const struct str *ids, size_t count, struct arena *arena);

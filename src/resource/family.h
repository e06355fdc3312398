/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family — the resources that the follower knows besides those that are served: directory, mail, drives, lists,
 * planner, chats.  Only the members "How it is followed" of their descriptors are filled.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

struct resource;

/* The first one after `family`; NULL begins and ends. */
const struct resource *family_next(const struct resource *family);
/* By the path of a followed URL.  Never NULL: the generic one if no other fits. */
const struct resource *family_of_url(struct str url);
/*
 * The URL of one item of a followed URL, with that one's $select and $expand.  False: none follows from the id, as for
 * functions and ids of several parts.
 */
bool family_item_url(struct str url, struct str id, struct arena *arena, struct str *item_url_out);

/* The noun behind which the items of a followed noun stand: "items" for "root"; mostly the noun itself. */
struct str family_item_noun(struct str noun);

/* scope_name — the name of a scope: what it may be, and the one made from a delta URL. */
#define SCOPE_NAME_RULE "a scope's name has 1 to %d bytes, no blank and no slash"

bool scope_name_is_good(struct str name);
/* That of one of many: the section's name, a colon and the value.  No two values of a section have one name. */
struct str scope_name_of_value(struct str section, struct str value, struct arena *arena);
/* The last noun of the path: "calendars", "messages"; getAllRecordings gives "recordings"; without one "items". */
struct str scope_name_of_url(struct str url);

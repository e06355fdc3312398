/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group — the calendar groups of a mailbox, derived from its calendars.  Private to the graph module.
 *
 * Groups are not stored.  A calendar without a calendarGroupId belongs to the group of its class.  There are three
 * classes, and the group of the first always exists.  A calendarGroupId is a group too, of which only the id is known.
 */
#pragma once

#include "graph/call.h"
#include "resource/resource.h"

struct group {
	struct str id, change_key;
	struct str name;     /* empty: not known */
	struct str class_id; /* a GUID's text */
};

/* The group a calendar belongs to; views into the arena or into `calendar`. */
struct group group_of(const struct call *call, const struct values *calendar, struct arena *arena);
/* The group every mailbox has. */
struct group group_default(const struct call *call, struct arena *arena);

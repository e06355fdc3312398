/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group — the calendar groups of a mailbox, as far as its calendars tell.  Private to the face module.
 *
 * Nothing stores a group.  A calendar that names none belongs to the group of its class, of which there
 * are three, the first always there; a calendarGroupId that a calendar was given is a group, too, of which
 * no more is known than its id.
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route — which thing a path names.  Private to the face module.
 *
 * Segments are divided first and decoded after, so an id may hold an encoded slash.  Names
 * compare in any letter case, ids exactly.  A key is a segment of its own or stands in brackets:
 * users/ID, users('ID'), users(ID).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "resource/resource.h"

struct route {
	enum route_kind        kind;
	bool                   beta;
	bool                   me;
	struct str             user;       /* GUID, UPN or GUID@GUID; empty for /me */
	struct str             id;         /* of the item, where there is one; empty: the default calendar */
	struct str             group;      /* of calendars in a group */
	struct str             meeting;    /* of recordings of one meeting */
	struct str             parameters; /* of a function: what stands between the brackets, decoded */
	struct str             unknown;    /* the segment that could not be understood */
	const struct resource *resource;   /* whose path it is; NULL: of none, and everybody may */
	enum right             read, write;
};

/* ERR_BAD_REQUEST: not a path at all (bad percent-encoding). An unknown path is OK with ROUTE_UNKNOWN. */
enum err route_parse(struct str path, struct arena *arena, struct route *route_out) MUST_CHECK;

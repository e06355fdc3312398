/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route — what a path names.  Private to the graph module.
 *
 * The path is divided before its segments are decoded, so an id may hold an encoded slash.  Names compare in any letter
 * case, ids exactly.  A key is a segment of its own or in brackets: users/ID, users('ID'), users(ID).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "graph/served.h"
#include "resource/resource.h"

struct route {
	enum route_kind        kind;
	bool                   beta;
	bool                   me;
	bool                   count;      /* the path ends with $count: the number of the collection's items */
	struct str             user;       /* GUID, UPN or GUID@GUID; empty for /me */
	struct str             id;         /* of the item; empty: none, or the default calendar */
	struct str             group;      /* of calendars in a group */
	struct str             meeting;    /* of recordings of one meeting */
	struct str             parameters; /* of a function: the decoded text between the brackets */
	struct str             unknown;    /* the segment that matched nothing */
	const struct resource *resource;   /* whose path it is; NULL: no resource's, and no right is needed */
	enum right             read, write;
	const struct served   *served;   /* a followed scope's; NULL: it is none */
	struct str             scope;    /* … its name */
	struct str             value;    /* … of one of many: for which value it is asked */
	struct str             relation; /* … of the item */
};

static inline bool
route_is_delta(const struct route *route)
{
	return route->kind == ROUTE_DELTA || route->kind == ROUTE_ALL_RECORDINGS_DELTA ||
	       route->kind == ROUTE_RECORDINGS_DELTA;
}

/*
 * ERR_BAD_REQUEST: not a path at all (bad percent-encoding). An unknown path is OK with ROUTE_UNKNOWN.  `served` may be
 * NULL.
 */
enum err route_parse(struct str path, const struct served_all *served, struct arena *arena, struct route *route_out)
	MUST_CHECK;

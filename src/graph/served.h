/* SPDX-License-Identifier: Apache-2.0 */
/*
 * served — the followed scopes that are served: which of them a path names, its feed, and who may read it.  Private to
 * the graph module.
 *
 * A scope stands at the path of its own URL and at /scopes/NAME, below /v1.0 and /beta.  A URL with a word in braces is
 * that of many scopes, each named NAME:VALUE.
 */
#pragma once

#include "auth/auth.h"
#include "graph/graph.h"
#include "resource/resource.h"

#define SERVED_SEGMENTS_MAX 18

struct served_segment { /* of a URL's path, decoded */
	struct str text;
	bool       has_word; /* {word}, which stands for a value */
	bool       any_case; /* a noun, a user or a GUID; no other id */
};

struct served {
	struct str            name, url, permissions, owner; /* as in graph_served */
	struct served_segment segments[SERVED_SEGMENTS_MAX]; /* of its URL, without delta */
	size_t                count;                         /* 0: it is only at /scopes/NAME */
	bool                  has_delta;                     /* the URL ends with delta */
	bool                  is_many;
	bool                  is_me;          /* the URL is one of /me */
	const char           *content_member; /* which points to an item's content; NULL: none has any here */
	const char           *content_dir;
	struct resource       resource;      /* as it is served */
	struct right_row      row;           /* who may read it; without `calls`: nobody but by a grant */
	bool                  value_is_user; /* the value of one of many is segments[2], behind users */
};

struct served_all {
	const struct served *at;
	size_t               count;
};

/* What a path names of a served scope. */
struct served_path {
	const struct served *served;
	struct str           scope; /* the name of the scope */
	struct str           value; /* … of many: for which value it is asked */
	enum route_kind      kind;  /* DELTA, COLLECTION, ITEM, MEMBERS, FOLLOWED_CONTENT */
	struct str           id, relation;
	bool                 is_own;     /* the path of its own URL */
	bool                 is_by_item; /* … by the noun of its items: /events for /calendarView */
};

/* All in the arena, but for the texts of `parts`, which are borrowed. */
struct served_all served_read(const struct graph_parts *parts, struct arena *arena);
/* By the decoded segments of a path, the version first.  False: it names none. */
bool served_find(const struct served_all *all, const struct str *segments, size_t count, struct arena *arena,
                 struct served_path *path_out);
/* Is that the URL of the scope: host, path, options, and the value that is in its name? */
bool served_is_at(const struct served *served, struct str scope, struct str url, struct arena *arena);
/* Would both stand at one path?  The version counts for nothing, and a word in braces is any text. */
bool served_clash(const struct served *a, const struct served *b);

/* Whose data the URL names: the text behind /users/; empty: nobody's.  Without a URL: the section's, for that value. */
struct str served_owner_of(const struct served *served, struct str value, struct str url, struct arena *arena);

struct call;

/*
 * The step access_authorise() of a served scope: sets call->owner, call->feed and call->followed.  Refuses writes, too,
 * once the caller may read.
 */
enum err served_authorise(struct call *call) MUST_CHECK;
/*
 * A call for a feed of the store itself, such as /me/calendars: is the followed feed of that owner and resource served
 * in its place?  *yes_out: the call is now one for that.
 */
enum err served_replace(struct call *call, const struct guid *owner, bool *yes_out) MUST_CHECK;
/* Refuses a call whose scope has no whole round, or is not the one any more that a state token is about. */
enum err served_check(struct call *call) MUST_CHECK;
/* Of its feed as it is now; `epoch`: that of a cursor that is to be judged. */
enum err served_feed_state(const struct call *call, uint32_t epoch, struct feed_state *state_out) MUST_CHECK;
/* Why the state in a token is gone, after ERR_GONE. */
enum err served_refuse_gone(struct call *call, const struct guid *generation) MUST_CHECK;

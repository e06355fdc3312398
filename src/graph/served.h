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

struct served {
	struct str       name, permissions, owner;      /* as in graph_served */
	struct str       segments[SERVED_SEGMENTS_MAX]; /* of its own URL's path, decoded, without delta */
	size_t           count;                         /* 0: it is only at /scopes/NAME */
	bool             has_delta;                     /* the URL ends with delta */
	bool             is_many;
	bool             is_me;          /* the URL is one of /me */
	const char      *content_member; /* which points to an item's content; NULL: none has any here */
	const char      *content_dir;
	struct resource  resource; /* as it is served */
	struct right_row row;      /* who may read it; without `calls`: nobody but by a grant */
	/* Its own URL, around the value of one of many; empty: the URL of a scope is read each time. */
	struct str before, after;
	bool       value_is_third; /* that value is segments[2] */
};

struct served_all {
	const struct served *at;
	size_t               count;
};

/* What a path names of a served scope. */
struct served_path {
	const struct served *served;
	struct str           scope; /* the name of the scope */
	enum route_kind      kind;  /* DELTA, COLLECTION, ITEM, MEMBERS, FOLLOWED_CONTENT */
	struct str           id, relation;
	bool                 is_own; /* the path of its own URL */
};

/* All in the arena, but for the texts of `parts`, which are borrowed. */
struct served_all served_read(const struct graph_parts *parts, struct arena *arena);
/* By the decoded segments of a path, the version first.  False: it names none. */
bool served_find(const struct served_all *all, const struct str *segments, size_t count, struct arena *arena,
                 struct served_path *path_out);
/* Is that the URL of the scope, as far as its path goes? */
bool served_is_at(const struct served *served, struct str scope, struct str url, struct arena *arena);
/* The same for a scope of many that is asked for by its name, which is not always made of the value alone. */
bool served_is_like(const struct served *served, struct str url, struct arena *arena);
/* Would both stand at one path?  The version counts for nothing, and a word in braces is any text. */
bool served_clash(const struct served *a, const struct served *b);

/* Whose data the URL of the scope names: the text behind /users/; empty: nobody's. */
struct str served_owner_of(const struct served *served, struct str scope, struct str url, struct arena *arena);

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

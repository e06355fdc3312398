/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_followed — followed feeds: the views of scopes (store/replica.h).
 *
 * Such a feed is read like any feed, by scans, store_get() and store_seq_at(), and is written only by the follower: in
 * a transaction all but store_txn_state() and store_purge() is refused with ERR_NOT_ALLOWED.  Items have no second key,
 * no number `made`, and live ones no changed_ms (0).  There is no default item.
 *
 * The members of relations (replica_relation.h) are rows of the feed like its items, each with a seq of its own: a
 * scan returns them as items with `id` of the item and `member`, live, or removed when the item is there without it.
 * A removed item has lost its members with it, and they are no rows.  The rows of an item and of its members may come
 * in any order, and far from each other: each counts for the limit.  Scans by_id and store_get() give items alone.
 *
 * store_purge() finds nothing to purge while rows of a round move: ask again later.  store_seq_at() may give an earlier
 * seq than the newest one of that moment, when old rounds are no longer known.
 */
#pragma once

#include "store/store.h"

struct store_followed {
	struct store_feed feed; /* tenant: zero; owner: made from the scope's number; collection: STORE_FOLLOWED */
	struct str        name, url, resource, owner; /* as in struct replica_scope */
	uint64_t          rounds;                     /* whole ones; 0: there is no view yet */
	int64_t           round_ended_ms;             /* of the last whole one */
};
/* The scope of that name; ERR_NOT_FOUND. Texts are in the arena. */
enum err store_get_followed(struct store *store, struct str name, struct arena *arena, struct store_followed *out)
	MUST_CHECK;
/* As store_next_feed(), for followed feeds; *after may be any feed that is not followed, at the start. */
enum err store_next_followed(struct store *store, const struct store_feed *after, struct store_feed *feed_out,
                             struct feed_state *state_out) MUST_CHECK;

/* Of a kv entry in this namespace the name is a scope's: it is renamed and removed in the commit that does so to it. */
#define STORE_OF_SCOPE "scope-grant"

struct store_member { /* a member of a relation of a followed item; type and value as the source sent them */
	struct str relation, member, type, value;
};
/* The members of an item in order of relation and member, after that one (NULL: from the first); ERR_NOT_FOUND. */
enum err store_next_member(struct store *store, const struct store_feed *feed, struct str id,
                           const struct store_member *after, struct arena *arena, struct store_member *out) MUST_CHECK;

/*
 * The file with the whole content of a followed item, as the follower has recorded it; empty: by a version that
 * recorded no names.  ERR_NOT_FOUND: this feed's item has no whole content.
 */
enum err store_get_content_file(struct store *store, const struct store_feed *feed, struct str id, struct arena *arena,
                                struct str *file_out) MUST_CHECK;

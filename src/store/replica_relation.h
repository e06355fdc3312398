/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica_relation — the relations of followed items: the members of a group, the manager of a user.
 *
 * The remote tells them in parts, over pages and rounds.  A part adds a member or removes it.  The parts of a round
 * are staged with its pages and become visible in the commit that makes the round the view.
 */
#pragma once

#include "store/replica.h"

struct replica_relation { /* one member of a relation of an item */
	struct str relation, member, type, value;
	bool       is_removed;
};

/* Of the live item put last. Within a round the last word about a member counts; a removed item loses all. */
void replica_put_relation(struct replica *replica, struct str id, const struct replica_relation *relation);

/* The members of the relations of the view in order of id, relation and member, after that one. */
struct replica_member {
	struct str id, relation, member, type, value;
};
/* Views live until the next call of the next two. ERR_NOT_FOUND at the end. */
enum err replica_next_member(struct replica *replica, int64_t sid, const struct replica_member *after,
                             struct replica_member *out) MUST_CHECK;
/* What an update did to the item's relations: in order of relation, added ones first, and member. */
struct replica_moved {
	struct str relation, member;
	bool       is_removed;
};
enum err replica_next_moved(struct replica *replica, uint64_t n, const struct replica_moved *after,
                            struct replica_moved *out) MUST_CHECK;

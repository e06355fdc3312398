/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_scope — which scope of the replica belongs to a URL.  Private to the follow module.
 *
 * A scope without a single page reserves neither its name nor its URL: the URL may have been mistyped.
 */
#pragma once

#include "resource/resource.h"
#include "store/replica.h"

struct follow_scope {
	struct replica *replica;
	struct str      url, name; /* name empty: any, or one made from the URL */
	struct str      owner;     /* whose data the credential opens; empty: not known */
	bool            from_now;
	struct arena   *arena; /* reset at will */
};

/* Finds or makes the scope.  ERR_CONFLICT, ERR_NOT_ALLOWED as follow_open(), with a sentence; else the replica's. */
enum err follow_scope_find(const struct follow_scope *scope, int64_t *sid_out, char why_out[512]) MUST_CHECK;
/* What decides how items are read: identity, removal, update, relations.  Empty: as the first version read all. */
struct str follow_scope_rule(const struct resource *resource, struct arena *arena);
/* Notes the rule for the rounds to come; a round that was begun by another rule is dropped. */
enum err follow_scope_keep_rules(const struct follow_scope *scope, int64_t sid, struct str rule,
                                 enum replica_updates updates) MUST_CHECK;
/* An initial round does not list what there is. */
bool follow_scope_lists_nothing(const struct replica_scope *scope, const struct resource *resource);
bool follow_link_says_latest(struct str link);
/* Removals are seen by a member that the URL's $select leaves out. */
bool     follow_url_hides_removals(struct str url, const struct resource *resource);
bool     follow_scope_is_new(const struct replica_scope *scope); /* no page of it has come yet */
enum err follow_scope_forget(struct replica *replica, int64_t sid) MUST_CHECK;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica_backend — what an engine must do for what is followed.  Private to the store module.
 *
 * replica.c checks the arguments (sizes, an open page, that the store may be written) and remembers the first failure
 * of a page: after it only undo_page is called.  So an engine checks none of it.  What stands in the store is checked
 * by the engine, in the transaction that relies on it: names, and the phase of the scope.  Each function does what the
 * one of its name in replica.h says; a result that is not to be seen outside is said here.
 */
#pragma once

#include "store/replica_content.h"
#include "store/replica_relation.h"
#include "store/store_backend.h"

#define REPLICA_FAULT_MAX ((size_t)4 << 10)

struct replica_which { /* a scope */
	enum replica_by { REPLICA_BY_SID, REPLICA_AFTER_SID, REPLICA_BY_NAME, REPLICA_BY_URL } by;
	int64_t    number; /* the sid; of BY_URL: the n-th one in order of owner */
	struct str text;   /* the name or the URL */
};

/* What one commit sets, and from which members of struct replica_value. Besides `of`, the sid or the lid. */
enum replica_set {
	REPLICA_SET_NAME,     /* text; also of the kv entry of the scope (STORE_OF_SCOPE) */
	REPLICA_SET_UPDATES,  /* number */
	REPLICA_SET_RULE,     /* text; more: the resource */
	REPLICA_SET_OWNER,    /* text. ERR_CONFLICT */
	REPLICA_SET_PREFER,   /* text */
	REPLICA_SET_ACKED,    /* number */
	REPLICA_SET_PRINTED,  /* number */
	REPLICA_SET_CONTENT,  /* text: the id; number: the state; more: the part */
	REPLICA_SET_RETRIED,  /* text: the reason */
	REPLICA_DROP_LETTER,  /* - */
	REPLICA_SET_FAULT,    /* text, number. It and the next two need not be durable. */
	REPLICA_ADD_PAUSE,    /* number */
	REPLICA_SET_PAGE_SIZE /* number */
};
struct replica_value {
	enum replica_set set;
	int64_t          of, number;
	struct str       text, more;
};

/* The functions that have the type of the one in replica.h. */
#define AS(name) __typeof__(replica_##name) *

struct replica_scopes {
	enum err (*find)(struct replica *replica, const struct replica_which *which, struct arena *arena,
	                 struct replica_scope *out);
	enum err (*set)(struct replica *replica, const struct replica_value *value);
	AS(add_scope) add;
	AS(point_scope) point;
	AS(forget_scope) forget;
	AS(get_asking) get_asking;
};

struct replica_rounds { /* the bulk is staged */
	AS(begin_round) begin;
	AS(drop_round) drop;
	enum err (*begin_page)(struct replica *replica, int64_t sid);
	enum err (*put_item)(struct replica *replica, struct str id, enum replica_life life, struct str body);
	enum err (*put_shown)(struct replica *replica, struct str shown);
	enum err (*put_relation)(struct replica *replica, struct str id, const struct replica_relation *relation);
	enum err (*put_dead_letter)(struct replica *replica, struct str id, struct str reason, struct str raw);
	AS(end_page) end_page;
	void (*undo_page)(struct replica *replica); /* also when begin_page failed or was not called */
};

struct replica_reads { /* what a caller reads on from is not what was returned to it: replica.c keeps a copy */
	AS(head) head;
	AS(next_change) next_change;
	AS(begin_read) begin;
	void (*end)(struct replica *replica, bool has_snapshot); /* views end, too */
	AS(find_lost) find_lost;
	AS(next_item) next_item;
	AS(has_item) has_item;
	AS(next_member) next_member;
	AS(next_moved) next_moved;
	AS(next_dead_letter) next_dead_letter;
	AS(get_content) get_content;
};

struct replica_backend {
	/* *replica_out is set in every case: after a failure replica.c closes it. */
	enum err (*open)(void *engine, enum store_access access, bool is_joined, struct replica **replica_out);
	void (*close)(struct replica *replica); /* frees it; no page and no snapshot is open */
	const struct replica_scopes *scopes;
	const struct replica_rounds *rounds;
	const struct replica_reads  *reads;
	AS(limit_commits) limit_commits;
	AS(settle) settle; /* all up to the switch. ERR_NOT_ALLOWED: replica.c drops the round. */
	AS(sweep) sweep;
	AS(trim) trim;
};
#undef AS

/* An engine has a struct replica of its own, which begins with this one.  All in it is replica.c's. */
struct replica_common {
	const struct replica_backend *backend;
	struct store                 *store;
	bool                          is_joined; /* the store is another's */
	bool                          is_reading, in_page;
	enum err                      page_err;
};

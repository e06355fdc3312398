/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica — what was followed: the items of delta URLs that are somebody else's, in the same file as the store.
 *
 * A scope is one followed URL.  Its view is what readers see: the items as they were at the end of its
 * last whole round.  A round is staged page by page, each page and the link to the next in one
 * commit, and nothing of it is seen; then it is settled, and the view changes in one commit, together
 * with the link for the next round.
 *
 *   Law 1  Killed anywhere, a scope stands where its last commit left it: the view is that of a whole
 *          round, the round's staged pages are exactly those before its link.
 *   Law 2  A first round is staged where it will stay: it becomes the view by the change of one row.
 *   Law 3  Every change of a view has a number n, store-wide and rising, given in the commit that makes
 *          the change.  A first round's are one range, not a row each.
 *   Law 4  A reader of changes who keeps n is told every change after it, once, or that some are no longer kept.  It is
 *          told the item as it is when told; an item created and removed again in between is told as removed alone.
 *
 * Bodies are JSON text to the replica but only as bytes: merging and comparing are passed in.
 * One thread.  Opened with STORE_SERVE it holds the store's lock, which is also every scope's lease.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

#define REPLICA_NAME_MAX    128
#define REPLICA_LINK_MAX    ((size_t)32 << 10)
#define REPLICA_LETTERS_MAX 10000 /* dead letters of one scope */

struct replica;

enum replica_phase { REPLICA_IDLE, REPLICA_ROUND, REPLICA_SETTLING };
enum replica_kind { REPLICA_FIRST, REPLICA_NEXT, REPLICA_RESYNC };

struct replica_scope {
	int64_t    sid;
	struct str name, url, resource; /* resource: the last noun of the URL's path: "calendars" */
	bool       from_now;            /* the first round only finds the place */
	struct str delta_link;          /* empty before the first whole round */
	uint64_t   items;               /* in the view */

	enum replica_phase phase;
	enum replica_kind  kind;       /* of the round under way */
	struct str         round_link; /* next page; when settling: the link for the next round */
	uint64_t           round_pages, round_items;
	int64_t            round_started_ms;

	uint64_t   rounds;         /* whole ones */
	int64_t    round_ended_ms; /* of the last whole one; 0 for none */
	int64_t    throttled_ms;   /* waited because the far end asked, in all */
	struct str fault;          /* of the last run; empty if it went well */
	int64_t    fault_ms;
	uint64_t   acked, printed; /* readers' marks: changes up to there are done with */
	uint64_t   lost;           /* changes up to there are no longer kept */
	uint64_t   letters;
};

/* As store_open(); also ERR_BAD_REQUEST for a store that is not in a file. */
enum err   replica_open(const struct store_conf *conf, struct replica **replica_out, char why_out[512]) MUST_CHECK;
void       replica_close(struct replica **replica);
struct str replica_why(struct replica *replica, struct arena *arena);

/* ---- scopes: texts are in the arena; ERR_NOT_FOUND ------------------------------------------- */

enum err replica_get_scope(struct replica *replica, int64_t sid, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
enum err replica_find_scope(struct replica *replica, struct str name, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
enum err replica_find_url(struct replica *replica, struct str url, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
enum err replica_next_scope(struct replica *replica, int64_t after_sid, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
/* Uses name, url, resource, from_now.  ERR_CONFLICT: the name is taken. */
enum err replica_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out) MUST_CHECK;
enum err replica_rename_scope(struct replica *replica, int64_t sid, struct str name) MUST_CHECK; /* ERR_CONFLICT */
/* The name goes to another URL: url, resource, from_now of `scope`.  Only before the scope's first whole round. */
enum err replica_point_scope(struct replica *replica, int64_t sid, const struct replica_scope *scope) MUST_CHECK;
/*
 * One bounded piece of forgetting a scope with all that is its own; not done: call again.  After the first piece it
 * is a scope that was never followed, after the last there is none.
 */
enum err replica_forget_scope(struct replica *replica, int64_t sid, bool *done_out) MUST_CHECK;
enum err replica_note_fault(struct replica *replica, int64_t sid, struct str fault, int64_t at_ms) MUST_CHECK;
enum err replica_note_pause(struct replica *replica, int64_t sid, int64_t ms) MUST_CHECK;

/* ---- a round ---------------------------------------------------------------------------------- */

/* Whatever was staged before is forgotten. */
enum err replica_begin_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link,
                             int64_t at_ms) MUST_CHECK;
enum err replica_drop_round(struct replica *replica, int64_t sid) MUST_CHECK;

enum replica_life { REPLICA_LIVE, REPLICA_CHANGED, REPLICA_DELETED }; /* the last two: removed, and why */

/* One page, one commit.  Sticky: look at replica_end_page(). */
void replica_begin_page(struct replica *replica, int64_t sid);
void replica_put_item(struct replica *replica, struct str id, enum replica_life life, struct str body);
void replica_put_dead_letter(struct replica *replica, struct str reason, struct str raw);
/* The link of the next page, or if `last` of the next round.  ERR_TOO_LARGE: too many dead letters. */
enum err replica_end_page(struct replica *replica, struct str link, bool last) MUST_CHECK;
void     replica_give_up_page(struct replica *replica); /* nothing of it is stored */

/* ---- settling --------------------------------------------------------------------------------- */

struct replica_merger {
	void *ctx;
	/* What the item is after `told` came on top of `held`.  ERR_TOO_LARGE. */
	enum err (*merge)(void *ctx, struct str held, struct str received, struct buf *merged_out);
	/* False if they say the same; else the names of the members that differ, as a JSON array. */
	bool (*differ)(void *ctx, struct str a, struct str b, struct buf *fields_out);
};

struct replica_guard {
	uint32_t percent, at_least; /* a resync that would sweep more than both stops */
};

struct replica_tally {
	uint64_t created, updated, removed, returned, swept; /* swept ones are among the removed */
	uint64_t letters;
	uint64_t items; /* in the view before */
};

/*
 * One bounded piece of work.  OK with *done_out false: call again.  Done: the view has changed, tally_out
 * says how.  ERR_NOT_ALLOWED: the guard; tally_out->swept says how many, and the round is dropped.
 */
enum err replica_settle(struct replica *replica, int64_t sid, const struct replica_merger *merger,
                        const struct replica_guard *guard, int64_t at_ms, struct replica_tally *tally_out,
                        bool *done_out) MUST_CHECK;
/* Cuts away a piece of what is no longer seen. */
enum err replica_sweep(struct replica *replica, bool *done_out) MUST_CHECK;

/* ---- reading ---------------------------------------------------------------------------------- */

enum replica_change_kind { REPLICA_CREATED, REPLICA_UPDATED, REPLICA_REMOVED, REPLICA_RETURNED };

struct replica_change {
	uint64_t                 n;
	enum replica_change_kind kind;
	enum replica_life        life; /* of a removal: why; REPLICA_LIVE: a resync did not name it */
	struct str               scope, id;
	struct str               fields; /* a JSON array; empty for all */
	struct str               body;   /* the item as it is now; empty if it is gone */
};

enum err replica_head(struct replica *replica, uint64_t *n_out) MUST_CHECK; /* the newest number given */
/* The first change after n; sid 0 for all scopes.  Views live until the next call.  ERR_NOT_FOUND. */
enum err replica_next_change(struct replica *replica, int64_t sid, uint64_t after_n, struct replica_change *out)
	MUST_CHECK;
/* Between these two every reading call sees the same moment. */
enum err replica_begin_read(struct replica *replica) MUST_CHECK;
void     replica_end_read(struct replica *replica);
enum err replica_ack(struct replica *replica, int64_t sid, uint64_t n) MUST_CHECK; /* never goes back */
enum err replica_mark_printed(struct replica *replica, int64_t sid, uint64_t n) MUST_CHECK;

struct replica_keep {     /* moments: only what was before them is dropped */
	int64_t acked_ms; /* of scopes somebody acknowledges: and is not above the mark */
	int64_t other_ms; /* of scopes nobody ever has */
};
/* Drops a bounded piece of the changes that need not be kept.  Not done: call again. */
enum err replica_trim(struct replica *replica, const struct replica_keep *keep, bool *done_out) MUST_CHECK;

enum replica_marks { REPLICA_NO_MARKS, REPLICA_ACKED, REPLICA_PRINTED }; /* heeded by a reader; TOLD: both */

struct replica_lost {
	char     scope[REPLICA_NAME_MAX + 1];
	uint64_t n; /* its changes up to there are no longer kept */
};
/*
 * Was something dropped that a reader standing at after_n has not been told?  ERR_NOT_FOUND: nothing.  Asked between
 * replica_next_change() and the next call, it answers for the moment that change was read at.
 */
enum err replica_find_lost(struct replica *replica, int64_t sid, uint64_t after_n, enum replica_marks marks,
                           struct replica_lost *out) MUST_CHECK;

/* The view in order of id; views live until the next call. ERR_NOT_FOUND at the end. */
enum err replica_next_item(struct replica *replica, int64_t sid, struct str after_id, struct str *id_out,
                           struct str *body_out) MUST_CHECK;

/* How the content of an item stands. */
enum replica_content_state {
	REPLICA_CONTENT_WAITING,
	REPLICA_CONTENT_PAYMENT,
	REPLICA_CONTENT_REFUSED,
	REPLICA_CONTENT_PARTIAL,
	REPLICA_CONTENT_DONE
};

struct replica_content {
	enum replica_content_state state;
	struct str                 part; /* what is known of the part that is there: a text of the follower's own */
};
enum err replica_get_content(struct replica *replica, int64_t sid, struct str id, struct arena *arena,
                             struct replica_content *out) MUST_CHECK;
enum err replica_put_content(struct replica *replica, int64_t sid, struct str id, const struct replica_content *content)
	MUST_CHECK;

struct replica_dead_letter {
	int64_t    lid;
	int64_t    at_ms;
	uint32_t   attempts;
	struct str scope, reason, raw;
};
enum err replica_next_dead_letter(struct replica *replica, int64_t sid, int64_t after_lid, struct arena *arena,
                                  struct replica_dead_letter *out) MUST_CHECK;
/* Tried once more, in vain. */
enum err replica_retried_dead_letter(struct replica *replica, int64_t lid, struct str reason) MUST_CHECK;
enum err replica_drop_dead_letter(struct replica *replica, int64_t lid) MUST_CHECK;

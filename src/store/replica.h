/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replica — what is followed: the items of delta URLs of other servers, in the same file as the store.
 *
 * A scope is one followed URL.  Its view is what readers see: the items as they were at the end of the
 * last whole round.  A round is staged page by page: one commit stores a page and the link to the next one.
 * Readers see nothing of it.  Then one commit makes the round the new view and stores the link for the next round.
 *
 *   Law 1  A process that is killed leaves the scope as its last commit left it: the view is that of a whole
 *          round, and the staged pages are exactly those before the stored link.
 *   Law 2  The rows of a round are staged where they will stay.  It becomes the view when one row changes.
 *   Law 3  Every change of a view has a number n.  Numbers rise and count for the whole store.  A change gets its
 *          number in the commit that makes it.  The changes of a round are one range, in which numbers may be unused.
 *   Law 4  A reader of changes who keeps n gets every change after it once, or learns that some were deleted.  He
 *          gets the item as it is at that time.  Of an item that was created and removed again he gets the removal.
 *
 * To the replica a body is bytes: merging and comparing JSON are passed in.
 * One thread at a time uses a replica.  Opened with STORE_SERVE it holds the store's lock, and with it every scope.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "store/store.h"

#define REPLICA_NAME_MAX    128
#define REPLICA_LINK_MAX    ((size_t)32 << 10)
#define REPLICA_RULE_MAX    256
#define REPLICA_OWNER_MAX   256
#define REPLICA_LETTERS_MAX 10000 /* dead letters of one scope */

struct replica;

enum replica_phase { REPLICA_IDLE, REPLICA_ROUND, REPLICA_SETTLING };
/* A gap: the items of the round are not stored, only its link for the next round is. */
enum replica_kind { REPLICA_FIRST, REPLICA_NEXT, REPLICA_RESYNC, REPLICA_GAP };
enum replica_updates { REPLICA_BY_RESOURCE, REPLICA_COMPLETE, REPLICA_PARTIAL }; /* is an update the whole item? */

struct replica_scope {
	int64_t    sid;
	struct str name, url, resource; /* resource: the last noun of the URL's path: "calendars" */
	bool       from_now;            /* the first round only finds the link to begin at */
	struct str delta_link;          /* empty before the first whole round */
	uint64_t   items;               /* in the view */

	enum replica_phase phase;
	enum replica_kind  kind;       /* of the current round */
	struct str         round_link; /* next page; when settling: the link for the next round */
	uint64_t           round_pages, round_items;
	int64_t            round_started_ms;

	uint64_t   rounds;         /* whole ones */
	int64_t    round_ended_ms; /* of the last whole one; 0 for none */
	int64_t    throttled_ms;   /* waited because the source asked for it, in all */
	struct str fault;          /* of the last run; empty if it went well */
	int64_t    fault_ms;
	uint64_t   acked, printed; /* what readers acknowledged: they are done with the changes up to there */
	uint64_t   lost;           /* changes up to there are no longer kept */
	uint64_t   letters;

	enum replica_updates updates;
	struct str           rule; /* by which the items of the view were read; empty: by the first one there was */
	struct str           round_rule; /* by which those of the current round are read */
	int64_t              gap_ms;     /* changes before that moment are lost; 0: none are */
	struct str           owner;      /* whose data it holds: "TENANT/ID" or "ID"; empty: not known */
};

/* As store_open(); also ERR_BAD_REQUEST for a store that is not in a file. */
enum err replica_open(const struct store_conf *conf, struct replica **replica_out, char why_out[512]) MUST_CHECK;
/* Of a store that this process serves, and closes later: a commit of the replica waits for the write lock. */
enum err   replica_join(struct store *store, struct replica **replica_out, char why_out[512]) MUST_CHECK;
void       replica_close(struct replica **replica);
struct str replica_why(struct replica *replica, struct arena *arena);

/* ---- scopes: texts are in the arena; ERR_NOT_FOUND ------------------------------------------- */

enum err replica_get_scope(struct replica *replica, int64_t sid, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
enum err replica_find_scope(struct replica *replica, struct str name, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
enum err replica_find_url(struct replica *replica, struct str url, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
/* The n-th scope of the URL, from 0: there is one for each owner, the one without a known owner first. */
enum err replica_find_owned(struct replica *replica, struct str url, unsigned n, struct arena *arena,
                            struct replica_scope *out) MUST_CHECK;
enum err replica_next_scope(struct replica *replica, int64_t after_sid, struct arena *arena, struct replica_scope *out)
	MUST_CHECK;
/* Uses name, url, resource, from_now, updates, round_rule. ERR_CONFLICT: another scope has the name. */
enum err replica_add_scope(struct replica *replica, const struct replica_scope *scope, int64_t *sid_out) MUST_CHECK;
/* ERR_CONFLICT.  It takes its kv entry (STORE_OF_SCOPE) along; one that stood under the new name goes. */
enum err replica_rename_scope(struct replica *replica, int64_t sid, struct str name) MUST_CHECK;
/* Gives the scope another URL: url, resource, from_now of `scope`. ERR_CONFLICT: it has a whole round. */
enum err replica_point_scope(struct replica *replica, int64_t sid, const struct replica_scope *scope) MUST_CHECK;
/*
 * Deletes a bounded part of a scope and of all that belongs to it. Not done: call again. After the first part the
 * scope is as if it was never followed; after the last one it does not exist.
 */
enum err replica_forget_scope(struct replica *replica, int64_t sid, bool *done_out) MUST_CHECK;
enum err replica_set_updates(struct replica *replica, int64_t sid, enum replica_updates updates) MUST_CHECK;
/* The rule for the rounds to come, and the resource. A first round or a resync makes it the rule of the view. */
enum err replica_set_rule(struct replica *replica, int64_t sid, struct str rule, struct str resource) MUST_CHECK;
enum err replica_set_owner(struct replica *replica, int64_t sid, struct str owner)
	MUST_CHECK; /* ERR_CONFLICT: another scope of the URL has it */
enum err replica_note_fault(struct replica *replica, int64_t sid, struct str fault, int64_t at_ms) MUST_CHECK;
enum err replica_note_pause(struct replica *replica, int64_t sid, int64_t ms) MUST_CHECK;

/* ---- how a scope asks ------------------------------------------------------------------------- */

#define REPLICA_PREFER_MAX 4096

struct replica_asking {
	uint32_t   page_size; /* the largest that the remote's pages allow; 0: nothing is known */
	struct str prefer;    /* preferences that go along with each request; empty for none */
};
enum err replica_get_asking(struct replica *replica, int64_t sid, struct arena *arena, struct replica_asking *out)
	MUST_CHECK;
enum err replica_set_page_size(struct replica *replica, int64_t sid, uint32_t page_size) MUST_CHECK;
enum err replica_set_prefer(struct replica *replica, int64_t sid, struct str prefer) MUST_CHECK;

/* ---- a round ---------------------------------------------------------------------------------- */

/* Drops what was staged before. */
enum err replica_begin_round(struct replica *replica, int64_t sid, enum replica_kind kind, struct str link,
                             int64_t at_ms) MUST_CHECK;
enum err replica_drop_round(struct replica *replica, int64_t sid) MUST_CHECK;

enum replica_life { REPLICA_LIVE, REPLICA_CHANGED, REPLICA_DELETED }; /* the last two: removed, and why */

/* One page, one commit.  Sticky: look at replica_end_page(). ERR_CONFLICT: the scope is not in a round. */
void replica_begin_page(struct replica *replica, int64_t sid);
void replica_put_item(struct replica *replica, struct str id, enum replica_life life, struct str body);
/* Of the item put last: its text for the columns of SQL views. */
void replica_put_shown(struct replica *replica, struct str shown);
/* id: of the item, empty if it is not known. A later item or dead letter with the id replaces the dead letter. */
void replica_put_dead_letter(struct replica *replica, struct str id, struct str reason, struct str raw);
/* The link of the next page, or if `last` of the next round.  ERR_TOO_LARGE: too many dead letters. */
enum err replica_end_page(struct replica *replica, struct str link, bool last) MUST_CHECK;
void     replica_give_up_page(struct replica *replica); /* nothing of it is stored */

/* ---- settling --------------------------------------------------------------------------------- */

struct replica_merger {
	void *ctx;
	/* What the item is after the received body came on top of the held one. ERR_TOO_LARGE. */
	enum err (*merge)(void *ctx, struct str held, struct str received, struct buf *merged_out);
	/* False if both have the same members; else the names of the members that differ, as a JSON array. */
	bool (*differ)(void *ctx, struct str a, struct str b, struct buf *fields_out);
	/*
	 * True if the received body has the members of the held one in the same order, and so replaces it whole or in
	 * part; then as differ(). It is faster than the two above, and may be NULL.
	 */
	bool (*compare)(void *ctx, struct str held, struct str received, struct buf *fields_out, bool *differ_out);
	/* As replica_put_shown(). False: the body itself can be shown. */
	bool (*show)(void *ctx, struct str body, struct buf *shown_out);
};

/*
 * A later round with more rows is settled in parts, and each commit changes about so many rows.  1 or more.  Unless it
 * is called these are 1,000 and 20,000: the log stays small.  The write lock is held for a part of a second, but for
 * sorting a round and finding what it replaces: they go to a temporary file, a second or two for a million rows.
 */
void replica_limit_commits(struct replica *replica, uint32_t rows);

struct replica_guard {
	uint32_t percent, at_least; /* a resync stops when it would sweep more than both */
};

struct replica_tally {
	uint64_t created, updated, removed, returned, swept; /* swept ones are among the removed */
	uint64_t letters;
	uint64_t items; /* in the view before */
};

/*
 * Does a bounded part of the work. OK with *done_out false: call again. Done: the view has changed, and tally_out
 * counts the changes. ERR_NOT_ALLOWED: the guard stopped it; tally_out->swept counts the removals, and the round is
 * dropped. ERR_CONFLICT: the scope has no round to settle.
 */
enum err replica_settle(struct replica *replica, int64_t sid, const struct replica_merger *merger,
                        const struct replica_guard *guard, int64_t at_ms, struct replica_tally *tally_out,
                        bool *done_out) MUST_CHECK;
/* Deletes a bounded part of the rows that no view and no round names. */
enum err replica_sweep(struct replica *replica, bool *done_out) MUST_CHECK;

/* ---- reading ---------------------------------------------------------------------------------- */

enum replica_change_kind { REPLICA_CREATED, REPLICA_UPDATED, REPLICA_REMOVED, REPLICA_RETURNED };

struct replica_change {
	uint64_t                 n;
	enum replica_change_kind kind;
	enum replica_life        life; /* of a removal: why; REPLICA_LIVE: a resync did not name it */
	int64_t                  sid, at_ms;
	struct str               scope, id;
	struct str               fields; /* a JSON array; empty for all */
	struct str               body;   /* the item as it is now; empty if it is gone */
};

enum err replica_head(struct replica *replica, uint64_t *n_out) MUST_CHECK; /* the newest number of a change */
/* The first change after n; sid 0 for all scopes.  Views live until the next call.  ERR_NOT_FOUND. */
enum err replica_next_change(struct replica *replica, int64_t sid, uint64_t after_n, struct replica_change *out)
	MUST_CHECK;
/* Between these two calls every read uses the same snapshot. */
enum err replica_begin_read(struct replica *replica) MUST_CHECK;
void     replica_end_read(struct replica *replica);
enum err replica_ack(struct replica *replica, int64_t sid, uint64_t n) MUST_CHECK; /* never goes back */
enum err replica_mark_printed(struct replica *replica, int64_t sid, uint64_t n) MUST_CHECK;

struct replica_keep {     /* moments: only what was before them is dropped */
	int64_t acked_ms; /* of scopes with an acknowledged number: only changes up to that number */
	int64_t other_ms; /* of scopes without an acknowledged number */
};
/* Deletes a bounded part of the changes that need not be kept. Not done: call again. */
enum err replica_trim(struct replica *replica, const struct replica_keep *keep, bool *done_out) MUST_CHECK;

enum replica_marks { REPLICA_NO_MARKS, REPLICA_ACKED, REPLICA_PRINTED }; /* which count for a reader; the last: both */

struct replica_lost {
	char     scope[REPLICA_NAME_MAX + 1];
	uint64_t n; /* its changes up to there are no longer kept */
};
/*
 * Were changes deleted that a reader at after_n has not read? ERR_NOT_FOUND: none. Called after replica_next_change()
 * and before the next call, it answers for the snapshot of that change.
 */
enum err replica_find_lost(struct replica *replica, int64_t sid, uint64_t after_n, enum replica_marks marks,
                           struct replica_lost *out) MUST_CHECK;

/* The view in order of id; views live until the next call. ERR_NOT_FOUND at the end. */
enum err replica_next_item(struct replica *replica, int64_t sid, struct str after_id, struct str *id_out,
                           struct str *body_out) MUST_CHECK;

enum err replica_has_item(struct replica *replica, int64_t sid, struct str id, bool *has_out) MUST_CHECK;

struct replica_dead_letter {
	int64_t    lid;
	int64_t    at_ms;
	uint32_t   attempts;
	struct str scope, id, reason, raw;
};
enum err replica_next_dead_letter(struct replica *replica, int64_t sid, int64_t after_lid, struct arena *arena,
                                  struct replica_dead_letter *out) MUST_CHECK;
/* It was tried again and failed again. */
enum err replica_retried_dead_letter(struct replica *replica, int64_t lid, struct str reason) MUST_CHECK;
enum err replica_drop_dead_letter(struct replica *replica, int64_t lid) MUST_CHECK;

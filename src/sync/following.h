/* SPDX-License-Identifier: Apache-2.0 */
/*
 * following — what `sync`, `changes` and `verify` share: their options, the parts of a follower, and the loop around
 * its steps. The loop waits, shows progress and checks for signals.
 */
#pragma once

#include "cli/command.h"
#include "cli/signals.h"
#include "fetch/fetch.h"
#include "follow/follow.h"
#include "follow/follow_content.h"
#include "follow/follow_prefetch.h"
#include "follow/follow_share.h"
#include "sync/asking.h"
#include "sync/credential.h"

/* Rows for a command's table of options. */
#define FOLLOWING_SHARED_OPTIONS \
	{ "scope", "NAME", "the name of the scope (default: made from the URL)", false }, CREDENTIAL_OPTIONS, \
		ASKING_OPTIONS, { "ca", "FILE", "certificates (PEM) to trust instead of the system's", false }, \
		{ "page-size", "N", "how many items to ask for per page (default: 200, 50 for messages)", false }, \
	{ \
		"max-wait", "TIME", "how long the run may go on without a page (default: 5m)", false \
	}
#define FOLLOWING_SYNC_OPTIONS \
	{ "from-now", NULL, "begin a new scope with the changes from now on; do not store its first round", false }, \
		{ "replace", NULL, \
		  "take an update as the whole item: do not merge it into the stored one; the scope keeps " \
		  "this", \
		  false }, \
		{ "merge", NULL, "merge an update into the stored item; the scope keeps this", false }, \
		{ "resync", NULL, "read everything again beside the old view, and apply what differs", false }, \
		{ "max-delete", "PERCENT", "how many of the items a resync may remove (default: 30%)", false }, \
		{ "content", "DIR", "download the content of recordings to this folder", false }, \
		{ "content-time", "TIME", "how long the content of one recording may take per run (default: 1h)", \
		  false }, \
		{ "watch", NULL, "run until stopped; --every sets the pause", false }, \
		{ "every", "TIME", "with --watch: the pause between two rounds (default: 60s)", false }, \
		{ "keep-changes", "TIME", "how long to keep changes that no reader acknowledges (default: 30d)", \
		  false }, \
	{ \
		"exit-code", NULL, "exit with 9 if nothing has changed", false \
	}

#define FOLLOWING_EXITS \
	EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_UNCHANGED, EXIT_GUARDED, \
		EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED

#define FOLLOWING_MAX_WAIT ((int64_t)300 * 1000) /* the usual --max-wait */

struct following_shared { /* what the runs of `sync --all` share (scopes.h), but for the thread's own `pages` */
	pthread_mutex_t            *lock; /* each run holds it, unless it waits */
	struct replica             *replica;
	struct signals             *signals;
	struct follow_pause        *pause;      /* of the host */
	struct follow_credential   *credential; /* NULL for none */
	struct credential          *sign_in;    /* the same */
	struct fetch               *pages;
	struct follow_content_past *content; /* of the scope */
};

struct following {
	struct cmd_run            *run;
	struct replica            *replica;
	struct follow             *follow;
	struct fetch              *curl; /* for everything except pages */
	struct fetch              *pages;
	struct follow_prefetch    *prefetch;            /* requests pages in its own thread */
	atomic_bool                unwanted;            /* tells its thread to cancel the request */
	bool                       is_alone;            /* without prefetch: there is no other thread */
	struct credential         *credential;          /* NULL for none */
	struct follow_source       source, page_source; /* page_source is used by source */
	struct follow_http         http;                /* of the pages */
	struct fetch_bearer        bearer;
	struct follow_owner        owner; /* of a URL of /me, if there is a credential */
	struct follow_http         owner_http;
	enum err                   owner_err; /* why the first token could not be judged */
	struct follow_conf         conf;
	struct signals            *signals, own_signals;
	struct progress            progress;
	struct follow_report       last; /* of the last step of the round */
	int64_t                    every_ms, keep_ms;
	uint64_t                   throttled_ms; /* in this run */
	uint64_t                   content_size; /* largest content of one item */
	int64_t                    content_ms;
	uint64_t                   content_refused, content_reported; /* counted after the last round */
	enum err                   content_err;
	struct follow_content_past own_content;
	unsigned                   failures; /* rounds that failed, in a row */
	bool                       is_scratch;
	bool                       goes_on;     /* another round follows, whatever the end of this one */
	bool                       trims_later; /* the caller calls following_trim() when it has read the changes */

	const struct following_shared *shared; /* NULL: everything here is this run's own */
	struct follow_share           *share;
	int64_t                        shown_ms; /* the last progress of a run of many */
};

/*
 * Reads the options and opens all parts. The replica is the store, or with scratch_path a temporary one there.
 * Returns an exit code; the message has been printed. Close it even then.
 */
int following_open(struct cmd_run *run, struct following *following, const char *scratch_path);
/* The same for one of many runs, whose label is the name of its scope. The caller holds the lock in all calls. */
int  following_join(struct cmd_run *run, struct following *following, const struct following_shared *shared);
void following_close(struct following *following);

/* Runs to the end of a round. EXIT_DONE: following->last is its report. Else the message has been printed. */
int following_round(struct following *following);
/* Deletes changes that are no longer kept. An exit code; the message has been printed. */
int following_trim(struct following *following);
/* Until the next round is due, after so many rounds that failed: longer after each. */
int64_t following_pause_ms(int64_t every_ms, unsigned failures);
/* A round that ended so reads no further. */
bool following_is_failure(int code);
/* Waits until the next round is due. EXIT_DONE, or the code of a signal. */
int following_rest(struct following *following, int last_code);
/* Does --watch go on after a round that ended so?  A signal, a damaged store and an output that nobody reads end it. */
bool following_goes_on(int code);

/* The code of a run that a signal has stopped, which is said. */
int following_stopped(struct following *following);
/* Downloads content to the folder of --content, if given. An exit code; the message has been printed. */
int following_content(struct following *following);

/* The exit code after a round, with --exit-code and dead letters in mind. */
int following_verdict(struct following *following);

/* Opens the store for following, and makes it if there is none. With scratch_path a temporary one there. */
int following_make(struct cmd_run *run, const char *scratch_path, struct replica **replica_out);
/* Opens a replica for reading, beside any follower. An exit code; the message has been printed. */
int following_look(struct cmd_run *run, struct replica **replica_out);
/* Opens the replica of an existing store for writing. */
int following_own(struct cmd_run *run, struct replica **replica_out);
/* Finds a scope by name; what is found lives in the arena. An exit code; the message has been printed. */
int following_scope_named(struct cmd_run *run, struct replica *replica, const char *name, struct arena *arena,
                          struct replica_scope *scope_out);
/* The scope of --scope, 0 for all. An exit code; the message has been printed. */
int following_find_scope(struct cmd_run *run, struct replica *replica, int64_t *sid_out);
/* Prints the message of a failed call on the replica and returns its exit code. */
int following_failed(struct cmd_run *run, struct replica *replica, enum err err);
/* The same after replica_open(). */
int following_open_failed(struct cmd_run *run, enum err err, const char *why);

/* export_scope — the view of a followed scope as JSON Lines; `export --feed scope/NAME`. */
bool names_a_scope(const char *feed); /* NULL is no */
/* An exit code; the message has been printed. */
int export_scope(struct cmd_run *run, const char *feed);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * following — what `sync`, `changes` and `verify` share: the options, the parts a follower is made of, and
 * the loop around its steps, which is where it waits, shows progress and hears signals.
 */
#pragma once

#include "cli/command.h"
#include "cli/signals.h"
#include "fetch/fetch.h"
#include "follow/follow.h"
#include "follow/follow_prefetch.h"
#include "sync/credential.h"

/* Rows for a command's table of options. */
#define FOLLOWING_SHARED_OPTIONS \
	{ "scope", "NAME", "the name of the scope (default: made from the URL)", false }, \
		{ "bearer-file", "FILE", "a file with the access token, or JSON that holds one", false }, \
		{ "bearer-command", "COMMAND", "a shell command that prints the access token, or JSON that holds one", \
		  false }, \
		CREDENTIAL_CLIENT_OPTIONS, \
		{ "ca", "FILE", "certificates (PEM) to trust instead of the system's", false }, \
		{ "page-size", "N", "how many items to ask for at a time (default: 200)", false }, \
	{ \
		"max-wait", "TIME", "how long failures may go on without a page in between (default: 5m)", false \
	}
#define FOLLOWING_SYNC_OPTIONS \
	{ "from-now", NULL, "a new scope begins with what changes from now on: its first round is not kept", false }, \
		{ "replace", NULL, "an update is the whole item: do not merge it into what is held", false }, \
		{ "max-delete", "PERCENT", "how much of the items a resync may sweep (default: 30%)", false }, \
		{ "content", "DIR", "fetch the content of recordings into that folder", false }, \
		{ "content-time", "TIME", "how long the content of one recording may take in a run (default: 1h)", \
		  false }, \
		{ "watch", NULL, "go on for ever, a round --every so often", false }, \
		{ "every", "TIME", "the pause between rounds of a lasting run (default: 60s)", false }, \
		{ "keep-changes", "TIME", "how long changes are kept that no reader ever acknowledges (default: 30d)", \
		  false }, \
	{ \
		"exit-code", NULL, "end with 9 if nothing has changed", false \
	}

#define FOLLOWING_EXITS \
	EXIT_REFUSED, EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_EXCEPTIONS, EXIT_UNCHANGED, EXIT_GUARDED, \
		EXIT_LOCKED, EXIT_INTERRUPTED, EXIT_TERMINATED

struct following {
	struct cmd_run         *run;
	struct replica         *replica;
	struct follow          *follow;
	struct fetch           *curl; /* for all but pages */
	struct fetch           *pages;
	struct follow_prefetch *prefetch;            /* asks for pages in a thread of its own */
	atomic_bool             unwanted;            /* what it is asking for */
	bool                    is_alone;            /* no page is fetched ahead: there is no other thread */
	struct credential      *credential;          /* NULL for none */
	struct follow_source    source, page_source; /* the second is within the first */
	struct fetch_bearer     bearer;
	struct follow_conf      conf;
	struct signals          signals;
	struct progress         progress;
	struct follow_report    last; /* the report a round ended with */
	int64_t                 every_ms, keep_ms;
	uint64_t                throttled_ms; /* in this run */
	uint64_t                content_size; /* the most of one item */
	int64_t                 content_ms;
	uint64_t                content_refused, content_reported; /* after the last round */
	enum err                content_err;
	bool                    is_scratch;
	bool                    trims_later; /* who reads the changes of a round first calls following_trim() itself */
};

/*
 * Reads the options, opens the replica for writing (scratch_path NULL: the store; else a throw-away one
 * there) and everything else.  An exit code; the message has been printed.  Close it even then.
 */
int  following_open(struct cmd_run *run, struct following *following, const char *scratch_path);
void following_close(struct following *following);

/* To the end of a round.  EXIT_DONE: caught up, following->last tells how; else the code, told. */
int following_round(struct following *following);
/* Drops changes that need not be kept any longer.  An exit code; the message has been printed. */
int following_trim(struct following *following);
/* Waits until the next round is due; then EXIT_DONE, or the code of a signal. */
int following_rest(struct following *following);
/* Was the fault one that a lasting run tries again? */
bool following_may_go_on(int code);

/* Fetches content into the folder --content names, if it does.  An exit code; the message has been printed. */
int following_content(struct following *following);

/* What the round has done to the view: the code to end with, heeding --exit-code and dead letters. */
int following_verdict(struct following *following);

/* A replica for reading, beside any follower. An exit code; the message has been printed. */
int following_look(struct cmd_run *run, struct replica **replica_out);
/* One for writing, of a store that is there. */
int following_own(struct cmd_run *run, struct replica **replica_out);
/* The scope --scope names, 0 for all.  An exit code; the message has been printed. */
int following_find_scope(struct cmd_run *run, struct replica *replica, int64_t *sid_out);
/* A message about a failed call on the replica, and its code. */
int following_failed(struct cmd_run *run, struct replica *replica, enum err err);

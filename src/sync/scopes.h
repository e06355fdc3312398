/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scopes — many scopes in one process: `sync --all`, and the followers of a server.
 *
 *   - A job is one scope that is to be followed: of a section, or of a section and a value.  Its run is that of `sync`.
 *   - At most SCOPES_PER_HOST runs at a time ask one host, and at most SCOPES_AT_ONCE all hosts together.
 *   - A wait that a host asks for is for all jobs of that host.  A run that fails stops no other.
 *   - The values of a section are read again when a run of their source has changed it, and those of a file when the
 *     section's time has come.
 *
 * Threads: each has its connections, and for a run its arena and its step.  Everything else (the replica, the jobs, the
 * hosts, standard output) belongs to whoever holds the one lock; a run lets go of it while it waits (follow_share.h).
 * Orders come from any thread.
 */
#pragma once

#include "sync/following.h"

#define SCOPES_PER_HOST 4
#define SCOPES_AT_ONCE  24

/* Runs a round and reports it.  An exit code; the message has been printed. */
typedef int scopes_round_fn(struct following *following);

struct scopes;

struct scopes_conf {          /* all of it outlives the scopes */
	struct cmd_run  *run; /* of `sync`: what it has holds for each section that does not say otherwise */
	scopes_round_fn *round;
	struct signals  *signals;

	/* Of a server, else NULL: then the store is opened, and a run that cannot go on ends for good. */
	struct store   *store; /* keeps which sections are paused */
	struct replica *replica;
};

/* Reads the sections; the store is untouched.  An exit code; the message has been printed. */
int  scopes_open(const struct scopes_conf *conf, struct scopes **scopes_out);
void scopes_close(struct scopes **scopes);
/* Until all have ended, or a signal came.  An exit code: the worst of all, in the order of scopes_job.c. */
int scopes_run(struct scopes *scopes);

/* ---- orders: of the control socket ------------------------------------------------------------------------------ */

struct scopes_order {
	struct str verb;   /* "now", "pause", "resume"; empty: only the state is asked for */
	struct str name;   /* of a section, a scope or a URL; empty: all.  A pause is a section's. */
	uint64_t   ticket; /* of an earlier "now": how far is it?  0: none */
};

/* Writes the members of the answer (docs/operating.md).  ERR_NOT_FOUND; ERR_NOT_ALLOWED: it is paused; the store's. */
enum err scopes_order(struct scopes *scopes, const struct scopes_order *order, struct json_out *json) MUST_CHECK;
/*
 * A round of that scope is wanted soon, by a reader of it.  It does not wait: if the scopes are busy, nothing is asked,
 * and the caller asks again.  False: nobody follows the scope here, or it is paused.
 */
bool scopes_want(struct scopes *scopes, struct str scope);
/* Does a section follow it?  Also true while that is not known: its list is to be read.  It waits for no run. */
bool scopes_await(struct scopes *scopes, struct str scope);
void scopes_put_metrics(struct scopes *scopes, struct buf *buf);

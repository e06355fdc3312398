/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scopes_job — what is to be followed: one job for a section, or one for each of its values.  Also what the files of
 * `scopes` share.  Private to `scopes`.
 *
 * Everything belongs to whoever holds the lock (scopes.h).
 */
#pragma once

#include <sys/eventfd.h>

#include "sync/scopes.h"
#include "sync/scopes_account.h"

#define SCOPES_PAUSED "follow.paused" /* kv entries of the store, by the name of the section */

enum job_state { JOB_WAITS, JOB_RUNS, JOB_ENDED };

struct job {
	struct job     *next;
	struct section *section;
	struct str      value;
	enum job_state  state;
	bool            is_listed; /* its value is */
	unsigned        failures;
	int64_t         due_ms;
	uint64_t        began, ended, asked; /* numbers of runs: its last, its last whole one, when somebody asked */
	uint64_t answers; /* the last one that is an answer to who asked before it: it began a round, or failed */
	bool     resumes; /* its last run went on with the round of an earlier one */
	uint64_t changes; /* of the last whole run, and of those before it that were no answer */
	uint64_t carried; /* of the latter */
	int      code;    /* the same */
	struct follow_content_past content;
	char                       text[]; /* of the value */
};

/* The names of a section's scopes, in order, each by a hash: who finds one that is none asks again for nothing. */
struct names {
	size_t   count;
	uint64_t at[];
};

struct worker {
	struct scopes *scopes;
	pthread_t      thread;
	struct fetch  *pages;
	const char    *ca;         /* of `pages` */
	const char    *name, *url; /* of its run; NULL: it has none */
};

struct scopes {
	struct scopes_conf conf;
	struct replica    *replica; /* conf.replica, or its own */
	struct accounts    accounts;

	pthread_mutex_t names_lock; /* for the pointers `names` of the sections alone; nobody holds it for long */
	pthread_mutex_t lock;       /* for everything below, the sections, and the replica */
	struct section *sections;
	bool            watches;
	bool            is_listed; /* the jobs of the start are */
	struct worker   workers[SCOPES_AT_ONCE];
	unsigned        running, idle, failed, done;
	uint64_t        last_run;                  /* its number; higher than any of an earlier process */
	uint64_t        rounds, failures, changes; /* in all */
	int64_t         trim_ms;
	int             code, stop_code; /* stop_code: all end */
	int             wake_fd;
};

size_t scopes_rank(int code); /* the worst is the highest: it is that of which somebody must know first */
void   scopes_note_code(struct scopes *scopes, int code);

/* Both the jobs and the values are in order. */
void scopes_take_values(struct scopes *scopes, struct section *section, const struct section_values *values);
/* If the values cannot be read, the jobs stay as they are. */
void scopes_list(struct scopes *scopes, struct section *section);
void scopes_list_first(struct scopes *scopes);

/* When it may run, if its host has room. */
static inline int64_t
scopes_due_ms(const struct job *job)
{
	int64_t pause_ms = job->section->host->pause.until_mono_ms;

	return pause_ms > job->due_ms ? pause_ms : job->due_ms;
}

/* A thread that rests looks again: one read for each. */
static inline void
scopes_wake(struct scopes *scopes)
{
	if (scopes->idle > 0)
		MUST(eventfd_write(scopes->wake_fd, scopes->idle) == 0);
}

static inline void
scopes_lock(struct scopes *scopes)
{
	MUST(pthread_mutex_lock(&scopes->lock) == 0);
}

static inline void
scopes_unlock(struct scopes *scopes)
{
	MUST(pthread_mutex_unlock(&scopes->lock) == 0);
}

static inline bool
scopes_lists_file(const struct section *section)
{
	return section->word.len > 0 && !section->source;
}

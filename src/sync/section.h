/* SPDX-License-Identifier: Apache-2.0 */
/*
 * section — the [scope "name"] sections of the configuration file: what each follows, and for which values.
 *
 * A section without for-each follows one URL, and its scope has its name.  With for-each it follows one URL for each
 * value; the value is percent-encoded into the URL, and cannot leave its segment.  Such a scope is named after the
 * section, a colon and the value, whatever the order of the values is.
 */
#pragma once

#include "cli/command.h"
#include "store/replica.h"

#define SECTION_VALUES_MAX 100000u

struct section {
	struct section         *next;
	const struct conf_part *conf;
	struct str              word;   /* "{user}", which a value replaces in the URL; empty without for-each */
	const struct section   *source; /* the ids of its items are the values; NULL: the lines of a file are */

	/* Of a run of all: scopes.c. */
	struct host    *host;
	struct account *account;
	struct job     *jobs; /* one for each value that it has or had, in the order of the values */
	struct job     *next_job;
	size_t          job_count;
	bool            is_awaited; /* its source has not been asked yet */
	struct names   *names;      /* of its scopes, for scopes_await(); NULL: not known yet */
	bool            is_paused;
	int64_t         every_ms;
	int64_t         list_ms; /* the next look at its file */
};

struct section_values {
	struct str *at; /* in order, each once; NULL: the scope that lists them was never read to its end */
	size_t      count;
};

/* Checks all sections, and that no two follow the same.  EXIT_CONFIG: the message names file and line. */
int section_read_all(struct cmd_run *run, struct section **first_out);
/* The run of `sync` for the section and a value; what the section does not set is as in `base`.  Texts in the arena. */
void section_run(const struct section *section, struct str value, const struct cmd_run *base, struct arena *arena,
                 struct cmd_run *run_out);
bool section_has_credential(const struct section *section); /* or says that it needs none */

/* NULL, or the end of the sentence "the value …": it cannot be a segment of a URL. */
const char *section_value_fault(struct str value);
struct str  section_url(const struct section *section, struct str value, struct arena *arena);
struct str  section_name(const struct section *section, struct str value, struct arena *arena);
/* The values of for-each, at most SECTION_VALUES_MAX; none while the source has never been followed.  An exit code; the
 * message has been printed. */
int section_list(struct cmd_run *run, const struct section *section, struct replica *replica, struct arena *arena,
                 struct section_values *values_out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer — changes to a store, whoever holds it.
 *
 * If no other process writes the store, this one does.  If a serving process holds it, lines are
 * handed to that process over its control socket, and `store` is only looked into.
 */
#pragma once

#include "admin/apply.h"
#include "admin/sock_path.h"
#include "cli/command.h"

struct writer {
	struct store         *store;
	bool                  remote;
	struct sock_path      sock;
	size_t                batch_bytes_max; /* lines of a batch, all together */
	const struct entropy *entropy;
};

/* An exit code; the message has been printed.  Close it even then. */
int  writer_open(struct cmd_run *run, bool create, struct writer *writer_out);
void writer_close(struct writer *writer);

/* As apply_lines(); a call that was cut is repeated under the same key, so nothing is done twice. */
enum err writer_apply(struct writer *writer, struct str lines, struct apply_result *result_out) MUST_CHECK;

/* A store for reading, beside any writer.  An exit code; the message has been printed. */
int open_for_reading(struct cmd_run *run, struct store **store_out);

struct store_opening {
	bool              create;          /* make it if it is missing */
	bool              scratch;         /* of tests: nothing is synced, and the file is removed at close */
	bool              quiet_if_locked; /* EXIT_LOCKED is given back without a message */
	const struct log *log;             /* may be NULL */
};

/* A store for this process alone to write, with all that every store needs in it. */
int open_for_writing(struct cmd_run *run, const struct store_opening *opening, struct store **store_out);

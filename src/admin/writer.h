/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer — changes to a store, also while another process holds it.
 *
 * If no other process writes the store, this one does. If a serving process holds it, the lines are sent to that
 * process over its control socket, and `store` is only read.
 */
#pragma once

#include "admin/apply.h"
#include "admin/sock_path.h"
#include "auth/directory.h"
#include "cli/command.h"
#include "content/content.h"

struct writer {
	struct store         *store;
	bool                  remote;
	struct sock_path      sock;
	size_t                batch_bytes_max; /* of all lines of a batch together */
	const struct entropy *entropy;
};

/* An exit code; the message has been printed.  Close it even then. */
int  writer_open(struct cmd_run *run, bool create, struct writer *writer_out);
void writer_close(struct writer *writer);

/* As apply_lines(). A call that is cut off is repeated under the same key, so nothing is done twice. */
enum err writer_apply(struct writer *writer, struct str lines, struct apply_result *result_out) MUST_CHECK;

/*
 * The same for lines of one command. `absent` is the message if what a line removes is not there; NULL: that is fine.
 * Returns an exit code; the message has been printed.
 */
int writer_send(struct writer *writer, const struct buf *lines, const char *absent);

/* EXIT_DONE, also for ERR_NOT_FOUND, the end of a list. For another error the message has been printed. */
int store_read_code(enum err err);

/* A store for reading, beside any writer.  An exit code; the message has been printed. */
int open_for_reading(struct cmd_run *run, struct store **store_out);

struct store_opening {
	bool              create;          /* if it is missing */
	bool              scratch;         /* of tests: nothing is synced, and the file is removed at close */
	bool              quiet_if_locked; /* returns EXIT_LOCKED without a message */
	const struct log *log;             /* may be NULL */
};

/* A store that only this process writes. Adds what every store must have, such as its tenant. */
int open_for_writing(struct cmd_run *run, const struct store_opening *opening, struct store **store_out);

/* The folder of content beside the store: PATH.content. */
/* An exit code; the message has been printed. For a memory: store the folder is temporary. */
int content_dir_open(struct cmd_run *run, bool create, struct content **content_out);

/* user_lookup — finds the user that an id or a userPrincipalName on the command line names. */
/*
 * Without a tenant, a name is looked up in the store's own tenant first, then in all. Returns an exit code; the message
 * has been printed.
 */
int user_lookup(struct cmd_run *run, struct store *store, const struct guid *tenant, const char *id_or_upn,
                struct user *user_out);

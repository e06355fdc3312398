/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd — the program as a table of commands.
 *
 * A command is one row: what it is called, what it may be given, what it does, and the function
 * that does it.  Parsing, `help`, the manual pages and the completion are all made from the row,
 * so they cannot say different things.  A name of two words ("store check") belongs to a group.
 *
 * A command gets everything it may touch in its `struct cmd_run` and returns an exit code (say.h).
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/guid.h"
#include "base/log.h"
#include "cmd/conf.h"
#include "cmd/console.h"

#define CMD_EXITS_MAX 12

struct cmd_option {
	const char *name;
	const char *arg; /* what stands for its value in help; NULL for a switch */
	const char *help;
	bool        repeat; /* may be given more than once */
};

struct cmd_example {
	const char *line;
	const char *what;
};

struct cmd_run;

struct cmd {
	const char               *name;
	const char               *summary; /* "do this and that", no full stop */
	const char               *args;    /* synopsis of what stands after the options; NULL for nothing */
	unsigned                  args_min, args_max;
	const enum conf_id       *settings;             /* ended by CONF_COUNT; NULL: needs no configuration */
	const struct cmd_option  *options;              /* ended by a NULL name; may be NULL */
	const char *const        *about;                /* paragraphs, ended by NULL */
	const struct cmd_example *examples;             /* ended by a NULL line; may be NULL */
	bool                      is_for_files;         /* works on a store in a file only, never on memory: */
	enum exit_code            exits[CMD_EXITS_MAX]; /* besides 0, 1, 2, 3; ended by EXIT_DONE */
	int (*run)(struct cmd_run *run);
};

#define CMD_GIVEN_MAX 64

/* As TRY(), of what returns an exit code. */
#define TRY_CODE(call) \
	do { \
		int try_code_ = (call); \
		if (try_code_ != EXIT_DONE) \
			return try_code_; \
	} while (0)

struct cmd_given {
	const struct cmd_option *option;
	const char              *value; /* NULL for a switch */
};

struct cmd_run {
	const struct cmd     *cmd;
	struct conf           conf;
	struct cmd_given      given[CMD_GIVEN_MAX];
	size_t                given_count;
	char                **args;
	unsigned              arg_count;
	struct arena         *arena; /* for the whole run: bounded things only */
	struct out           *out;
	const struct clock   *clock;
	const struct entropy *entropy;
};

int cmd_main(int argc, char **argv);

/* Rows in the order of help; NULL at the end. */
const struct cmd *cmd_at(size_t index);
const struct cmd *cmd_named(struct str name);
/* What a group is for; NULL if `word` is no group. */
const char *cmd_group_summary(struct str word);
/* The first word of a name: the page of the manual the command stands on. */
struct str cmd_page(const struct cmd *cmd);

/* What was given of the command's own options. */
bool        cmd_has(const struct cmd_run *run, const char *option);
const char *cmd_value(const struct cmd_run *run, const char *option);                  /* NULL if not given */
const char *cmd_value_at(const struct cmd_run *run, const char *option, size_t index); /* of a repeated one */

/* A usage error: the message, and where help is. */
int cmd_usage(const struct cmd_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An exit code; the message has been printed.  Leaves *guid_out alone if the option is not given. */
int cmd_value_guid(const struct cmd_run *run, const char *option, struct guid *guid_out);

extern const struct cmd cmd_serve, cmd_token, cmd_import, cmd_export;
extern const struct cmd cmd_user_add, cmd_user_list, cmd_user_remove;
extern const struct cmd cmd_client_add, cmd_client_list, cmd_client_remove, cmd_explain_access;
extern const struct cmd cmd_policy_allow, cmd_policy_add, cmd_policy_list, cmd_policy_remove;
extern const struct cmd cmd_store_check, cmd_store_gc, cmd_store_info, cmd_store_backup, cmd_store_restore;
extern const struct cmd cmd_sync, cmd_changes, cmd_status, cmd_verify, cmd_retry, cmd_doctor;
extern const struct cmd cmd_scope_rename, cmd_scope_forget;
extern const struct cmd cmd_config_show, cmd_version, cmd_help;

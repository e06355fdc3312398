/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command — a command as one row: its name, its options, its help text, and the function that runs it.
 *
 * The parser of the command line, `help`, the manual pages and the completion all read the same row, so they agree. A
 * name of two words ("store check") belongs to a group. The table of all rows is in cmd/main.c and is passed in.
 *
 * A command gets everything it uses in its `struct cmd_run` and returns an exit code (console.h).
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/guid.h"
#include "base/log.h"
#include "cli/conf.h"
#include "cli/console.h"

#define CMD_EXITS_MAX 12

struct cmd_option {
	const char *name;
	const char *arg; /* the name of its value in help; NULL for a switch */
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
	const char               *summary;   /* "do this and that", no full stop */
	const char               *args;      /* the arguments, as the synopsis shows them; NULL for none */
	unsigned                  args_more; /* how many words may follow those of `args` */
	const char               *stray; /* the option that an argument is meant for; NULL: none, or there are some */
	const enum conf_id       *settings;             /* ended by CONF_COUNT; NULL: reads no configuration */
	const struct cmd_option  *options;              /* ended by a NULL name; may be NULL */
	const char *const        *about;                /* paragraphs, ended by NULL */
	const struct cmd_example *examples;             /* ended by a NULL line; may be NULL */
	bool                      is_for_files;         /* needs a store in a file: memory: is refused */
	bool                      keeps_hangups;        /* SIGHUP is blocked: the command waits for it */
	enum exit_code            exits[CMD_EXITS_MAX]; /* besides 0, 1, 2, 3; ended by EXIT_DONE */
	int (*run)(struct cmd_run *run);
};

/* The texts and tables of a row, with their ends. */
#define SETTINGS(...) ((const enum conf_id[]){ __VA_ARGS__, CONF_COUNT })
#define ABOUT(...)    ((const char *const[]){ __VA_ARGS__, NULL })
#define OPTIONS(...)  ((const struct cmd_option[]){ __VA_ARGS__, { 0 } })
#define EXAMPLES(...) ((const struct cmd_example[]){ __VA_ARGS__, { 0 } })

#define CMD_GIVEN_MAX 64

/* As TRY(), of what returns an exit code. */
#define TRY_CODE(call) \
	do { \
		int try_code_ = (call); \
		if (try_code_ != EXIT_DONE) \
			return try_code_; \
	} while (0)

struct cmd_group {
	const char *word;
	const char *summary;
};

struct cmd_table {
	const struct cmd *const *rows;   /* in the order of help; ended by NULL */
	const struct cmd_group  *groups; /* ended by a NULL word */
};

struct cmd_given {
	const struct cmd_option *option;
	const char              *value; /* NULL for a switch */
};

struct cmd_run {
	const struct cmd_table *table;
	const struct cmd       *cmd;
	struct conf             conf;
	struct conf_source      source;       /* `conf` is read from it, perhaps again */
	const char             *content_path; /* the folder of recordings, if it is not the one beside the store */
	struct cmd_given        given[CMD_GIVEN_MAX + CONF_SCOPE_KEYS]; /* a section adds its keys */
	size_t                  given_count;
	char                  **args;
	unsigned                arg_count;
	const char             *label; /* the messages are about this part of the run; NULL: about all of it */
	const struct log       *log;   /* of a server: they are events there; NULL: lines on standard error */
	struct arena           *arena; /* lives as long as the run: only for what is bounded */
	struct out             *out;
	const struct clock     *clock;
	const struct entropy   *entropy;
};

/* The first word of a name: the manual page of the command. */
struct str cmd_page(const struct cmd *cmd);
/* NULL if there is no such command. */
const struct cmd *cmd_named(const struct cmd_table *table, struct str name);
/* Prints that there is no such command, and the one that may be meant. EXIT_USAGE. */
int cmd_unknown(const struct cmd_table *table, struct str name, struct arena *arena);
/* What the group is for; NULL if `word` is not a group. */
const char *cmd_group_summary(const struct cmd_table *table, struct str word);
/* Is the row the first one of its page? */
bool cmd_begins_page(const struct cmd_table *table, size_t row);

/* The values of the command's own options. */
bool        cmd_has(const struct cmd_run *run, const char *option);
const char *cmd_value(const struct cmd_run *run, const char *option);                  /* NULL if not given */
const char *cmd_value_at(const struct cmd_run *run, const char *option, size_t index); /* of a repeated one */

/* A line on standard error, with the label in front. */
void cmd_say(const struct cmd_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
int cmd_fail(const struct cmd_run *run, enum exit_code code, const char *fmt, ...) PRINTF_LIKE(3, 4); /* returns code */
/* Prints a usage error that names the help page.  Of a run with a label: EXIT_CONFIG. */
int cmd_usage(const struct cmd_run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An exit code; the message has been printed.  Leaves *guid_out alone if the option is not given. */
int cmd_value_guid(const struct cmd_run *run, const char *option, struct guid *guid_out);

/* Reads a command line by the table, runs the command, and returns the exit code of the program. */
int run_command_line(const struct cmd_table *table, int argc, char **argv);

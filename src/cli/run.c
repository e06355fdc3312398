/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/suggest.h"

#define RUN_ARENA_MAX ((size_t)16 << 20)
#define LONG_MAX      (CONF_COUNT + 24)
#define VALUE_HELP    1000
#define VALUE_CONFIG  1001
#define VALUE_SETTING 2000 /* + enum conf_id */
#define VALUE_OPTION  3000 /* + index into the command's options */

/* ---- reading the command line -------------------------------------------------------------------------- */

struct line {
	struct conf_source source;
	bool               help;
};

static size_t
list_options(const struct cmd *cmd, struct option longs[LONG_MAX])
{
	size_t n = 0;

	longs[n++] = (struct option){ "help", no_argument, NULL, VALUE_HELP };
	if (cmd->settings)
		longs[n++] = (struct option){ "config", required_argument, NULL, VALUE_CONFIG };
	for (size_t i = 0; cmd->settings && cmd->settings[i] != CONF_COUNT; i++)
		longs[n++] = (struct option){ conf_setting(cmd->settings[i])->name, required_argument, NULL,
			                      VALUE_SETTING + (int)cmd->settings[i] };
	for (size_t i = 0; cmd->options && cmd->options[i].name; i++) {
		MUST(n < LONG_MAX - 1);
		longs[n++] = (struct option){ cmd->options[i].name,
			                      cmd->options[i].arg ? required_argument : no_argument, NULL,
			                      VALUE_OPTION + (int)i };
	}
	longs[n] = (struct option){ 0 };
	return n;
}

static int
take_option(struct cmd_run *run, struct line *line, int value)
{
	const char *name;
	bool        doubled;

	if (value == VALUE_HELP || value == 'h') {
		line->help = true;
		return EXIT_DONE;
	}
	if (value >= VALUE_OPTION) {
		const struct cmd_option *option = &run->cmd->options[value - VALUE_OPTION];

		name = option->name;
		doubled = !option->repeat && cmd_has(run, name);
		if (run->given_count == CMD_GIVEN_MAX)
			return cmd_usage(run, "more than %d options", CMD_GIVEN_MAX);
		run->given[run->given_count++] = (struct cmd_given){ option, option->arg ? optarg : NULL };
	} else {
		const char **at = value == VALUE_CONFIG ? &line->source.config
		                                        : &line->source.flags[value - VALUE_SETTING];

		bool       repeats = value != VALUE_CONFIG && conf_repeats((enum conf_id)(value - VALUE_SETTING));
		struct str all = str_from_c(optarg);

		name = value == VALUE_CONFIG ? "config" : conf_setting((enum conf_id)(value - VALUE_SETTING))->name;
		doubled = *at != NULL && !repeats;
		if (*at && repeats && !conf_add_value(str_from_c(*at), all, run->arena, &all))
			return cmd_usage(run, "--%s has too many values", name);
		*at = *at && repeats ? arena_c(run->arena, all) : optarg;
	}
	return doubled ? cmd_usage(run, "--%s is given twice", name) : EXIT_DONE;
}

/* What other programs call it. */
static struct str
own_name(struct str name)
{
	static const char *const theirs[][2] = {
		{ "cacert", "ca" },     { "cafile", "ca" },   { "port", "listen" },       { "host", "listen" },
		{ "addr", "listen" },   { "bind", "listen" }, { "db", "store" },          { "database", "store" },
		{ "cert", "tls-cert" }, { "key", "tls-key" }, { "token", "bearer-file" }, { "hostname", "tls-name" },
	};

	for (size_t i = 0; i < COUNT_OF(theirs); i++)
		if (str_eq(name, str_from_c(theirs[i][0])))
			return str_from_c(theirs[i][1]);
	return name;
}

static int
unknown_option(struct cmd_run *run, const char *given, const struct option *longs)
{
	struct str        name = str_skip(str_from_c(given), 2);
	struct suggestion suggestion = { .word = own_name(str_first(name, str_find(name, '='))) };

	for (; longs->name; longs++)
		suggestion_try(&suggestion, longs->name);
	if (suggestion.best)
		return cmd_usage(run, "unknown option %s; did you mean --%s", given, suggestion.best);
	return cmd_usage(run, "unknown option %s", given);
}

/* Those in brackets may be missing. */
static void
count_args(const struct cmd *cmd, unsigned *least_out, unsigned *most_out)
{
	struct str rest = str_from_c(cmd->args), word;

	*least_out = 0;
	*most_out = cmd->args_more;
	for (; str_take_until(&rest, ' ', &word); ++*most_out)
		*least_out += word.at[0] != '[';
}

static int
read_line(struct cmd_run *run, int argc, char **argv, struct line *line)
{
	unsigned least, most;

	struct option longs[LONG_MAX];
	int           value;

	list_options(run->cmd, longs);
	optind = 0;
	while ((value = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (value == ':')
			return cmd_usage(run, "%s needs a value", argv[optind - 1]);
		if (value == '?' && optopt >= VALUE_HELP)
			return cmd_usage(run, "%s takes no value", argv[optind - 1]);
		if (value == '?' && optopt)
			return cmd_usage(run, "unknown option -%c", optopt);
		if (value == '?')
			return unknown_option(run, argv[optind - 1], longs);
		TRY_CODE(take_option(run, line, value));
	}
	run->args = argv + optind;
	run->arg_count = (unsigned)(argc - optind);
	if (line->help)
		return EXIT_DONE;
	count_args(run->cmd, &least, &most);
	if (run->arg_count < least)
		return cmd_usage(run, "%s needs %s", run->cmd->name, run->cmd->args);
	if (run->arg_count > 0 && run->cmd->stray)
		return cmd_usage(run, "unexpected argument \"%s\"; did you mean --%s %s", run->args[0], run->cmd->stray,
		                 run->args[0]);
	if (run->arg_count > most)
		return cmd_usage(run, "unexpected argument \"%s\"", run->args[most]);
	return EXIT_DONE;
}

static const char *
system_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static void
block_hangups(void)
{
	sigset_t hangup;

	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	MUST(pthread_sigmask(SIG_BLOCK, &hangup, NULL) == 0);
}

static int
run_command(struct cmd_run *run, int argc, char **argv)
{
	struct line line = { .source = { .env = system_env } };
	struct str  why;
	int         code;

	if (run->cmd->keeps_hangups)
		block_hangups();
	TRY_CODE(read_line(run, argc, argv, &line));
	run->source = line.source;
	if (line.help) {
		help_command(run->out, run->table, str_from_c(run->cmd->name));
		return EXIT_DONE;
	}
	if (run->cmd->settings) {
		code = (int)conf_read(&line.source, run->arena, &run->conf, &why);
		if (code == EXIT_USAGE)
			return cmd_usage(run, "%.*s", STR_ARG(why));
		if (code != EXIT_DONE)
			return console_fail((enum exit_code)code, "%.*s; see `tidemark help tidemark.conf`",
			                    STR_ARG(why));
	}
	return run->cmd->run(run);
}

/* ---- which command -------------------------------------------------------------------------------------- */

/* The row of the command, and how many words its name has. */
static const struct cmd *
find_command(const struct cmd_table *table, int argc, char **argv, struct arena *arena, int *words_out)
{
	const struct cmd *cmd = argc > 1 ? cmd_named(table, str_from_c(argv[1])) : NULL;

	*words_out = 1;
	if (!cmd && argc > 2) {
		cmd = cmd_named(table, arena_printf(arena, "%s %s", argv[1], argv[2]));
		*words_out = 2;
	}
	return cmd;
}

static int
no_command(const struct cmd_table *table, struct arena *arena, struct out *out, int argc, char **argv)
{
	struct str word = str_from_c(argc > 1 ? argv[1] : NULL);

	if (argc < 2) {
		console_say("a command is needed; see `tidemark help`");
		return EXIT_USAGE;
	}
	if (str_eq(word, STR("--help")) || str_eq(word, STR("-h"))) {
		help_overview(out, table);
		return EXIT_DONE;
	}
	if (str_starts(word, STR("-")))
		return console_fail(EXIT_USAGE, "the command comes first: tidemark COMMAND %s …; see `tidemark help`",
		                    argv[1]);
	if (!cmd_group_summary(table, word))
		return cmd_unknown(table, word, arena);
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
		help_command(out, table, word);
		return EXIT_DONE;
	}
	if (argc > 2 && str_eq(word, STR("scope")) && strcmp(argv[2], "list") == 0)
		return console_fail(EXIT_USAGE, "unknown command \"scope list\"; `tidemark status` lists the scopes");
	if (argc > 2 && argv[2][0] != '-')
		return cmd_unknown(table, arena_printf(arena, "%s %s", argv[1], argv[2]), arena);
	return console_fail(EXIT_USAGE, "%s needs a command; see `tidemark help %s`", argv[1], argv[1]);
}

static int
dispatch(const struct cmd_table *table, int argc, char **argv, struct arena *arena, struct out *out)
{
	static char    version[] = "version";
	char          *as_version[] = { argv[0], version, NULL };
	struct cmd_run run = {
		.table = table, .arena = arena, .out = out, .clock = &clock_system, .entropy = &entropy_system
	};
	int words;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		argv = as_version;
	run.cmd = find_command(table, argc, argv, arena, &words);
	if (!run.cmd)
		return no_command(table, arena, out, argc, argv);
	return run_command(&run, argc - words, argv + words);
}

int
run_command_line(const struct cmd_table *table, int argc, char **argv)
{
	struct arena *arena = arena_open(RUN_ARENA_MAX);
	struct out    out;
	int           code;

	/*
	 * A closed pipe or a limit of file sizes must not end the process: the write fails, and the command completes
	 * its work or says what it could not write.
	 */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	out_open(&out, STDOUT_FILENO);
	code = dispatch(table, argc, argv, arena, &out);
	if (!out_flush(&out) && code == EXIT_DONE)
		code = out_verdict(&out);
	out_close(&out);
	arena_close(&arena);
	return code;
}

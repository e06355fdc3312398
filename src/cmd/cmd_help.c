/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "admin/permissions.h"
#include "cli/help.h"

static int
help_named(struct cmd_run *run)
{
	struct str name;

	name = str_from_c(run->args[0]);
	if (run->arg_count == 2)
		name = arena_printf(run->arena, "%s %s", run->args[0], run->args[1]);
	if (help_command(run->out, run->table, name))
		return EXIT_DONE;
	return cmd_unknown(run->table, name, run->arena);
}

static int
run_help(struct cmd_run *run)
{
	const char *page = cmd_value(run, "man");

	if (page && !man_page(run->out, run->table, str_from_c(page)))
		return cmd_usage(run, "no manual page \"%s\"", page);
	if (page)
		return EXIT_DONE;
	if (cmd_has(run, "pages"))
		man_list(run->out, run->table);
	else if (cmd_has(run, "completion"))
		complete_bash(run->out, run->table);
	else if (cmd_has(run, "permissions"))
		permissions_page(run->out);
	else if (cmd_has(run, "properties"))
		properties_page(run->out);
	else if (run->arg_count == 0)
		help_overview(run->out, run->table);
	else
		return help_named(run);
	return EXIT_DONE;
}

const struct cmd cmd_help = {
	.name = "help",
	.summary = "explain a command",
	.args = "[COMMAND]",
	.args_more = 1,
	.options = OPTIONS({ "man", "PAGE", "print the manual page (mdoc) of a command, or tidemark.conf", false },
	                   { "pages", NULL, "list the manual pages", false },
	                   { "permissions", NULL, "print which permission each call needs, as Markdown", false },
	                   { "properties", NULL, "print the properties of each resource, as Markdown", false },
	                   { "completion", NULL, "print a completion for bash", false }),
	.about = ABOUT(
		"Without a name it lists the commands. With the name of a command it prints what the command does, its "
		"options, and its exit codes. With tidemark.conf it explains the configuration file."),
	.examples = EXAMPLES({ "tidemark help store gc", "What does gc do" },
	                     { "tidemark help --man serve | man -l -", "Read a manual page that is not installed" }),
	.run = run_help,
};

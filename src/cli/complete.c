/* SPDX-License-Identifier: Apache-2.0 */
/* A completion for bash: the words of the table, and file names after everything else. */
#include "cli/command.h"
#include "cli/help.h"

static void
put_pages(struct out *out, const struct cmd_table *table)
{
	for (size_t i = 0; table->rows[i]; i++)
		if (cmd_begins_page(table, i))
			out_printf(out, "%s%.*s", i ? " " : "", STR_ARG(cmd_page(table->rows[i])));
}

static void
put_group(struct out *out, const struct cmd_table *table, struct str page)
{
	bool first = true;

	for (size_t i = 0; table->rows[i]; i++)
		if (str_eq(cmd_page(table->rows[i]), page)) {
			out_printf(out, "%s%s", first ? "" : " ", table->rows[i]->name + page.len + 1);
			first = false;
		}
}

static void
put_options(struct out *out, const struct cmd *cmd)
{
	out_printf(out, "\t\"%s\")\n\t\toptions=\"--help", cmd->name);
	if (cmd->settings)
		out_put(out, STR(" --config"));
	for (size_t i = 0; cmd->settings && cmd->settings[i] != CONF_COUNT; i++)
		out_printf(out, " --%s", conf_setting(cmd->settings[i])->name);
	for (size_t i = 0; cmd->options && cmd->options[i].name; i++)
		out_printf(out, " --%s", cmd->options[i].name);
	out_put(out, STR("\"\n\t\t;;\n"));
}

void
complete_bash(struct out *out, const struct cmd_table *table)
{
	out_put(out, STR("# SPDX-License-Identifier: Apache-2.0\n"
	                 "# bash completion for tidemark; made by `tidemark help --completion`.\n"
	                 "_tidemark()\n{\n"
	                 "\tlocal word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options=\n"
	                 "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \""));
	put_pages(out, table);
	out_put(out, STR("\" -- \"$word\"))\n\t\treturn\n\tfi\n\tcase $command in\n"));
	for (size_t i = 0; table->rows[i]; i++) {
		struct str page = cmd_page(table->rows[i]);

		if (!cmd_group_summary(table, page) || !cmd_begins_page(table, i))
			continue;
		out_printf(out, "\t%.*s)\n\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n\t\t\tCOMPREPLY=($(compgen -W \"",
		           STR_ARG(page));
		put_group(out, table, page);
		out_put(out, STR("\" -- \"$word\"))\n\t\t\treturn\n\t\tfi\n"
		                 "\t\tcommand=\"$command ${COMP_WORDS[2]}\"\n\t\t;;\n"));
	}
	out_put(out, STR("\tesac\n\tcase $command in\n"));
	for (size_t i = 0; table->rows[i]; i++)
		put_options(out, table->rows[i]);
	out_put(out, STR("\tesac\n\tcase $word in\n\t-*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
	                 "\t*) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n\tesac\n}\n"
	                 "complete -o filenames -F _tidemark tidemark\n"));
}

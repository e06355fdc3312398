/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <stdio.h>

#include "cli/command.h"

#define WIDTH 80

/* Wraps the words at column WIDTH. Lines begin at column `indent`; the first one is already at column `at`. */
static void
put_wrapped(struct out *out, struct str text, size_t indent, size_t at)
{
	struct str word;
	bool       first = true;

	while (str_take_until(&text, ' ', &word)) {
		if (!first && at + 1 + word.len > WIDTH) {
			out_printf(out, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		if (!first)
			out_put(out, STR(" "));
		out_put(out, word);
		at += word.len + (first ? 0 : 1);
		first = false;
	}
	out_put(out, STR("\n"));
}

static void
put_row(struct out *out, const char *name, size_t column, struct str text)
{
	size_t at = strlen(name) + 2;

	out_printf(out, "  %s", name);
	if (at + 2 > column) {
		out_put(out, STR("\n"));
		at = 0;
	}
	out_printf(out, "%*s", (int)(column - at), "");
	put_wrapped(out, text, column, column);
}

void
help_overview(struct out *out, const struct cmd_table *table)
{
	out_put(out,
	        STR("usage: tidemark COMMAND [OPTION]... [ARGUMENT]...\n\n"
	            "Tidemark serves and follows Microsoft Graph delta queries with your own store.\n\ncommands:\n"));
	for (size_t i = 0; table->rows[i]; i++)
		put_row(out, table->rows[i]->name, 18, str_from_c(table->rows[i]->summary));
	out_put(out,
	        STR("\n`tidemark help COMMAND` explains a command; `tidemark help tidemark.conf` the settings.\n"));
}

const char *
help_of_setting(const struct cmd *cmd, enum conf_id id)
{
	return id == CONF_STORE && cmd->is_for_files ? "the store, a file: sqlite:PATH" : conf_setting(id)->help;
}

static void
put_setting(struct out *out, const struct cmd *cmd, enum conf_id id)
{
	const struct conf_setting *setting = conf_setting(id);
	const char                *fallback = setting->fallback ? setting->fallback : setting->fallback_text;
	char                       head[96], text[384];

	snprintf(head, sizeof(head), "--%s %s%s", setting->name, setting->arg, conf_repeats(id) ? " ..." : "");
	snprintf(text, sizeof(text), "%s%s%s%s [%s]", help_of_setting(cmd, id), fallback ? " (default: " : "",
	         fallback ? fallback : "", fallback ? ")" : "", setting->env);
	put_row(out, head, 28, str_from_c(text));
}

static void
put_options(struct out *out, const struct cmd *cmd)
{
	char head[96];

	out_put(out, STR("\noptions:\n"));
	for (size_t i = 0; cmd->options && cmd->options[i].name; i++) {
		const struct cmd_option *option = &cmd->options[i];

		snprintf(head, sizeof(head), "--%s%s%s%s", option->name, option->arg ? " " : "",
		         option->arg ? option->arg : "", option->repeat ? " ..." : "");
		put_row(out, head, 28, str_from_c(option->help));
	}
	for (size_t i = 0; cmd->settings && cmd->settings[i] != CONF_COUNT; i++)
		put_setting(out, cmd, cmd->settings[i]);
	if (cmd->settings)
		put_row(out, "--config FILE", 28, STR("the configuration file [TIDEMARK_CONFIG]"));
	put_row(out, "--help, -h", 28, STR("this text"));
}

static void
put_exits(struct out *out, const struct cmd *cmd)
{
	static const enum exit_code always[] = { EXIT_DONE, EXIT_OTHER, EXIT_USAGE };

	out_put(out, STR("\nexit codes:\n"));
	for (size_t i = 0; i < 3; i++)
		out_printf(out, "  %3d  %s\n", (int)always[i], exit_code_text(always[i]));
	if (cmd->settings)
		out_printf(out, "  %3d  %s\n", (int)EXIT_CONFIG, exit_code_text(EXIT_CONFIG));
	for (size_t i = 0; cmd->exits[i] != EXIT_DONE; i++)
		out_printf(out, "  %3d  %s\n", (int)cmd->exits[i], exit_code_text(cmd->exits[i]));
}

static void
put_command(struct out *out, const struct cmd *cmd)
{
	out_printf(out, "usage: tidemark %s [OPTION]...%s%s\n\n", cmd->name, cmd->args ? " " : "",
	           cmd->args ? cmd->args : "");
	for (size_t i = 0; cmd->about[i]; i++) {
		if (i > 0)
			out_put(out, STR("\n"));
		put_wrapped(out, str_from_c(cmd->about[i]), 0, 0);
	}
	put_options(out, cmd);
	put_exits(out, cmd);
	if (cmd->examples && cmd->examples[0].line)
		out_put(out, STR("\nexamples:\n"));
	for (size_t i = 0; cmd->examples && cmd->examples[i].line; i++)
		out_printf(out, "  # %s\n  %s\n", cmd->examples[i].what, cmd->examples[i].line);
}

static void
put_group(struct out *out, const struct cmd_table *table, struct str word, const char *summary)
{
	out_printf(out, "usage: tidemark %.*s COMMAND [OPTION]...\n\nTo %s:\n", STR_ARG(word), summary);
	for (size_t i = 0; table->rows[i]; i++)
		if (str_eq(cmd_page(table->rows[i]), word))
			put_row(out, table->rows[i]->name, 18, str_from_c(table->rows[i]->summary));
	out_printf(out, "\n`tidemark help %.*s COMMAND` explains a command.\n", STR_ARG(word));
}

static void
put_conf(struct out *out)
{
	out_put(out,
	        STR("The configuration file has lines of the form `key = value` under a heading. --config or\n"
	            "TIDEMARK_CONFIG names it. The default is $XDG_CONFIG_HOME/tidemark/tidemark.conf, else\n"
	            "/etc/tidemark/tidemark.conf. A flag wins over the environment, the environment over the file.\n"));
	for (const struct conf_section *section = conf_sections; section < conf_sections + CONF_SECTIONS; section++) {
		out_printf(out, "\n[%s%s\n", section->name, section->help);
		for (const struct conf_setting *key = section->keys; key->name; key++)
			put_row(out, key->name, section->width, str_from_c(key->help));
	}
}

bool
help_command(struct out *out, const struct cmd_table *table, struct str name)
{
	const struct cmd *cmd = cmd_named(table, name);
	const char       *summary = cmd_group_summary(table, name);

	if (cmd)
		put_command(out, cmd);
	else if (summary)
		put_group(out, table, name, summary);
	else if (str_eq(name, STR("tidemark.conf")))
		put_conf(out);
	else
		return false;
	return true;
}

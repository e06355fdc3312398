/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdarg.h>

#include "cli/suggest.h"

#define MESSAGE_MAX 4096

/* ---- the table ---------------------------------------------------------------------------------------- */

struct str
cmd_page(const struct cmd *cmd)
{
	struct str name = str_from_c(cmd->name);

	return str_first(name, str_find(name, ' '));
}

const struct cmd *
cmd_named(const struct cmd_table *table, struct str name)
{
	for (size_t i = 0; table->rows[i]; i++)
		if (str_eq(name, str_from_c(table->rows[i]->name)))
			return table->rows[i];
	return NULL;
}

/* "; its commands are add, list, remove": of a group, if no name is near. */
static const char *
commands_of(const struct cmd_table *table, struct str page, struct arena *arena)
{
	struct str list = STR_EMPTY;

	for (size_t i = 0; table->rows[i]; i++)
		if (str_eq(cmd_page(table->rows[i]), page))
			list = arena_printf(arena, "%.*s%s %s", STR_ARG(list), list.len ? "," : "; its commands are",
			                    table->rows[i]->name + page.len + 1);
	return arena_c(arena, list);
}

int
cmd_unknown(const struct cmd_table *table, struct str name, struct arena *arena)
{
	struct suggestion suggestion = { .word = name };
	struct str        page = str_first(name, str_find(name, ' '));
	bool              grouped = cmd_group_summary(table, page) != NULL;
	const char       *text;

	for (size_t i = 0; table->rows[i]; i++)
		suggestion_try(&suggestion, table->rows[i]->name);
	for (const struct cmd_group *group = table->groups; group->word; group++)
		suggestion_try(&suggestion, group->word);
	text = !suggestion.best && grouped ? commands_of(table, page, arena) : suggestion_text(&suggestion, arena);
	return console_fail(EXIT_USAGE, "unknown command \"%.*s\"%s; see `tidemark help%s%.*s`", STR_ARG(name), text,
	                    grouped ? " " : "", grouped ? (int)page.len : 0, page.at);
}

const char *
cmd_group_summary(const struct cmd_table *table, struct str word)
{
	for (const struct cmd_group *group = table->groups; group->word; group++)
		if (str_eq(word, str_from_c(group->word)))
			return group->summary;
	return NULL;
}

bool
cmd_begins_page(const struct cmd_table *table, size_t row)
{
	return row == 0 || !str_eq(cmd_page(table->rows[row]), cmd_page(table->rows[row - 1]));
}

/* ---- the options that were given ---------------------------------------------------------------------- */

const char *
cmd_value_at(const struct cmd_run *run, const char *option, size_t index)
{
	for (size_t i = 0; i < run->given_count; i++)
		if (strcmp(run->given[i].option->name, option) == 0 && index-- == 0)
			return run->given[i].value ? run->given[i].value : "";
	return NULL;
}

const char *
cmd_value(const struct cmd_run *run, const char *option)
{
	return cmd_value_at(run, option, 0);
}

bool
cmd_has(const struct cmd_run *run, const char *option)
{
	return cmd_value_at(run, option, 0) != NULL;
}

static void __attribute__((format(printf, 3, 0)))
put_line(const struct cmd_run *run, enum log_level level, const char *fmt, va_list list)
{
	char text[MESSAGE_MAX];

	(void)str_vprintf(text, sizeof(text), fmt, list);
	if (run->log)
		LOG_EVENT(run->log, level, "follow", { "scope", str_from_c(run->label) },
		          { "message", str_from_c(text) });
	else
		console_say("%s%s%s", run->label ? run->label : "", run->label ? ": " : "", text);
}

void
cmd_say(const struct cmd_run *run, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	put_line(run, LOG_INFO, fmt, list);
	va_end(list);
}

int
cmd_fail(const struct cmd_run *run, enum exit_code code, const char *fmt, ...)
{
	va_list list;

	va_start(list, fmt);
	put_line(run, LOG_WARN, fmt, list);
	va_end(list);
	return (int)code;
}

int
cmd_usage(const struct cmd_run *run, const char *fmt, ...)
{
	char    text[512];
	va_list list;

	va_start(list, fmt);
	(void)str_vprintf(text, sizeof(text), fmt, list);
	va_end(list);
	return cmd_fail(run, run->label ? EXIT_CONFIG : EXIT_USAGE, "%s; see `tidemark help %s`", text, run->cmd->name);
}

int
cmd_value_guid(const struct cmd_run *run, const char *option, struct guid *guid_out)
{
	const char *text = cmd_value(run, option);

	if (text && (!guid_parse(str_from_c(text), guid_out) || guid_is_zero(guid_out)))
		return cmd_usage(run, "--%s: \"%s\" is not a GUID", option, text);
	return EXIT_DONE;
}

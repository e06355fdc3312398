/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages in mdoc(7), one for each first word of a command, one for the program, one for its file. */
#include <ctype.h>

#include "cli/command.h"
#include "cli/help.h"

#define PAGE_DATE "November 21, 2026"
#define WIDTH     78

/* Prints one word, with the characters that roff interprets escaped. */
static void
put_word(struct out *out, struct str word, bool line_start)
{
	if (line_start && word.len > 0 && (word.at[0] == '.' || word.at[0] == '\''))
		out_put(out, STR("\\&"));
	for (size_t i = 0; i < word.len; i++) {
		if (word.at[i] == '\\')
			out_put(out, STR("\\e"));
		else
			out_put(out, str_of(word.at + i, 1));
	}
}

/* Starts every sentence on a new line, as mdoc requires, and wraps lines. */
static void
put_text(struct out *out, struct str text)
{
	struct str word;
	size_t     at = 0;

	while (str_take_until(&text, ' ', &word)) {
		if (at > 0 && at + 1 + word.len > WIDTH) {
			out_put(out, STR("\n"));
			at = 0;
		}
		if (word.len == 0)
			continue;
		if (at > 0)
			out_put(out, STR(" "));
		put_word(out, word, at == 0);
		at += word.len + 1;
		if ((str_ends(word, STR(".")) || str_ends(word, STR("?"))) && text.len > 0) {
			out_put(out, STR("\n"));
			at = 0;
		}
	}
	if (at > 0)
		out_put(out, STR("\n"));
}

/* The same, with a capital first letter and a full stop. */
static void
put_sentence(struct out *out, const char *text, struct arena *arena)
{
	struct str copy = arena_printf(arena, "%c%s%s", toupper((unsigned char)text[0]), text + 1,
	                               str_ends(str_from_c(text), STR(".")) ? "" : ".");

	put_text(out, copy);
}

static void
put_setting(struct out *out, const struct conf_setting *setting, const char *help, bool repeats, struct arena *arena)
{
	const char *fallback = setting->fallback ? setting->fallback : setting->fallback_text;

	put_sentence(out, help, arena);
	if (repeats)
		out_put(out, STR("May be given more than once.\n"));
	if (fallback)
		put_text(out, arena_printf(arena, "The default is %s.", fallback));
}

static void
put_head(struct out *out, const char *title, const char *section, const char *name, const char *what)
{
	out_put(out, STR(".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by `tidemark help --man`.\n"));
	out_printf(out, ".Dd %s\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n", PAGE_DATE, title, section, name, what);
}

static void
put_paragraphs(struct out *out, const char *const *about)
{
	for (size_t i = 0; about[i]; i++) {
		if (i > 0)
			out_put(out, STR(".Pp\n"));
		put_text(out, str_from_c(about[i]));
	}
}

/* "APP [USER]" */
static void
put_arguments(struct out *out, struct str args)
{
	struct str one;

	while (str_take_until(&args, ' ', &one)) {
		bool optional = str_starts(one, STR("["));

		if (optional)
			one = str_of(one.at + 1, one.len - 2);
		out_printf(out, ".%sAr %.*s\n", optional ? "Op " : "", STR_ARG(one));
	}
}

static void
put_synopsis(struct out *out, const struct cmd *cmd)
{
	out_printf(out, ".Nm tidemark %s\n", cmd->name);
	for (size_t i = 0; cmd->options && cmd->options[i].name; i++) {
		const struct cmd_option *option = &cmd->options[i];

		out_printf(out, ".Op Fl -%s", option->name);
		if (option->arg)
			out_printf(out, " Ar %s%s", option->arg, option->repeat ? " ..." : "");
		out_put(out, STR("\n"));
	}
	for (size_t i = 0; cmd->settings && cmd->settings[i] != CONF_COUNT; i++)
		out_printf(out, ".Op Fl -%s Ar %s\n", conf_setting(cmd->settings[i])->name,
		           conf_setting(cmd->settings[i])->arg);
	if (cmd->settings)
		out_put(out, STR(".Op Fl -config Ar FILE\n"));
	put_arguments(out, str_from_c(cmd->args));
}

static void
put_options(struct out *out, const struct cmd *cmd, struct arena *arena)
{
	out_put(out, STR(".Bl -tag -width Ds\n"));
	for (size_t i = 0; cmd->options && cmd->options[i].name; i++) {
		out_printf(out, ".It Fl -%s%s%s\n", cmd->options[i].name, cmd->options[i].arg ? " Ar " : "",
		           cmd->options[i].arg ? cmd->options[i].arg : "");
		put_sentence(out, cmd->options[i].help, arena);
		if (cmd->options[i].repeat)
			out_put(out, STR("May be given more than once.\n"));
	}
	for (size_t i = 0; cmd->settings && cmd->settings[i] != CONF_COUNT; i++) {
		const struct conf_setting *setting = conf_setting(cmd->settings[i]);

		out_printf(out, ".It Fl -%s Ar %s\n", setting->name, setting->arg);
		put_setting(out, setting, help_of_setting(cmd, cmd->settings[i]), conf_repeats(cmd->settings[i]),
		            arena);
	}
	if (cmd->settings)
		out_put(out, STR(".It Fl -config Ar FILE\nThe configuration file; see\n.Xr tidemark.conf 5 .\n"));
	out_put(out, STR(".It Fl -help , Fl h\nPrint what this page says, in short.\n.El\n"));
}

static void
put_exit(struct out *out, enum exit_code code)
{
	out_printf(out, ".It %d\n", (int)code);
	put_text(out, str_from_c(exit_code_text(code)));
}

static void
put_command(struct out *out, const struct cmd *cmd, bool grouped, struct arena *arena)
{
	if (grouped) {
		out_printf(out, ".Ss tidemark %s\n", cmd->name);
		put_sentence(out, cmd->summary, arena);
		out_put(out, STR(".Pp\n"));
	}
	put_paragraphs(out, cmd->about);
	put_options(out, cmd, arena);
}

static bool
is_on(const struct cmd *cmd, struct str page)
{
	return str_eq(cmd_page(cmd), page);
}

static void
put_environment(struct out *out, const struct cmd_table *table, struct str page)
{
	bool used[CONF_COUNT] = { false }, any = false;

	for (size_t i = 0; table->rows[i]; i++)
		for (size_t k = 0; is_on(table->rows[i], page) && table->rows[i]->settings &&
		                   table->rows[i]->settings[k] != CONF_COUNT;
		     k++)
			used[table->rows[i]->settings[k]] = any = true;
	if (!any)
		return;
	out_put(out, STR(".Sh ENVIRONMENT\nA flag wins over a variable, a variable over the configuration file.\n"
	                 ".Bl -tag -width Ds\n"));
	for (int id = 0; id < CONF_COUNT; id++)
		if (used[id])
			out_printf(out, ".It Ev %s\nAs\n.Fl -%s .\n", conf_setting((enum conf_id)id)->env,
			           conf_setting((enum conf_id)id)->name);
	out_put(out, STR(".It Ev TIDEMARK_CONFIG\nAs\n.Fl -config .\n.El\n"));
}

static void
put_exits(struct out *out, const struct cmd_table *table, struct str page)
{
	bool used[EXIT_TERMINATED + 1] = { [EXIT_DONE] = true, [EXIT_OTHER] = true, [EXIT_USAGE] = true };

	for (size_t i = 0; table->rows[i]; i++) {
		if (!is_on(table->rows[i], page))
			continue;
		if (table->rows[i]->settings)
			used[EXIT_CONFIG] = true;
		for (size_t k = 0; table->rows[i]->exits[k] != EXIT_DONE; k++)
			used[table->rows[i]->exits[k]] = true;
	}
	out_put(out, STR(".Sh EXIT STATUS\n.Bl -tag -width Ds\n"));
	for (int code = 0; code <= EXIT_TERMINATED; code++)
		if (used[code])
			put_exit(out, (enum exit_code)code);
	out_put(out, STR(".El\n"));
}

static void
put_examples(struct out *out, const struct cmd_table *table, struct str page, struct arena *arena)
{
	bool any = false;

	for (size_t i = 0; table->rows[i]; i++) {
		const struct cmd_example *example = is_on(table->rows[i], page) ? table->rows[i]->examples : NULL;

		for (; example && example->line; example++) {
			out_put(out, any ? STR(".Pp\n") : STR(".Sh EXAMPLES\n"));
			any = true;
			put_text(out, arena_printf(arena, "%s:", example->what));
			out_put(out, STR(".Pp\n.Dl "));
			put_word(out, str_from_c(example->line), false);
			out_put(out, STR("\n"));
		}
	}
}

static void
put_command_page(struct out *out, const struct cmd_table *table, struct str page, struct arena *arena)
{
	const char *group = cmd_group_summary(table, page);
	const char *summary = group ? group : cmd_named(table, page)->summary;
	struct str  title = arena_printf(arena, "TIDEMARK-%.*s", STR_ARG(page));
	char       *upper = arena_take(arena, title.len + 1);

	for (size_t i = 0; i < title.len; i++)
		upper[i] = (char)toupper((unsigned char)title.at[i]);
	put_head(out, upper, "1", arena_c(arena, arena_printf(arena, "tidemark-%.*s", STR_ARG(page))), summary);
	out_put(out, STR(".Sh SYNOPSIS\n"));
	for (size_t i = 0; table->rows[i]; i++)
		if (is_on(table->rows[i], page))
			put_synopsis(out, table->rows[i]);
	out_put(out, STR(".Sh DESCRIPTION\n"));
	for (size_t i = 0; table->rows[i]; i++)
		if (is_on(table->rows[i], page))
			put_command(out, table->rows[i], group != NULL, arena);
	put_environment(out, table, page);
	put_exits(out, table, page);
	put_examples(out, table, page, arena);
	out_put(out, STR(".Sh SEE ALSO\n.Xr tidemark 1 ,\n.Xr tidemark.conf 5\n"));
}

static void
put_program_page(struct out *out, const struct cmd_table *table, struct arena *arena)
{
	put_head(out, "TIDEMARK", "1", "tidemark", "serve Microsoft Graph delta queries from a store of your own");
	out_put(out, STR(".Sh SYNOPSIS\n.Nm tidemark\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n"
	                 ".Sh DESCRIPTION\n"
	                 "Tidemark keeps calendars and recordings of users in a store and answers the\n"
	                 "delta queries of Microsoft Graph for them.\nThe commands are:\n.Bl -tag -width Ds\n"));
	for (size_t i = 0; table->rows[i]; i++) {
		out_printf(out, ".It Nm tidemark Cm %s\n", table->rows[i]->name);
		put_sentence(out, table->rows[i]->summary, arena);
	}
	out_put(out, STR(".El\n.Pp\nData goes to standard output, messages to standard error.\n"
	                 ".Sh EXIT STATUS\n.Bl -tag -width Ds\n"));
	for (int code = 0; code <= EXIT_LOCKED; code++)
		put_exit(out, (enum exit_code)code);
	put_exit(out, EXIT_INTERRUPTED);
	put_exit(out, EXIT_TERMINATED);
	out_put(out, STR(".El\n.Sh SEE ALSO\n"));
	for (size_t i = 0; table->rows[i]; i++)
		if (cmd_begins_page(table, i))
			out_printf(out, ".Xr tidemark-%.*s 1 ,\n", STR_ARG(cmd_page(table->rows[i])));
	out_put(out, STR(".Xr tidemark.conf 5\n"));
}

static void
put_conf_page(struct out *out, struct arena *arena)
{
	put_head(out, "TIDEMARK.CONF", "5", "tidemark.conf", "configuration of tidemark");
	out_put(out, STR(".Sh DESCRIPTION\n"
	                 "The file has lines of the form\n.Ql key = value\nunder a heading in brackets.\n"
	                 "A line that begins with # or ;\\& is a comment, and so is what follows one of\n"
	                 "these after a blank.\nAn unknown heading or key, a key given twice or a bad value is\n"
	                 "an error that names file and line.\n"));
	for (const struct conf_section *section = conf_sections; section < conf_sections + CONF_SECTIONS; section++) {
		bool named = section - conf_sections >= CONF_ISSUERS;

		out_printf(out, ".Ss [%s%s]\n%s.Bl -tag -width Ds\n", section->name, named ? " \\(dqname\\(dq" : "",
		           section->man);
		for (const struct conf_setting *key = section->keys; key->name; key++) {
			out_printf(out, ".It Cm %s No = Ar %s\n", key->name, key->arg);
			put_setting(out, key, key->help, false, arena);
		}
		out_put(out, STR(".El\n"));
	}
	out_put(out, STR(".Sh FILES\n.Bl -tag -width Ds\n"
	                 ".It Pa $XDG_CONFIG_HOME/tidemark/tidemark.conf\nRead when no other file is named.\n"
	                 ".It Pa /etc/tidemark/tidemark.conf\nRead when that one does not exist.\n.El\n"
	                 ".Sh SEE ALSO\n.Xr tidemark 1 ,\n.Xr tidemark-serve 1\n"));
}

void
man_list(struct out *out, const struct cmd_table *table)
{
	out_put(out, STR("tidemark.1\n"));
	for (size_t i = 0; table->rows[i]; i++)
		if (cmd_begins_page(table, i))
			out_printf(out, "tidemark-%.*s.1\n", STR_ARG(cmd_page(table->rows[i])));
	out_put(out, STR("tidemark.conf.5\n"));
}

bool
man_page(struct out *out, const struct cmd_table *table, struct str name)
{
	struct arena *arena = arena_open((size_t)1 << 20);
	bool          known = true;

	if (str_ends(name, STR(".1")) || str_ends(name, STR(".5")))
		name.len -= 2;
	if (str_starts(name, STR("tidemark-")))
		name = str_skip(name, 9);
	name = str_first(name, str_find(name, ' '));
	if (str_eq(name, STR("tidemark")))
		put_program_page(out, table, arena);
	else if (str_eq(name, STR("tidemark.conf")))
		put_conf_page(out, arena);
	else if (cmd_named(table, name) || cmd_group_summary(table, name))
		put_command_page(out, table, name, arena);
	else
		known = false;
	arena_close(&arena);
	return known;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/section.h"

#include <stdarg.h>

#include "cli/suggest.h"
#include "fetch/fetch_link.h"
#include "follow/follow_owner.h"
#include "resource/family.h"

#define SECTION_MAX     64                 /* bytes of the name of a section with for-each */
#define WORDS_MAX       8                  /* places of a URL that the value takes */
#define CHECK_ARENA_MAX ((size_t)64 << 20) /* URLs of all sections of a file of 256 KiB */

static const char *const credential_keys[] = { "bearer-file", "bearer-command", "client-credentials", "device-code" };

static int __attribute__((format(printf, 3, 4))) wrong(const struct section *section, int key, const char *fmt, ...)
{
	const struct conf_part *conf = section->conf;
	char                    text[512];
	va_list                 list;

	va_start(list, fmt);
	(void)str_vprintf(text, sizeof(text), fmt, list);
	va_end(list);
	return console_fail(EXIT_CONFIG, "%.*s: [scope \"%.*s\"]: %s; see `tidemark help tidemark.conf`",
	                    STR_ARG(conf->has[key] ? conf->value_from[key] : conf->from), STR_ARG(conf->name), text);
}

static bool
is_credential(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(credential_keys); i++)
		if (str_eq(name, str_from_c(credential_keys[i])))
			return true;
	return false;
}

bool
section_has_credential(const struct section *section)
{
	for (int i = 0; i < CONF_SCOPE_KEYS; i++)
		if (section->conf->has[i] && is_credential(str_from_c(conf_scope_keys[i].name)))
			return true;
	return false;
}

/* ---- for-each ------------------------------------------------------------------------------------------- */

static const struct section *
section_named(const struct section *first, struct str name, struct suggestion *suggestion)
{
	for (; first; first = first->next) {
		if (str_eq(first->conf->name, name))
			return first;
		suggestion_try(suggestion, first->conf->name.at);
	}
	return NULL;
}

/* The word in braces; it may come a few times, behind the host.  False: there are other braces, or more. */
static bool
find_word(struct str url, struct str *word_out)
{
	struct str rest = str_first(url, str_find(url, '?')), word;
	size_t     braces = 0, slashes = 0, words = 0, open;

	*word_out = STR_EMPTY;
	for (size_t i = 0; i < url.len; i++)
		braces += url.at[i] == '{' || url.at[i] == '}';
	for (; (open = str_find(rest, '{')) < rest.len; braces -= 2) {
		for (size_t i = 0; i < open; i++)
			slashes += rest.at[i] == '/';
		rest = str_skip(rest, open);
		word = str_first(rest, str_find(rest, '}') + 1);
		if (slashes < 3 || word.len < 3 || !str_ends(word, STR("}")) ||
		    (word_out->len > 0 && !str_eq(*word_out, word)) || ++words > WORDS_MAX)
			return false;
		*word_out = word;
		rest = str_skip(rest, word.len);
	}
	return braces == 0;
}

static int
check_each(struct cmd_run *run, const struct section *first, struct section *section)
{
	const struct conf_part *conf = section->conf;
	struct str              each = conf->values[CONF_SCOPE_FOR_EACH], name;
	struct suggestion       suggestion;

	if (!find_word(conf->values[CONF_SCOPE_URL], &section->word))
		return wrong(section, CONF_SCOPE_URL,
		             "a URL may hold one word in braces, like {user}, in its path, up to %d times", WORDS_MAX);
	if ((section->word.len > 0) != conf->has[CONF_SCOPE_FOR_EACH])
		return wrong(section, CONF_SCOPE_URL, "%s",
		             section->word.len > 0 ? "the URL holds a word in braces, but there is no for-each"
		                                   : "with for-each the URL must hold a word in braces, like {user}");
	if (!str_starts(each, STR("scope:")))
		return EXIT_DONE;
	name = str_skip(each, sizeof("scope:") - 1);
	suggestion = (struct suggestion){ .word = name };
	section->source = section_named(first, name, &suggestion);
	if (!section->source)
		return wrong(section, CONF_SCOPE_FOR_EACH, "there is no [scope \"%.*s\"]%s", STR_ARG(name),
		             suggestion_text(&suggestion, run->arena));
	if (section->source->conf->has[CONF_SCOPE_FOR_EACH])
		return wrong(section, CONF_SCOPE_FOR_EACH, "[scope \"%.*s\"] has a for-each itself", STR_ARG(name));
	return EXIT_DONE;
}

/* ---- reading the sections ------------------------------------------------------------------------------- */

/* /me is another one's for another credential.  url: of `b`, with "x" as its value. */
static bool
follow_the_same(const struct section *a, const struct section *b, struct str url, struct arena *arena)
{
	struct str link;
	bool       is_own = follow_owner_link(url, arena, &link);

	if (!str_eq(section_url(a, STR("x"), arena), url))
		return false;
	for (int i = 0; i < CONF_SCOPE_KEYS && is_own; i++)
		if (is_credential(str_from_c(conf_scope_keys[i].name)) &&
		    !str_eq(a->conf->values[i], b->conf->values[i]))
			return false;
	return true;
}

/* Of options that exclude each other, one may be set. */
static int
check_excluded(const struct section *section, bool (*is_one)(struct str name))
{
	int first = -1;

	for (int i = CONF_SCOPE_OPTIONS; i < CONF_SCOPE_KEYS; i++) {
		if (!is_one(str_from_c(conf_scope_keys[i].name)) || !section->conf->has[i] ||
		    (conf_scope_keys[i].choices && !str_eq(section->conf->values[i], STR("on"))))
			continue;
		if (first >= 0)
			return wrong(section, i, "%s and %s exclude each other", conf_scope_keys[first].name,
			             conf_scope_keys[i].name);
		first = i;
	}
	return EXIT_DONE;
}

static bool
is_update_rule(struct str name)
{
	return str_eq(name, STR("replace")) || str_eq(name, STR("merge"));
}

static int
check(struct cmd_run *run, const struct section *first, struct section *section)
{
	AUTO(arena_close) struct arena *arena = arena_open(CHECK_ARENA_MAX);
	struct str                      name = section->conf->name, url;
	struct fetch_origin             origin;
	const char                     *why;

	if (!scope_name_is_good(name) || str_find(name, ':') < name.len ||
	    (section->conf->has[CONF_SCOPE_FOR_EACH] && name.len > SECTION_MAX))
		return wrong(section, CONF_SCOPE_URL, "the name has 1 to %d bytes, no blank, slash or colon",
		             section->conf->has[CONF_SCOPE_FOR_EACH] ? SECTION_MAX : REPLICA_NAME_MAX);
	if (!section->conf->has[CONF_SCOPE_URL])
		return wrong(section, CONF_SCOPE_URL, "it has no url");
	TRY_CODE(check_each(run, first, section));
	TRY_CODE(check_excluded(section, is_credential));
	TRY_CODE(check_excluded(section, is_update_rule));
	url = section_url(section, STR("x"), arena);
	if (!fetch_origin_of(fetch_link_encode(url, "", arena), &origin, &why))
		return wrong(section, CONF_SCOPE_URL, "the URL %s", why);
	for (const struct section *other = first; other != section; other = other->next)
		if (follow_the_same(other, section, url, arena))
			return wrong(section, CONF_SCOPE_URL, "[scope \"%.*s\"] (%.*s) follows the same URL",
			             STR_ARG(other->conf->name), STR_ARG(other->conf->value_from[CONF_SCOPE_URL]));
	return EXIT_DONE;
}

int
section_read_all(struct cmd_run *run, struct section **first_out)
{
	struct section **end = first_out;

	*first_out = NULL;
	for (const struct conf_part *conf = run->conf.scopes; conf; conf = conf->next) {
		*end = arena_take(run->arena, sizeof(**end));
		(*end)->conf = conf;
		end = &(*end)->next;
	}
	for (struct section *section = *first_out; section; section = section->next)
		TRY_CODE(check(run, *first_out, section));
	return EXIT_DONE;
}

static int
key_named(const char *name)
{
	for (int i = CONF_SCOPE_OPTIONS; i < CONF_SCOPE_KEYS; i++)
		if (strcmp(conf_scope_keys[i].name, name) == 0)
			return i;
	return -1;
}

void
section_run(const struct section *section, struct str value, const struct cmd_run *base, struct arena *arena,
            struct cmd_run *run_out)
{
	bool       has_credential = section_has_credential(section);
	struct str url = section_url(section, value, arena);

	*run_out = *base;
	run_out->arena = arena;
	run_out->given_count = 0;
	run_out->arg_count = 1;
	run_out->args = arena_take(arena, sizeof(char *));
	run_out->args[0] = arena_take(arena, url.len + 1);
	memcpy(run_out->args[0], url.at, url.len);
	for (const struct cmd_option *option = base->cmd->options; option->name; option++) {
		int key = key_named(option->name);

		if (key >= 0 && section->conf->has[key] &&
		    (option->arg || str_eq(section->conf->values[key], STR("on"))))
			run_out->given[run_out->given_count++] =
				(struct cmd_given){ option, option->arg ? section->conf->values[key].at : NULL };
	}
	for (size_t i = 0; i < base->given_count; i++) {
		const char *name = base->given[i].option->name;
		int         key = key_named(name);

		if ((key < 0 || !section->conf->has[key]) && !(has_credential && is_credential(str_from_c(name))))
			run_out->given[run_out->given_count++] = base->given[i];
	}
}

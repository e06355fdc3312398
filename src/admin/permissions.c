/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/permissions.h"

#include "auth/auth.h"
#include "cli/suggest.h"
#include "resource/family.h"

static void
put_grants(struct out *out, const char *const *grants)
{
	if (!grants[0])
		out_put(out, STR("not supported"));
	for (size_t i = 0; grants[i]; i++)
		out_printf(out, "%s`%s`", i ? ", " : "", grants[i]);
}

static struct str
family_of(struct str name)
{
	return str_first(name, str_find(name, '.'));
}

static bool
stands_in(struct str name, const char *const *grants, bool family_will_do)
{
	for (; *grants; grants++) {
		struct str known = str_from_c(*grants);

		if (family_will_do ? str_eq_nocase(family_of(name), family_of(known)) : str_eq_nocase(name, known))
			return true;
	}
	return false;
}

/* All lists of names: of the calls, then of what is followed and served onward; NULL ends. */
static const char *const *
names_at(size_t n)
{
	const struct resource *family = NULL;

	if (n < RIGHT_COUNT)
		return right_row((enum right)n)->delegated;
	n -= RIGHT_COUNT;
	if (n < RIGHT_COUNT)
		return right_row((enum right)n)->application;
	for (n -= RIGHT_COUNT; (family = family_next(family)) != NULL && n > 0;)
		n--;
	return family ? family->reads : NULL;
}

static bool
is_asked_for(struct str name, bool family_will_do)
{
	const char *const *names;

	for (size_t n = 0; (names = names_at(n)) != NULL; n++)
		if (stands_in(name, names, family_will_do))
			return true;
	return false;
}

/* What to do about a name that no call asks for. */
static const char *
advice(struct str name, struct arena *arena)
{
	struct suggestion  suggestion = { .word = name };
	const char *const *names;

	for (size_t n = 0; (names = names_at(n)) != NULL; n++)
		for (; *names; names++)
			suggestion_try(&suggestion, *names);
	if (str_find(name, ',') < name.len)
		return "; blanks separate several names";
	return suggestion_text(&suggestion, arena);
}

/* Only warnings: a token may also name permissions of other services, if it names one of ours. */
void
permissions_warn(struct str grants, struct arena *arena)
{
	struct str rest = grants, name;
	bool       counts = false;

	while (str_take_until(&rest, ' ', &name))
		counts = counts || is_asked_for(name, false);
	while (str_take_until(&grants, ' ', &name))
		if (name.len > 0 && !is_asked_for(name, false) && (!counts || is_asked_for(name, true)))
			console_say(
				"warning: no call here asks for \"%.*s\"%s; `tidemark help --permissions` lists the "
				"names that count",
				STR_ARG(str_cut(name, 100)), advice(name, arena));
}

/* Each word must be a scope-token of RFC 6749. */
int
permissions_read(struct cmd_run *run, const char *option, size_t len_max, struct str *grants_out)
{
	struct buf  buf;
	const char *value;
	int         code = EXIT_DONE;

	buf_open(&buf, len_max);
	for (size_t i = 0; code == EXIT_DONE && (value = cmd_value_at(run, option, i)) != NULL; i++) {
		struct str rest = str_from_c(value), word;

		while (str_take_until(&rest, ' ', &word)) {
			for (size_t k = 0; k < word.len && code == EXIT_DONE; k++)
				if (word.at[k] <= 0x20 || word.at[k] >= 0x7f || word.at[k] == '"' || word.at[k] == '\\')
					code = cmd_usage(run, "--%s: \"%.*s\" is not a permission's name", option,
					                 STR_ARG(word));
			if (word.len > 0 && buf.len > 0)
				buf_put_char(&buf, ' ');
			buf_put(&buf, word);
		}
	}
	if (code == EXIT_DONE && buf_err(&buf) != OK)
		code = cmd_usage(run, "--%s: too long", option);
	if (code == EXIT_DONE && buf.len == 0)
		code = cmd_usage(run, "--%s is needed and must name a permission", option);
	if (code == EXIT_DONE)
		*grants_out = arena_copy(run->arena, buf_str(&buf));
	buf_close(&buf);
	return code;
}

void
permissions_page(struct out *out)
{
	const struct resource *family = NULL;

	out_put(out,
	        STR("# Permissions\n\n"
	            "Made by `tidemark help --permissions` from the table the server itself decides by "
	            "(`rights` in `src/resource/`);\na test compares the two. One of the permissions named is enough; "
	            "the least privileged stands first.\n\n"
	            "| call | delegated (`scp`): the signed-in user's own data | application (`roles`): any user of "
	            "the tenant |\n|---|---|---|\n"));
	for (int right = 0; right < RIGHT_COUNT; right++) {
		const struct right_row *row = right_row((enum right)right);

		out_printf(out, "| %s | ", row->calls);
		put_grants(out, row->delegated);
		if (row->everyone) {
			out_put(out, STR("; other users of the tenant: "));
			put_grants(out, row->everyone);
		}
		out_put(out, STR(" | "));
		put_grants(out, row->application);
		out_put(out, STR(" |\n"));
	}
	out_put(out,
	        STR("\nOf what is followed and served onward ([gateway.md](gateway.md#who-may-read)) these permissions "
	            "open a feed for reading, delegated to its\nowner and as an application's; calendars and "
	            "recordings have those above.\n\n| feed | permission |\n|---|---|\n"));
	while ((family = family_next(family)) != NULL) {
		out_printf(out, "| %s | ", family->collection);
		put_grants(out, family->reads);
		out_put(out, STR(" |\n"));
	}
	out_put(out,
	        STR("\nA token is asked in this order: its form and header, its key and signature, `nbf` and `exp` (60 "
	            "s of skew), `aud`, `iss`\nand `tid`, the user and client it names (tokens of the store's own "
	            "issuer), the permission, whose data it asks for.\n`tidemark explain-access` prints each of these "
	            "steps for a token and a URL.\n"));
}

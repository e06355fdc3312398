/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/scopes_account.h"

#include "fetch/fetch_link.h"

#define ASKING_ARENA_MAX ((size_t)1 << 20) /* options that all sections have: each reads them again */

static struct host *
host_of(struct accounts *accounts, struct str url, struct arena *arena)
{
	struct host **at = &accounts->hosts;

	while (*at && !str_eq_nocase((*at)->origin, fetch_origin_text(url)))
		at = &(*at)->next;
	if (!*at) {
		*at = arena_take(arena, sizeof(**at));
		(*at)->origin = fetch_origin_text(url);
		accounts->host_count++;
	}
	return *at;
}

static const char *const options[] = { "bearer-file", "bearer-command", "client-credentials", "device-code" };

/* A credential is for one host. */
static bool
is_of(const struct account *account, const struct section *section, const struct cmd_run *run)
{
	bool is = account->section->host == section->host &&
	          section_has_credential(account->section) == section_has_credential(section);

	for (size_t i = 0; i < COUNT_OF(options); i++)
		is = is && cmd_has(&account->run, options[i]) == cmd_has(run, options[i]) &&
		     str_eq(str_from_c(cmd_value(&account->run, options[i])), str_from_c(cmd_value(run, options[i])));
	return is;
}

int
account_open(struct account *account, struct signals *signals)
{
	account->code = credential_open(&account->run, signals, &account->credential);
	if (account->credential)
		account->shared.inner = credential_bearer(account->credential);
	return account->code;
}

/* A section may say that it needs none: then that of the environment is not its own. */
static struct account *
make_account(const struct section *section, const struct cmd_run *run, struct signals *signals)
{
	struct account *account = arena_take(run->arena, sizeof(*account));
	bool            is_needed = !section_has_credential(section);

	account->section = section;
	account->run = *run;
	for (size_t i = 0; i < COUNT_OF(options); i++)
		is_needed = is_needed || cmd_has(run, options[i]);
	MUST(pthread_mutex_init(&account->shared.lock, NULL) == 0);
	if (is_needed)
		(void)account_open(account, signals);
	return account;
}

/* A token that is given for all goes to one host only. */
static int
check_accounts(const struct account *account)
{
	const struct account *first = NULL;

	for (; account; account = account->next) {
		if (section_has_credential(account->section) || !account->credential ||
		    cmd_has(&account->run, "client-credentials"))
			continue;
		if (first)
			return cmd_fail(&account->run, EXIT_CONFIG,
			                "the credential that is given for all sections is for one host, and [scope "
			                "\"%.*s\"] leads to another; give each its own (client-credentials = off: it "
			                "needs none)",
			                STR_ARG(first->section->conf->name));
		first = account;
	}
	return EXIT_DONE;
}

int
accounts_open(struct cmd_run *base, struct signals *signals, struct section *sections, struct accounts *accounts)
{
	AUTO(arena_close) struct arena *scratch = arena_open(ASKING_ARENA_MAX);

	for (struct section *section = sections; section; section = section->next, arena_reset(scratch)) {
		const struct conf_part *conf = section->conf;
		struct account        **at = &accounts->first;
		struct follow_http      http = { 0 };
		struct cmd_run          run;

		section_run(section, STR("x"), base, base->arena, &run);
		run.label = arena_c(base->arena, arena_printf(base->arena, "%.*s: [scope \"%.*s\"]",
		                                              STR_ARG(conf->from), STR_ARG(conf->name)));
		TRY_CODE(asking_read_url(&run));
		run.arena = scratch;
		TRY_CODE(asking_read(&run, &http));
		run.arena = base->arena;
		section->host = host_of(accounts, str_from_c(run.args[0]), base->arena);
		while (*at && !is_of(*at, section, &run))
			at = &(*at)->next;
		if (!*at)
			*at = make_account(section, &run, signals);
		section->account = *at;
	}
	return check_accounts(accounts->first);
}

void
accounts_close(struct accounts *accounts)
{
	for (struct account *account = accounts->first; account; account = account->next) {
		credential_close(&account->credential);
		(void)pthread_mutex_destroy(&account->shared.lock);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "admin/permissions.h"
#include "admin/writer.h"
#include "auth/client.h"
#include "auth/issuer.h"
#include "text/date.h"
#include "text/json_write.h"

#define GRANTS_MAX ((size_t)4096)
#define APP_MAX    128
#define LIFE_MAX_S ((int64_t)10 * 365 * 24 * 3600)

static int
read_options(struct cmd_run *run, struct issuer_grant *grant, bool *has_tenant)
{
	const char *user = cmd_value(run, "user"), *app = cmd_value(run, "app");
	const char *expires = cmd_value(run, "expires");
	int         code;

	*grant = (struct issuer_grant){ .is_app = app != NULL, .life_s = 3600, .app = str_from_c(app) };
	if (!user == !app)
		return cmd_usage(run, "either --user or --app is needed");
	if (user && cmd_has(run, "role"))
		return cmd_usage(run, "--role goes with --app; a user's token has --scope");
	if (app && cmd_has(run, "scope"))
		return cmd_usage(run, "--scope goes with --user; an application's token has --role");
	if (!str_is_within(grant->app, '!', '~'))
		return cmd_usage(run, "--app: \"%s\" is not a client id", app);
	if (app && (grant->app.len == 0 || grant->app.len > APP_MAX))
		return cmd_usage(run, "--app: a client id has 1 to %d bytes", APP_MAX);
	if (expires && (!date_parse_duration(str_from_c(expires), &grant->life_s) || grant->life_s < 1 ||
	                grant->life_s > LIFE_MAX_S))
		return cmd_usage(run, "--expires: \"%s\" is not a time between 1s and 10 years, like 15m or 12h",
		                 expires);
	*has_tenant = cmd_has(run, "tenant");
	code = cmd_value_guid(run, "tenant", &grant->tenant);
	return code == EXIT_DONE ? permissions_read(run, app ? "role" : "scope", GRANTS_MAX, &grant->grants) : code;
}

static int
find_subject(struct cmd_run *run, struct store *store, bool has_tenant, struct issuer_grant *grant)
{
	struct user user;
	enum err    err;

	if (grant->is_app) {
		err = has_tenant ? OK : directory_tenant(store, run->arena, &grant->tenant);
		if (err != OK)
			return console_fail(exit_code_of(err),
			                    "the store has no tenant yet; start `tidemark serve` on it once");
		grant->oid = issuer_principal(&grant->tenant, grant->app);
		return EXIT_DONE;
	}
	TRY_CODE(user_lookup(run, store, has_tenant ? &grant->tenant : NULL, cmd_value(run, "user"), &user));
	grant->tenant = user.tenant;
	grant->oid = user.id;
	grant->upn = user.upn;
	grant->name = user_name(&user);
	return EXIT_DONE;
}

static void
put_token(struct cmd_run *run, const struct issuer_grant *grant, struct str jwt)
{
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_put(run->out, jwt);
		out_put(run->out, STR("\n"));
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member(&json, STR("access_token"), jwt);
	json_put_member(&json, STR("token_type"), STR("Bearer"));
	json_put_member_int(&json, STR("expires_in"), grant->life_s);
	json_put_member(&json, STR("scope"), grant->grants);
	out_end_object(run->out, &json);
}

static int
mint(struct cmd_run *run, struct store *store, struct issuer_grant *grant)
{
	AUTO(issuer_close) struct issuer *issuer = NULL;
	struct client                     client;
	struct guid                       app;
	struct str                        jwt;
	enum err                          err = issuer_open(store, run->clock, run->entropy, &issuer);

	if (err == ERR_NOT_FOUND)
		return console_fail(EXIT_PERMANENT,
		                    "the store has no issuer's key yet; start `tidemark serve` on it once");
	if (err == OK)
		err = client_generation(store, grant->app, run->arena, &grant->generation);
	if (guid_parse(grant->app, &app) && client_find(store, &app, run->arena, &client) == OK)
		grant->app_name = client.name;
	if (err == OK)
		err = issuer_mint(issuer, grant, run->arena, &jwt);
	if (err != OK)
		return console_fail(exit_code_of(err), "the token cannot be made: %s", err_text(err));
	permissions_warn(grant->grants, run->arena);
	if (grant->is_app && !guid_parse(grant->app, &app))
		console_say("warning: \"%.*s\" is no GUID; each client id of Entra ID and of `tidemark client` is one",
		            STR_ARG(grant->app));
	put_token(run, grant, jwt);
	return EXIT_DONE;
}

static int
run_token(struct cmd_run *run)
{
	AUTO(store_close) struct store *store = NULL;
	struct issuer_grant             grant;
	bool                            has_tenant = false;

	TRY_CODE(read_options(run, &grant, &has_tenant));
	TRY_CODE(open_for_reading(run, &store));
	TRY_CODE(find_subject(run, store, has_tenant, &grant));
	return mint(run, store, &grant);
}

const struct cmd cmd_token = {
	.name = "token",
	.stray = "user",
	.summary = "print an access token of the store's own issuer",
	.settings = conf_store_only,
	.options = OPTIONS(
		{ "user", "ID|UPN", "a token for that user (delegated); goes with --scope", false },
		{ "scope", "SCOPES", "what the user allows, e.g. Calendars.Read; blanks separate several", true },
		{ "app", "ID", "a token for that application (client id); goes with --role", false },
		{ "role", "ROLES", "what the application may do, e.g. Calendars.Read; blanks separate several", true },
		{ "tenant", "ID", "the tenant (default: the user's, or the store's own)", false },
		{ "expires", "TIME", "how long the token is valid, e.g. 90s, 15m, 12h, 30d (default: 1h)", false },
		{ "json", NULL, "one JSON object: access_token, token_type, expires_in, scope", false }),
	.about = ABOUT(
		"Prints an access token of the store's own issuer, and nothing else, on standard output. The server "
		"on the same store accepts it as Authorization: Bearer, unless it runs with --issuer off.",
		"The command only reads the store, so it works beside a serving process. Anybody who can read the "
		"store's file can make any token: protect the file."),
	.examples = EXAMPLES(
		{ "tidemark token --user ann@contoso.com --scope Calendars.ReadWrite", "A token for Ann" },
		{ "tidemark token --app 11111111-2222-4333-8444-555555555555 --role Calendars.Read --expires 12h",
	          "A token for a program" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_token,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/credential.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "crypt/rsa_cert.h"
#include "crypt/seal.h"
#include "fetch/fetch.h"
#include "fetch/fetch_link.h"
#include "oauth/oauth_device.h"
#include "oauth/oauth_file.h"
#include "oauth/oauth_token_store.h"
#include "store/store.h"
#include "text/uri.h"

#define ENTRA          "https://login.microsoftonline.com"
#define ANY_TENANT     "organizations"
#define NAME_MAX_BYTES 400
#define POLL_ARENA_MAX ((size_t)1 << 20)

struct credential {
	struct cmd_run          *run;
	struct signals          *signals;
	struct fetch            *fetch; /* to the token endpoint */
	struct oauth_client      client;
	struct rsa_cert         *cert;
	struct oauth_credential *oauth;
};

/* ---- a certificate --------------------------------------------------------------------------------------- */

static int
report_stopped(struct signals *signals, const char *what)
{
	console_say("stopped by a signal; %s", what);
	return signals_code(signals);
}

/* A private key that others may read is a warning, no error: a secret mounted into a container is often one. */
static int
read_cert(struct credential *credential, const char *path)
{
	struct oauth_file file = { path, credential->run->clock, signals_came, credential->signals };
	const char       *password = getenv("AZURE_CLIENT_CERTIFICATE_PASSWORD"), *why = NULL;
	char             *pem = secret_take(RSA_CERT_PEM_MAX + 1);
	size_t            len = 0;
	mode_t            mode = 0;
	int               fault = oauth_file_read(&file, pem, RSA_CERT_PEM_MAX + 1, &len, &mode);

	if (fault == 0 && rsa_cert_read(str_of(pem, len), password, &credential->cert, &why) == OK &&
	    (mode & (S_IRWXG | S_IRWXO)))
		console_say("%s holds a private key, and others than its owner may open it; `chmod 600` ends that",
		            path);
	secret_drop(pem);
	if (fault == ECANCELED)
		return report_stopped(credential->signals, "the client certificate had not come yet");
	if (fault == ETIMEDOUT)
		return console_fail(EXIT_REFUSED,
		                    "the client certificate %s: nobody has written it whole within a minute", path);
	if (fault != 0)
		return console_fail(EXIT_REFUSED, "the client certificate %s: %s", path,
		                    fault == EFBIG ? "it is longer than 64 KiB" : strerrordesc_np(fault));
	return why ? console_fail(EXIT_REFUSED, "the client certificate: %s %s", path, why) : EXIT_DONE;
}

/* ---- the client ------------------------------------------------------------------------------------------ */

static struct str
variable(const char *name, const char *otherwise)
{
	const char *text = getenv(name);

	return str_from_c(text && text[0] ? text : otherwise);
}

static bool
is_plain(struct str text)
{
	return text.len <= NAME_MAX_BYTES && fetch_is_visible(text);
}

/* Microsoft's own libraries read the same variables.  The scope is every permission at the URL's origin. */
static int
read_client(struct credential *credential)
{
	struct cmd_run      *run = credential->run;
	struct oauth_client *client = &credential->client;
	bool                 device = cmd_has(run, "device-code");
	struct uri_parts     parts;

	*client = (struct oauth_client){ .authority = variable("AZURE_AUTHORITY_HOST", ENTRA),
		                         .tenant = variable("AZURE_TENANT_ID", device ? ANY_TENANT : ""),
		                         .id = variable("AZURE_CLIENT_ID", ""),
		                         .clock = run->clock,
		                         .entropy = run->entropy };
	if (!is_plain(client->authority) || !is_plain(client->tenant) || !is_plain(client->id))
		return cmd_usage(run, "AZURE_AUTHORITY_HOST, AZURE_TENANT_ID and AZURE_CLIENT_ID must be plain words");
	if (!uri_split(str_from_c(run->args[0]), &parts))
		return cmd_usage(run, "the URL is not an absolute http(s) URL");
	client->scope = arena_printf(run->arena, "%.*s://%.*s/.default%s", STR_ARG(parts.scheme),
	                             STR_ARG(parts.authority), device ? " offline_access" : "");
	return EXIT_DONE;
}

static int
read_application(struct credential *credential)
{
	struct oauth_client *client = &credential->client;
	struct str           path = variable("AZURE_CLIENT_CERTIFICATE_PATH", "");
	int                  code = EXIT_DONE;

	client->secret = variable("AZURE_CLIENT_SECRET", "");
	if (client->tenant.len == 0 || client->id.len == 0 || client->secret.len + path.len == 0)
		return cmd_usage(credential->run, "--client-credentials needs AZURE_TENANT_ID, AZURE_CLIENT_ID, and "
		                                  "AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH");
	if (client->secret.len == 0)
		code = read_cert(credential, path.at);
	client->cert = credential->cert;
	return code;
}

static int
read_person(struct credential *credential)
{
	struct cmd_run *run = credential->run;
	const char     *path;

	if (credential->client.id.len == 0)
		return cmd_usage(run,
		                 "--device-code needs AZURE_CLIENT_ID, an application that allows public client flows");
	if (store_url_path(conf_get(&run->conf, CONF_STORE), run->arena, &path) != OK || path[0] == '\0')
		return cmd_usage(run, "--device-code needs a store in a file: the sign-in is kept beside it");
	credential->client.token_store = arena_c(run->arena, arena_printf(run->arena, "%s.sign-in", path));
	return EXIT_DONE;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

int
credential_fetch(const struct cmd_run *run, bool (*stopped)(void *ctx), void *ctx, struct fetch **fetch_out)
{
	struct fetch_conf conf = { .ca_file = cmd_value(run, "ca"),
		                   .agent = "tidemark/" TIDEMARK_VERSION,
		                   .stopped = stopped,
		                   .stopped_ctx = ctx };

	return fetch_open(&conf, fetch_out) == OK ? EXIT_DONE : cmd_fail(run, EXIT_OTHER, "libcurl cannot be set up");
}

static int
read_options(struct credential *credential, struct oauth_credential_conf *conf)
{
	struct cmd_run *run = credential->run;
	bool            application = cmd_has(run, "client-credentials"), person = cmd_has(run, "device-code");
	const char     *env = getenv("TIDEMARK_BEARER");

	if ((conf->file != NULL) + (conf->command != NULL) + application + person > 1)
		return cmd_usage(run, "--bearer-file, --bearer-command, --client-credentials and --device-code exclude "
		                      "each other");
	if (application || person) {
		TRY_CODE(read_client(credential));
		TRY_CODE(application ? read_application(credential) : read_person(credential));
		TRY_CODE(credential_fetch(run, signals_came, credential->signals, &credential->fetch));
		conf->client = &credential->client;
		conf->fetch = credential->fetch;
	} else if (!conf->file && !conf->command && env && env[0]) {
		conf->value = env;
	}
	return EXIT_DONE;
}

int
credential_open(struct cmd_run *run, struct signals *signals, struct credential **credential_out)
{
	AUTO(credential_close) struct credential *credential = handle_new(sizeof(*credential));
	struct oauth_credential_conf              conf = { .file = cmd_value(run, "bearer-file"),
		                                           .command = cmd_value(run, "bearer-command"),
		                                           .clock = run->clock,
		                                           .stopped = signals_came,
		                                           .stopped_ctx = signals };

	*credential_out = NULL;
	credential->run = run;
	credential->signals = signals;
	if (crypt_init() != OK)
		return console_fail(EXIT_OTHER, "the random source does not answer");
	TRY_CODE(read_options(credential, &conf));
	if (!conf.file && !conf.command && !conf.value && !conf.client)
		return EXIT_DONE;
	credential->oauth = oauth_credential_open(&conf);
	*credential_out = credential;
	credential = NULL;
	return EXIT_DONE;
}

void
credential_close(struct credential **credential)
{
	if (!*credential)
		return;
	oauth_credential_close(&(*credential)->oauth);
	fetch_close(&(*credential)->fetch);
	rsa_cert_close(&(*credential)->cert);
	free(*credential);
	*credential = NULL;
}

struct fetch_bearer
credential_bearer(struct credential *credential)
{
	return oauth_credential_bearer(credential->oauth);
}

const struct rsa_cert *
credential_cert(const struct credential *credential)
{
	return credential->cert;
}

/* ---- signing in ------------------------------------------------------------------------------------------ */

static int
signed_in(struct credential *credential, struct str answer, struct arena *arena)
{
	bool       kept = false;
	struct str why;

	if (oauth_credential_remember(credential->oauth, answer, arena, &why) != OK ||
	    oauth_refresh_store(&credential->client, answer, arena, &kept, &why) != OK)
		return console_fail(EXIT_REFUSED, "%.*s", STR_ARG(why));
	if (kept)
		console_say("signed in; %s keeps it so", credential->client.token_store);
	else
		console_say("signed in, but no refresh token came: is offline_access allowed? The next run asks you to "
		            "sign in again");
	return EXIT_DONE;
}

static int
wait_for_person(struct credential *credential, struct oauth_code *code)
{
	AUTO(arena_close) struct arena *arena = arena_open(POLL_ARENA_MAX);
	const struct clock             *clock = credential->run->clock;
	int64_t                         end_ms = clock_mono_ms(clock) + code->life_ms;
	struct str                      answer, why;

	while (clock_mono_ms(clock) + code->interval_ms < end_ms) {
		signals_sleep(credential->signals, clock, code->interval_ms);
		if (signals_came(credential->signals))
			return report_stopped(credential->signals, "nobody has signed in");
		arena_reset(arena);
		switch (oauth_device_poll(&credential->client, code, credential->fetch, arena, &answer, &why)) {
		case OAUTH_DEVICE_PENDING:
			break;
		case OAUTH_DEVICE_SIGNED_IN:
			return signed_in(credential, answer, arena);
		case OAUTH_DEVICE_REFUSED:
			return console_fail(EXIT_REFUSED, "%.*s; run it again for another code", STR_ARG(why));
		}
	}
	return console_fail(EXIT_REFUSED,
	                    "the code has expired before anybody signed in; run it again for another code");
}

int
credential_sign_in(struct credential *credential)
{
	AUTO(arena_close) struct arena *arena = arena_open(POLL_ARENA_MAX);
	struct oauth_code               code;
	struct str                      token, why;
	enum err                        err;

	if (!credential->client.token_store)
		return EXIT_DONE;
	err = oauth_token_store_read(&credential->client, arena, &token, &why);
	if (err == OK)
		return EXIT_DONE;
	if (err == ERR_NOT_FOUND)
		err = oauth_device_begin(&credential->client, credential->fetch, arena, &code, &why);
	if (signals_came(credential->signals))
		return report_stopped(credential->signals, "nobody has signed in");
	if (err != OK)
		return console_fail(err == ERR_NO_IDENTITY ? EXIT_REFUSED : exit_code_of(err), "%.*s", STR_ARG(why));
	console_say("%.*s", STR_ARG(code.message));
	return wait_for_person(credential, &code);
}

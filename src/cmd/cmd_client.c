/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>

#include "admin/permissions.h"
#include "admin/writer.h"
#include "base/file.h"
#include "crypt/rsa_cert.h"
#include "crypt/seal.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_write.h"
#include "text/uri.h"

#define SECRET_TEXT_MAX 1024
#define SECRET_TEXT_MIN 16

/* ---- add ------------------------------------------------------------------------------------------------ */

/* Reads at most `size` bytes of a file. */
static int
read_file(const char *path, char *text, size_t size, struct str *text_out)
{
	AUTO(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t               len;

	if (fd < 0 || !file_read(fd, text, size, &len))
		return console_fail(EXIT_OTHER, "%s: %s", path, strerrordesc_np(errno));
	*text_out = str_of(text, len);
	return EXIT_DONE;
}

/* The first line of the file, without its line end. */
static int
read_secret(struct cmd_run *run, const char *path, struct str *secret_out)
{
	struct str secret;
	int code = read_file(path, arena_take_raw(run->arena, SECRET_TEXT_MAX + 1), SECRET_TEXT_MAX + 1, &secret);

	if (code != EXIT_DONE)
		return code;
	secret = str_first(secret, str_find(secret, '\n'));
	if (str_ends(secret, STR("\r")))
		secret.len--;
	if (secret.len < SECRET_TEXT_MIN || secret.len > SECRET_TEXT_MAX || !utf8_valid(secret))
		return console_fail(EXIT_PERMANENT, "%s: a secret has %d to %d bytes of UTF-8", path, SECRET_TEXT_MIN,
		                    SECRET_TEXT_MAX);
	*secret_out = secret;
	return EXIT_DONE;
}

static int
make_secret(struct cmd_run *run, struct str *secret_out)
{
	const char *path = cmd_value(run, "secret-file");
	uint8_t     bytes[CLIENT_SECRET_BYTES];

	if (path)
		return read_secret(run, path, secret_out);
	if (cmd_has(run, "certificate"))
		return EXIT_DONE;
	entropy_fill(run->entropy, bytes, sizeof(bytes));
	*secret_out = b64_encode(B64_URL, bytes, sizeof(bytes), run->arena);
	crypt_wipe(bytes, sizeof(bytes));
	return EXIT_DONE;
}

/* Only a warning: a certificate may be registered before it is valid. */
static void
warn_of_dates(struct cmd_run *run, const struct rsa_cert *cert, const char *path)
{
	int64_t now_s = clock_wall_s(run->clock), from_s = rsa_cert_from_s(cert), until_s = rsa_cert_until_s(cert);
	char    day[DATE_TEXT_MAX];

	if (now_s < from_s)
		console_say("the certificate %s is not valid before %.*s", path,
		            (int)date_format(from_s * 1000000000, 0, day), day);
	else if (now_s >= until_s)
		console_say("the certificate %s expired at %.*s: nobody can sign in with it", path,
		            (int)date_format(until_s * 1000000000, 0, day), day);
}

static int
read_certificate(struct cmd_run *run, struct client *client)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = NULL;
	const char                           *path = cmd_value(run, "certificate"), *why;
	char                                 *space;
	struct str                            pem;
	int                                   code;

	if (!path)
		return EXIT_DONE;
	space = secret_take(RSA_CERT_PEM_MAX + 1); /* the file may also hold a private key */
	code = read_file(path, space, RSA_CERT_PEM_MAX + 1, &pem);
	if (code == EXIT_DONE && rsa_cert_read_public(pem, &cert, &why) != OK)
		code = console_fail(EXIT_PERMANENT, "the certificate: %s %s", path, why);
	secret_drop(space);
	TRY_CODE(code);
	warn_of_dates(run, cert, path);
	client->certificate = b64_encode(B64_STANDARD, rsa_cert_der(cert).at, rsa_cert_der(cert).len, run->arena);
	return EXIT_DONE;
}

/* A secret, a certificate, or both. */
static int
read_proofs(struct cmd_run *run, struct client *client, struct str *secret_out)
{
	char *hash = arena_take(run->arena, CLIENT_HASH_MAX);

	*secret_out = STR_EMPTY;
	if (crypt_init() != OK)
		return console_fail(EXIT_OTHER, "the random source does not answer");
	TRY_CODE(make_secret(run, secret_out));
	TRY_CODE(read_certificate(run, client));
	if (secret_out->len > 0 && !cmd_has(run, "secret-file"))
		secret_hash_random(*secret_out, run->entropy, hash);
	else if (secret_out->len > 0 && secret_hash(*secret_out, hash) != OK)
		return console_fail(EXIT_AGAIN, "there is not enough memory to hash the secret now");
	client->secret_hash = str_from_c(hash);
	return EXIT_DONE;
}

static int
read_client(struct cmd_run *run, struct client *client, struct str *secret_out)
{
	struct client whole;
	const char   *why;

	TRY_CODE(permissions_read(run, "role", CLIENT_ROLES_MAX - 1, &client->roles));
	client->name = str_from_c(cmd_value(run, "name"));
	client->since_s = clock_wall_s(run->clock);
	client->id = guid_random(run->entropy);
	TRY_CODE(cmd_value_guid(run, "id", &client->id));
	TRY_CODE(cmd_value_guid(run, "tenant", &client->tenant));
	TRY_CODE(read_proofs(run, client, secret_out));
	whole = *client;
	if (guid_is_zero(&whole.tenant))
		whole.tenant = whole.id; /* replaced by the store's own, once it is open */
	return client_valid(&whole, &why) ? EXIT_DONE : cmd_usage(run, "%s", why);
}

/* The SHA-256 of the certificate as base64url (x5t#S256), and when the certificate expires. Empty without one. */
static struct str
thumbprint_of(const struct client *client, struct arena *arena, int64_t *until_s_out)
{
	AUTO(rsa_cert_close) struct rsa_cert *cert = NULL;
	uint8_t                               thumbprint[32];

	if (client->certificate.len == 0 || client_certificate(client, &cert) != OK)
		return STR_EMPTY;
	rsa_cert_thumbprint(cert, thumbprint);
	*until_s_out = rsa_cert_until_s(cert);
	return b64_encode(B64_URL, thumbprint, sizeof(thumbprint), arena);
}

static void
put_new_client(struct cmd_run *run, const struct client *client, struct str secret)
{
	int64_t         until_s = 0;
	struct str      thumbprint = thumbprint_of(client, run->arena, &until_s);
	struct json_out json;

	if (!cmd_has(run, "json")) {
		out_printf(run->out, "client id      %s\n", guid_str(&client->id).c);
		if (secret.len > 0)
			out_printf(run->out, "client secret  %.*s\n", STR_ARG(secret));
		if (thumbprint.len > 0)
			out_printf(run->out, "certificate    %.*s\n", STR_ARG(thumbprint));
		out_printf(run->out, "tenant id      %s\n", guid_str(&client->tenant).c);
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member_guid(&json, STR("clientId"), &client->id);
	if (secret.len > 0)
		json_put_member(&json, STR("clientSecret"), secret);
	if (thumbprint.len > 0)
		json_put_member(&json, STR("certificateThumbprint"), thumbprint);
	json_put_member_guid(&json, STR("tenantId"), &client->tenant);
	out_end_object(run->out, &json);
}

static int
add_client(struct cmd_run *run, struct client *client)
{
	AUTO(writer_close) struct writer writer;
	AUTO(buf_close) struct buf       lines;
	struct guid                      none = { { 0 } };
	struct client                    known;
	enum err                         err = OK;
	bool                             is_known;

	buf_open(&lines, (size_t)64 << 10);
	TRY_CODE(writer_open(run, true, &writer));
	is_known = client_find(writer.store, &client->id, run->arena, &known) == OK;
	if (guid_is_zero(&client->tenant) && is_known)
		client->tenant = known.tenant;
	else if (guid_is_zero(&client->tenant))
		err = directory_tenant(writer.store, run->arena, &client->tenant);
	if (err != OK)
		return console_fail(exit_code_of(err), "the store cannot be read: %s", err_text(err));
	/* In one transaction with the removal, so that an unchanged client gets a new generation, too. */
	if (is_known)
		line_put_removal(&lines, "remove-client", &client->id);
	line_put_client(&lines, client, &none);
	return writer_send(&writer, &lines, NULL);
}

static int
run_client_add(struct cmd_run *run)
{
	struct client client = { 0 };
	struct str    secret;

	TRY_CODE(read_client(run, &client, &secret));
	permissions_warn(client.roles, run->arena);
	TRY_CODE(add_client(run, &client));
	put_new_client(run, &client, secret);
	return EXIT_DONE;
}

const struct cmd cmd_client_add = {
	.name = "client add",
	.stray = "name",
	.summary = "register a program, or give one a new secret",
	.settings = conf_store_only,
	.options = OPTIONS(
		{ "role", "ROLES", "what the client may do, e.g. Calendars.Read; blanks separate several; required",
	          true },
		{ "name", "TEXT", "the display name", false },
		{ "id", "GUID", "the client id (default: a new one)", false },
		{ "tenant", "GUID", "the tenant (default: the one it has, else the store's own)", false },
		{ "secret-file", "FILE", "take the secret from the first line of this file instead of making one",
	          false },
		{ "certificate", "FILE", "let the client sign in with this certificate (PEM) instead of a secret",
	          false },
		{ "json", NULL, "one JSON object: clientId, clientSecret or certificateThumbprint, tenantId", false }),
	.about = ABOUT(
		"Registers a program with the store's own issuer. It prints the client id, the secret and the "
		"tenant. The secret is printed only this once, because the store keeps only a hash of it.",
		"With --certificate the client signs in with the key of its certificate, as MSAL and azure-identity "
		"do for Entra ID. It then has no secret, unless --secret-file gives one. The file needs only the "
		"certificate; a private key in it is not read. The command prints the SHA-256 thumbprint of the "
		"certificate. It warns if the certificate is not valid today.",
		"If a client has that id already, the command replaces it: its roles and its secret change, and its "
		"earlier tokens are refused. A server that holds the store knows the client at once."),
	.examples = EXAMPLES(
		{ "tidemark client add --name report --role Calendars.Read", "Let a program read all calendars" },
		{ "tidemark client add --name report --role Calendars.Read --certificate report.pem",
	          "The same, without a secret" }),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_client_add,
};

/* ---- list ------------------------------------------------------------------------------------------------ */

#define DAY_LEN 10 /* of 2026-11-22T… */

static void
put_proofs(struct out *out, const struct client *client, const char *end)
{
	out_printf(out, "%s%s%s%.*s", client->secret_hash.len ? "secret" : "",
	           client->secret_hash.len && end[0] ? ", " : "", end[0] ? "cert until " : "", DAY_LEN, end);
}

static void
put_listed(struct cmd_run *run, const struct client *client, struct arena *arena)
{
	struct json_out json;
	int64_t         until_s = 0;
	struct str      thumbprint = thumbprint_of(client, arena, &until_s);
	char            created[DATE_TEXT_MAX], end[DATE_TEXT_MAX + 1] = "";

	if (thumbprint.len > 0)
		end[date_format(until_s * 1000000000, 0, end)] = '\0';
	if (!cmd_has(run, "json")) {
		out_printf(run->out, "%s  %-24.*s  ", guid_str(&client->id).c, STR_ARG(client->name));
		put_proofs(run->out, client, end);
		out_printf(run->out, "  %.*s\n", STR_ARG(client->roles));
		return;
	}
	json = json_out_object(out_buf(run->out));
	json_put_member_guid(&json, STR("id"), &client->id);
	json_put_member(&json, STR("displayName"), client->name);
	json_put_member(&json, STR("roles"), client->roles);
	json_put_member(&json, STR("createdDateTime"),
	                str_of(created, date_format(client->since_s * 1000000000, 0, created)));
	json_put_member_guid(&json, STR("tenantId"), &client->tenant);
	json_put_member_bool(&json, STR("hasSecret"), client->secret_hash.len > 0);
	if (thumbprint.len > 0) {
		json_put_member(&json, STR("certificateThumbprint"), thumbprint);
		json_put_member(&json, STR("certificateEndDateTime"), str_from_c(end));
	}
	out_end_object(run->out, &json);
}

static int
run_client_list(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);
	AUTO(store_close) struct store *store = NULL;
	struct client                   client;
	struct guid                     after = { { 0 } };
	enum err                        err;

	TRY_CODE(open_for_reading(run, &store));
	while ((err = client_next(store, &after, arena, &client)) == OK && run->out->failed == 0) {
		put_listed(run, &client, arena);
		after = client.id;
		arena_reset(arena);
	}
	return store_read_code(err);
}

const struct cmd cmd_client_list = {
	.name = "client list",
	.summary = "print the clients",
	.settings = conf_store_only,
	.options = OPTIONS(
		{ "json", NULL,
	          "one JSON object a line: id, displayName, roles, createdDateTime, tenantId, hasSecret, and of a "
	          "certificate certificateThumbprint, certificateEndDateTime",
	          false }),
	.about = ABOUT(
		"Prints the clients, one a line: id, display name, how it signs in, roles. A client signs in with "
		"`secret`, with `cert` and the day the certificate expires, or with both. Secrets are not printed: "
		"the store does not have them."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED },
	.run = run_client_list,
};

/* ---- remove ---------------------------------------------------------------------------------------------- */

static int
run_client_remove(struct cmd_run *run)
{
	AUTO(writer_close) struct writer writer = { .sock = { NULL, -1 } };
	AUTO(buf_close) struct buf       line;
	struct guid                      id;

	buf_open(&line, 1024);
	if (!guid_parse(str_from_c(run->args[0]), &id) || guid_is_zero(&id))
		return cmd_usage(run, "\"%s\" is not a client id", run->args[0]);
	line_put_removal(&line, "remove-client", &id);
	TRY_CODE(writer_open(run, false, &writer));
	return writer_send(&writer, &line, "there is no such client; `tidemark client list` shows who is there");
}

const struct cmd cmd_client_remove = {
	.name = "client remove",
	.summary = "remove a client; its tokens are refused at once",
	.args = "ID",
	.settings = conf_store_only,
	.about = ABOUT(
		"Removes a client and all grants to it (`scope grant`). From then on its tokens are refused, also by a "
		"server that holds the store."),
	.exits = { EXIT_AGAIN, EXIT_PERMANENT, EXIT_DAMAGED, EXIT_LOCKED },
	.run = run_client_remove,
};

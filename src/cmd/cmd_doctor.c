/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "crypt/rsa_cert.h"
#include "fetch/fetch_link.h"
#include "sync/following.h"
#include "sync/owner.h"
#include "text/b64.h"
#include "text/date.h"
#include "text/json_read.h"
#include "text/json_write.h"

#define ARENA_MAX      ((size_t)64 << 20)
#define CLOCK_OFF_S    300
#define CERT_SOON_DAYS 14
#define TEXT_MAX       700
#define RIGHTS_SHOWN   400

struct doctor {
	struct cmd_run *run;
	struct arena   *arena;
	struct signals  signals;
	unsigned        faults;

	struct replica_scope scope; /* that follows the URL; sid 0: none does */
	struct follow_http   http;  /* as the scope asks */
};

static void
put_check(struct doctor *doctor, const char *check, const char *verdict, const char *text)
{
	struct json_out json;
	struct out     *out = doctor->run->out;

	doctor->faults += strcmp(verdict, "fault") == 0;
	if (!cmd_has(doctor->run, "json")) {
		out_printf(out, "%-5s %-8s %s\n", verdict, check, text);
		return;
	}
	json = json_out_object(out_buf(out));
	json_put_member(&json, STR("check"), str_from_c(check));
	json_put_member_bool(&json, STR("good"), strcmp(verdict, "fault") != 0);
	json_put_member_bool(&json, STR("warning"), strcmp(verdict, "warn") == 0);
	json_put_member(&json, STR("text"), str_from_c(text));
	out_end_object(out, &json);
}

static void PRINTF_LIKE(4, 5) report(struct doctor *doctor, const char *check, bool good, const char *fmt, ...)
{
	char    text[TEXT_MAX];
	va_list list;

	va_start(list, fmt);
	(void)str_vprintf(text, sizeof(text), fmt, list);
	va_end(list);
	put_check(doctor, check, good ? "good" : "fault", text);
}

/* ---- the store ----------------------------------------------------------------------------------------- */

/* The file and its folder, in which the store keeps its log. */
static bool
can_be_written(struct doctor *doctor, struct str url)
{
	const char *path, *dir_path = ".";
	struct str  dir;

	if (store_url_path(url, doctor->arena, &path) != OK)
		return false;
	dir = str_from_c(path);
	while (dir.len > 0 && dir.at[dir.len - 1] != '/')
		dir.len--;
	if (dir.len > 0)
		dir_path = arena_c(doctor->arena, dir);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 && faccessat(AT_FDCWD, dir_path, W_OK, AT_EACCESS) == 0;
}

static void
check_store(struct doctor *doctor)
{
	struct cmd_run   *run = doctor->run;
	struct str        url = conf_get(&run->conf, CONF_STORE);
	struct store_conf conf = { .url = url, .access = STORE_LOOK, .clock = run->clock, .entropy = run->entropy };
	struct replica   *replica = NULL;
	char              why[512];
	uint64_t          head;
	enum err          err = replica_open(&conf, &replica, why);

	if (err == ERR_NOT_FOUND)
		report(doctor, "store", true, "%.*s is not there yet; `tidemark sync` makes it", STR_ARG(url));
	else if (err != OK)
		report(doctor, "store", false, "%s", why[0] ? why : err_text(err));
	else if (replica_head(replica, &head) != OK)
		report(doctor, "store", false, "%.*s cannot be read; see `tidemark store check`", STR_ARG(url));
	else if (!can_be_written(doctor, url))
		report(doctor, "store", false,
		       "%.*s can be read, but not written: see who owns the file and its folder, and how the "
		       "file system is mounted",
		       STR_ARG(url));
	else
		report(doctor, "store", true, "%.*s can be read and written; its newest change is number %llu",
		       STR_ARG(url), (unsigned long long)head);
	replica_close(&replica);
}

/* ---- the token ----------------------------------------------------------------------------------------- */

static struct str
claim(const struct json *claims, const char *name)
{
	struct str text = STR_EMPTY;

	return json_text(json_member(claims, name), &text) ? text : STR_EMPTY;
}

static struct str
rights_of(struct doctor *doctor, const struct json *claims)
{
	const struct json *roles = json_member(claims, "roles");
	struct str         all = claim(claims, "scp"), role;

	for (const struct json *one = json_first(roles); one && all.len < RIGHTS_SHOWN; one = one->next)
		if (json_text(one, &role))
			all = arena_printf(doctor->arena, "%.*s%s%.*s", STR_ARG(all), all.len ? " " : "",
			                   STR_ARG(role));
	return all.len ? all : STR("no permission at all");
}

static void
check_claims(struct doctor *doctor, const struct json *claims)
{
	int64_t    now = clock_wall_s(doctor->run->clock), expires = 0;
	struct str aud = claim(claims, "aud");

	if (json_int(json_member(claims, "exp"), &expires) && expires <= now)
		report(doctor, "token", false, "it has expired %lld s ago: get a new one", (long long)(now - expires));
	else
		report(doctor, "token", true, "for %.*s, allows %.*s, valid for %lld s more",
		       STR_ARG(str_cut(aud, 100)), STR_ARG(str_cut(rights_of(doctor, claims), RIGHTS_SHOWN)),
		       (long long)(expires - now));
}

static void
check_token(struct doctor *doctor, struct str token)
{
	AUTO(json_drop) struct json *claims = NULL;
	struct str                   rest = token, head, payload, text;

	if (!str_take_until(&rest, '.', &head) || !str_take_until(&rest, '.', &payload) ||
	    !b64_decode(B64_URL, payload, doctor->arena, &text) ||
	    json_read(text, doctor->arena, &claims, NULL) != OK) {
		report(doctor, "token", true, "it is opaque: only the remote can read it");
		return;
	}
	check_claims(doctor, claims);
}

/* ---- the remote ---------------------------------------------------------------------------------------- */

static void
check_clock(struct doctor *doctor, struct str date)
{
	int64_t there_ns, off_s;

	if (!date_parse_http(date, &there_ns))
		return;
	off_s = clock_wall_s(doctor->run->clock) - there_ns / 1000000000;
	if (off_s > CLOCK_OFF_S || off_s < -CLOCK_OFF_S)
		report(doctor, "clock", false,
		       "it differs by %lld s from the remote's: tokens may be refused; set the clock",
		       (long long)off_s);
	else
		report(doctor, "clock", true, "it agrees with the remote's within %lld s",
		       (long long)(off_s < 0 ? -off_s : off_s));
}

static void
validate_response(struct doctor *doctor, const struct follow_response *response)
{
	struct str text;

	report(doctor, "reach", true, "the remote answers, and its certificate is good");
	check_clock(doctor, response->date);
	if (response->status == 200 && follow_page_is_good(response->body, doctor->arena, &text))
		report(doctor, "answer", true, "a page of a delta round");
	else if (response->status == 200)
		report(doctor, "answer", false, "200, but no page of a delta round: %.*s", STR_ARG(text));
	else if (response->status == 401)
		report(doctor, "answer", false,
		       "401: the token is missing or not accepted; see its audience and age above");
	else if (response->status == 403)
		report(doctor, "answer", false, "403: the token is known but lacks a permission: %.*s",
		       STR_ARG(str_cut(follow_error_text(response->body, doctor->arena), 400)));
	else
		report(doctor, "answer", response->status == 429, "%u: %.*s", response->status,
		       STR_ARG(str_cut(follow_error_text(response->body, doctor->arena), 400)));
}

static void
check_remote(struct doctor *doctor, struct str url, struct str token)
{
	struct follow_request  ask = { .link = url, .bearer = token, .page_size = 1 };
	struct follow_source   source = follow_http_source(&doctor->http);
	struct follow_response response;
	struct str             why = STR_EMPTY;

	if (source.fetch(source.ctx, &ask, doctor->arena, &response, &why) == OK)
		validate_response(doctor, &response);
	else
		report(doctor, "reach", false, "%.*s; check the name, the network, a proxy, and --ca",
		       STR_ARG(str_cut(why, 400)));
}

static void
validate_saved(struct doctor *doctor, const struct follow_response *response)
{
	char       warning[TEXT_MAX];
	struct str text = str_cut(follow_error_text(response->body, doctor->arena), 400), why;

	if (response->status == 200 && follow_page_is_good(response->body, doctor->arena, &why)) {
		report(doctor, "link", true, "the remote still knows the link that the last round has saved");
		return;
	}
	str_printf(warning, sizeof(warning), "the saved link is answered with %u%s%.*s%s", response->status,
	           text.len > 0 ? ": " : "", STR_ARG(text),
	           follow_link_is_dead(response->status) ? "; the next sync reads everything again" : "");
	put_check(doctor, "link", "warn", warning);
}

static void
check_saved(struct doctor *doctor, struct str url, struct str token)
{
	struct follow_request  ask = { .link = doctor->scope.delta_link, .bearer = token, .page_size = 1 };
	struct follow_source   source = follow_http_source(&doctor->http);
	struct fetch_origin    origin;
	struct follow_response response;
	struct str             why;
	const char            *bad;

	if (ask.link.len == 0 || !fetch_origin_of(url, &origin, &bad))
		return;
	if (!fetch_link_is_good(&origin, ask.link, &bad))
		report(doctor, "link", false, "the saved link %s; `tidemark sync --resync` gets another", bad);
	else if (source.fetch(source.ctx, &ask, doctor->arena, &response, &why) == OK)
		validate_saved(doctor, &response);
}

/* ---- the credential ------------------------------------------------------------------------------------ */

static void
check_cert(struct doctor *doctor, const struct rsa_cert *cert)
{
	int64_t now_s = clock_wall_s(doctor->run->clock);
	int64_t days = (rsa_cert_until_s(cert) - now_s) / 86400;
	uint8_t thumbprint[32];
	char    text[B64_MAX(32)], warning[TEXT_MAX];

	rsa_cert_thumbprint(cert, thumbprint);
	if (now_s < rsa_cert_from_s(cert)) {
		report(doctor, "client", false, "its certificate is not valid yet; check the clock");
	} else if (now_s >= rsa_cert_until_s(cert)) {
		report(doctor, "client", false, "its certificate has expired: make a new one, and register it");
	} else if (days < CERT_SOON_DAYS) {
		str_printf(warning, sizeof(warning),
		           "its certificate expires in %lld days: make a new one, and register it", (long long)days);
		put_check(doctor, "client", "warn", warning);
	} else {
		(void)b64_encode_into(B64_URL, thumbprint, sizeof(thumbprint), text);
		report(doctor, "client", true, "its certificate (x5t#S256 %.43s) is valid for %lld days more", text,
		       (long long)days);
	}
}

static struct str
get_token(struct doctor *doctor, struct credential *credential)
{
	struct fetch_bearer bearer = credential_bearer(credential);
	struct str          token = STR_EMPTY, why = STR_EMPTY;

	if (credential_cert(credential))
		check_cert(doctor, credential_cert(credential));
	if (bearer.get(bearer.ctx, false, doctor->arena, &token, &why) == OK)
		check_token(doctor, token);
	else
		report(doctor, "token", false, "%.*s", STR_ARG(str_cut(why, 400)));
	return token;
}

/* Does the path end in delta, delta(), or delta(…), with or without a namespace? */
static bool
names_delta(struct str url)
{
	static const struct str names[] = { { "/delta", 6 }, { "/microsoft.graph.delta", 22 } };
	struct str              path = str_first(url, str_find(url, '?')), rest;

	for (size_t i = 0; i < path.len; i++)
		for (size_t k = 0; k < COUNT_OF(names); k++) {
			rest = str_skip(path, i + names[k].len);
			if (str_starts_nocase(str_skip(path, i), names[k]) && (rest.len == 0 || rest.at[0] == '('))
				return true;
		}
	return false;
}

static int
check_url(struct doctor *doctor, struct fetch *curl, struct str url)
{
	struct credential    *credential;
	struct replica_asking asking;
	struct str            token = STR_EMPTY;
	const char           *fault;

	if (!follow_url_is_good(url, &fault)) {
		report(doctor, "url", false, "it %s", fault);
		return EXIT_DONE;
	}
	if (!names_delta(url)) {
		report(doctor, "url", false,
		       "it names no delta function: its path must end in /delta, as in "
		       "https://graph.microsoft.com/v1.0/me/calendars/delta");
		return EXIT_DONE;
	}
	report(doctor, "url", true, "it can be followed");
	TRY_CODE(owner_look(doctor->run, &doctor->scope, &asking));
	TRY_CODE(asking_read(doctor->run, &doctor->http));
	doctor->http.prefer = asking.prefer;
	doctor->http.fetch = curl;
	TRY_CODE(credential_open(doctor->run, &doctor->signals, &credential));
	if (credential)
		token = get_token(doctor, credential);
	else
		put_check(doctor, "token", "warn",
		          "none is given, and Graph answers nobody without one; see --bearer-file, --bearer-command, "
		          "--client-credentials, --device-code, or the variable TIDEMARK_BEARER");
	check_remote(doctor, url, token);
	check_saved(doctor, url, token);
	credential_close(&credential);
	return EXIT_DONE;
}

static int
check_all(struct doctor *doctor)
{
	struct fetch *curl;
	int           code;

	check_store(doctor);
	if (doctor->run->arg_count == 0)
		return EXIT_DONE;
	TRY_CODE(credential_fetch(doctor->run, signals_came, &doctor->signals, &curl));
	code = asking_read_url(doctor->run);
	if (code == EXIT_DONE)
		code = check_url(doctor, curl, str_from_c(doctor->run->args[0]));
	fetch_close(&curl);
	return code;
}

static int
run_doctor(struct cmd_run *run)
{
	AUTO(arena_close) struct arena *arena = arena_open(ARENA_MAX);
	struct doctor                   doctor = { .run = run, .arena = arena };
	int                             code;

	signals_open(&doctor.signals);
	code = check_all(&doctor);
	if (code == EXIT_DONE && signals_came(&doctor.signals))
		code = signals_code(&doctor.signals);
	signals_close(&doctor.signals);
	TRY_CODE(code);
	return doctor.faults > 0 ? EXIT_DIFFERENT : EXIT_DONE;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "find out why a URL cannot be followed",
	.args = "[URL]",
	.settings = conf_store_only,
	.options = OPTIONS({ "scope", "NAME",
	                     "the scope whose saved link is checked, if several owners' scopes follow the URL", false },
	                   CREDENTIAL_OPTIONS, ASKING_HEADER_OPTION,
	                   { "ca", "FILE", "certificates (PEM) to trust instead of the system's", false },
	                   { "json", NULL, "a JSON object for each check: `check`, `good`, `warning`, `text`", false }),
	.about = ABOUT(
		"Checks what a follower needs and prints what to repair. Without a URL it checks the store. With a "
		"URL it also checks the URL, the access token (what it is for and how long it is valid, but not its "
		"signature), the connection to the remote and its certificate, the answer, whether both clocks "
		"agree, and whether the remote still knows the link that the last round of the store has saved.",
		"The command asks for the first page of the URL and for the saved link, with the preferences that "
		"the scope keeps, and changes nothing. With --client-credentials it also asks for a token, and "
		"prints how long the client's certificate is valid. With --device-code it uses the sign-in of the "
		"last `tidemark sync`; nobody has to sign in. If something must be repaired, it exits with 10. A "
		"warning is no reason."),
	.examples = EXAMPLES(
		{ "tidemark doctor https://graph.microsoft.com/beta/me/calendars/delta --bearer-file token",
	          "Why does it not work?" }),
	.is_for_files = true,
	.exits = { EXIT_DIFFERENT },
	.run = run_doctor,
};

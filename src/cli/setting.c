/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/setting.h"

#include "cli/store_url.h"
#include "text/date.h"
#include "text/uri.h"

#define VALUES_MAX       64 /* of a setting that repeats */
#define VALUES_BYTES_MAX ((size_t)16 << 10)

/* ---- what a value must look like --------------------------------------------------------------- */

static const char *
store_fault(struct str value)
{
	if (str_eq(value, STR("memory:")))
		return NULL;
	if (str_starts(value, STR("sqlite:")))
		return value.len > 7 ? NULL : "a store URL: a path must follow sqlite:";
	if (store_url_is_postgresql(value))
		return store_url_fault(value);
	return "a store URL; sqlite:PATH, postgresql://HOST/DATABASE and memory: are known";
}

static const char *
listen_fault(struct str value)
{
	size_t     colon = value.len;
	struct str port;
	uint64_t   number;

	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] == ':')
			colon = i;
	port = str_skip(value, colon + 1);
	if (colon == 0 || colon == value.len || port.len > 5 || !str_to_u64(port, &number) || number > 65535)
		return "of the form HOST:PORT or [IPv6]:PORT";
	return NULL;
}

static const char *
path_fault(struct str value)
{
	return value.len > 0 ? NULL : "a path";
}

/* Whether they can be names is seen when the certificate is made. */
static const char *
names_fault(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] < 0x20 || strchr("/,;*\"'", value.at[i]))
			return "a host name or an address, like graph.example.org or 192.0.2.7";
	return str_trim(value).len > 0 ? NULL : "a host name or an address";
}

static const char *
url_fault(struct str value)
{
	struct uri_parts parts;

	if (!uri_split(value, &parts) || parts.query.len > 0 || str_ends(value, STR("?")))
		return "an absolute http or https URL without query or fragment";
	if (parts.path.len > 1)
		return "a URL without a path: links begin with /v1.0 or /beta right after the host";
	return NULL;
}

bool
conf_size(struct str text, uint64_t *bytes_out)
{
	static const char units[] = "KMGT";
	uint64_t          value;
	unsigned          shift = 0;

	if (text.len > 0)
		for (unsigned i = 0; units[i]; i++)
			if (text.at[text.len - 1] == units[i])
				shift = 10 * (i + 1);
	if (shift > 0)
		text.len--;
	if (!str_to_u64(text, &value) || value > (UINT64_MAX >> 1) >> shift)
		return false;
	*bytes_out = value << shift;
	return true;
}

static const char *
size_fault(struct str value)
{
	uint64_t bytes;

	return conf_size(value, &bytes) && bytes > 0 ? NULL : "a size in bytes, like 500M or 8G";
}

static const char *
duration_fault(struct str value)
{
	int64_t seconds;

	return date_parse_duration(value, &seconds) ? NULL : "a length of time, like 90s, 15m, 12h or 30d";
}

/* Is the value one of the words in "error, warn, info or debug"? */
static bool
is_choice(struct str value, struct str choices)
{
	struct str word;

	while (str_take_until(&choices, ' ', &word)) {
		if (str_ends(word, STR(",")))
			word.len--;
		if (str_eq(word, value) && !str_eq(word, STR("or")))
			return true;
	}
	return false;
}

const struct conf_setting conf_settings[] = {
	[CONF_STORE] = { "store", "URL", "TIDEMARK_STORE", NULL, "sqlite:$XDG_DATA_HOME/tidemark/tidemark.db",
	                 "the store: sqlite:PATH, postgresql://HOST/DATABASE, or memory: for one that ends with the "
	                 "process",
	                 store_fault, NULL },
	[CONF_LISTEN] = { "listen", "HOST:PORT", "TIDEMARK_LISTEN", "127.0.0.1:8443", NULL,
	                  "the address to listen on; port 0 takes a free one", listen_fault, NULL },
	[CONF_TLS] = { "tls", "auto|off", "TIDEMARK_TLS", "auto", NULL,
	               "auto makes a local authority and a certificate beside the store; off is plain HTTP", NULL,
	               "auto or off" },
	[CONF_TLS_CERT] = { "tls-cert", "FILE", "TIDEMARK_TLS_CERT", NULL, NULL,
	                    "your own certificate chain (PEM) instead of a generated one; needs tls-key", path_fault,
	                    NULL },
	[CONF_TLS_KEY] = { "tls-key", "FILE", "TIDEMARK_TLS_KEY", NULL, NULL, "the private key (PEM) of tls-cert",
	                   path_fault, NULL },
	[CONF_TLS_NAME] = { "tls-name", "NAME", "TIDEMARK_TLS_NAME", NULL, NULL,
	                    "one more host name or address of the generated certificate; blanks separate several",
	                    names_fault, NULL },
	[CONF_PUBLIC_URL] = { "public-url", "URL", "TIDEMARK_PUBLIC_URL", NULL, "the host a request came to",
	                      "scheme and host at the start of links, for a server behind a proxy", url_fault, NULL },
	[CONF_ISSUER] = { "issuer", "on|off", "TIDEMARK_ISSUER", "on", NULL,
	                  "whether the store's own access tokens are issued and accepted", NULL, "on or off" },
	[CONF_LINK_STYLE] = { "link-style", "graph|seed", "TIDEMARK_LINK_STYLE", "graph", NULL,
	                      "the name of the state token in links: $skiptoken and $deltatoken, or only skipToken",
	                      NULL, "graph or seed" },
	[CONF_MAX_CONTENT] = { "max-content", "SIZE", "TIDEMARK_MAX_CONTENT", "8G", NULL,
	                       "the largest recording that may be uploaded, imported or fetched", size_fault, NULL },
	[CONF_MIN_FREE] = { "min-free", "SIZE", "TIDEMARK_MIN_FREE", NULL, "256M, or an eighth of a smaller disk",
	                    "how much of the disk the content of recordings leaves free for the store", size_fault,
	                    NULL },
	[CONF_RETENTION] = { "retention", "TIME", "TIDEMARK_RETENTION", "30d", NULL,
	                     "how long tombstones are kept; a reader that is away longer must start again",
	                     duration_fault, NULL },
	[CONF_SERVE_SCOPE] = { "serve-scope", "NAME", "TIDEMARK_SERVE_SCOPE", NULL, NULL,
	                       "a followed scope to serve; blanks separate several; as a [serve \"NAME\"] section",
	                       path_fault, NULL },
	[CONF_LOG_LEVEL] = { "log-level", "LEVEL", "TIDEMARK_LOG_LEVEL", "warn", NULL,
	                     "what is logged on standard error: error, warn, info or debug", NULL,
	                     "error, warn, info or debug" },
	[CONF_AUDIT] = { "audit", "on|off", "TIDEMARK_AUDIT", "on", NULL,
	                 "one JSON line on standard error for each denied request and each write", NULL, "on or off" },
	[CONF_COUNT] = { 0 },
};

const struct conf_setting *
conf_setting(enum conf_id id)
{
	MUST(id >= 0 && id < CONF_COUNT);
	return &conf_settings[id];
}

const char *
conf_fault(const struct conf_setting *setting, struct str value)
{
	if (setting->fault)
		return setting->fault(value);
	return !setting->choices || is_choice(value, str_from_c(setting->choices)) ? NULL : setting->choices;
}

/* A store URL that is not one may be a mistyped one with a password. */
struct str
conf_quotable(const struct conf_setting *setting, struct str value)
{
	return setting->fault == store_fault ? str_first(value, str_find(value, ':') + 1) : value;
}

bool
conf_repeats(enum conf_id id)
{
	return id == CONF_TLS_NAME || id == CONF_SERVE_SCOPE;
}

bool
conf_add_value(struct str before, struct str value, struct arena *arena, struct str *text_out)
{
	size_t blanks = 0;

	for (size_t i = 0; i < before.len; i++)
		blanks += before.at[i] == ' ';
	if (blanks >= VALUES_MAX - 1 || before.len + value.len > VALUES_BYTES_MAX)
		return false;
	*text_out = arena_printf(arena, "%.*s %.*s", STR_ARG(before), STR_ARG(value));
	return true;
}

const enum conf_id conf_store_only[] = { CONF_STORE, CONF_COUNT };

static const char *
some_fault(struct str value)
{
	return value.len > 0 ? NULL : "a text";
}

/* With a comma two would be one that nobody has. */
static const char *
permissions_fault(struct str value)
{
	return value.len > 0 && str_find(value, ',') == value.len ? NULL : "names with blanks between them";
}

static const char *
each_fault(struct str value)
{
	bool is = str_starts(value, STR("scope:")) || str_starts(value, STR("file:"));

	return is && !str_ends(value, STR(":")) ? NULL : "scope:NAME or file:PATH";
}

static const char *
page_size_fault(struct str value)
{
	uint64_t number;

	return str_to_u64(value, &number) && number >= 1 && number <= 100000 ? NULL : "a number from 1 to 100000";
}

static const char *
percent_fault(struct str value)
{
	uint64_t percent;

	if (str_ends(value, STR("%")))
		value.len--;
	return str_to_u64(value, &percent) && percent <= 100 ? NULL : "a part like 30%, at most 100%";
}

#define KEY(key, value, text, check) \
	{ \
		.name = key, .arg = value, .help = text, .fault = check \
	}
#define SWITCH(key, text) \
	{ \
		.name = key, .arg = "on|off", .help = text, .choices = "on or off" \
	}

const struct conf_setting conf_recordings_keys[] = {
	SWITCH("delegated", "whether organizers reach their own recordings with a token of their own"),
	SWITCH("policy-organizer-wide", "whether an application needs a policy for getAllRecordings, too"),
	{ 0 },
};

const struct conf_setting conf_scope_keys[] = {
	KEY("url", "URL",
	    "the delta URL that `tidemark sync --all` follows; with for-each it holds a word in braces, like {user}",
	    some_fault),
	KEY("for-each", "scope:NAME|file:PATH",
	    "follow one scope for each item of the scope NAME, or for each line of a file: the id or the line takes "
	    "the place of the braces; its scope is named after the section, a colon and that",
	    each_fault),
	KEY("every", "TIME", "with --watch: the pause between two rounds", duration_fault),
	KEY("prefer", "VALUE", "preferences for each request, separated by commas", NULL),
	KEY("page-size", "N", "how many items to ask for per page", page_size_fault),
	KEY("bearer-file", "FILE", "a file with the access token", some_fault),
	KEY("bearer-command", "COMMAND", "a shell command that prints the access token", some_fault),
	SWITCH("client-credentials", "get the token as a client"),
	SWITCH("device-code", "get the token of a person"),
	KEY("ca", "FILE", "certificates (PEM) to trust instead of the system's", some_fault),
	KEY("max-wait", "TIME", "how long a run may go on without a page", duration_fault),
	KEY("max-delete", "PERCENT", "how many of the items a resync may remove", percent_fault),
	SWITCH("from-now", "begin with the changes from now on"),
	SWITCH("replace", "take an update as the whole item"),
	SWITCH("merge", "merge an update into the stored item"),
	KEY("content", "DIR", "download the content of recordings to this folder", some_fault),
	KEY("content-time", "TIME", "how long the content of one recording may take per run", duration_fault),
	{ 0 },
};

const struct conf_setting conf_serve_keys[] = {
	KEY("permissions", "NAMES",
	    "the permissions, scopes or roles, each of which opens it; blanks separate several (default: those of "
	    "Microsoft Graph for its resource)",
	    permissions_fault),
	KEY("owner", "OWNER",
	    "whose data it holds, as TENANT/ID or ID: that person's own tokens open it (default: the owner that the "
	    "follower has found)",
	    some_fault),
	KEY("content", "DIR",
	    "the folder from which the content of recordings is served (default: content of its [scope] section, where "
	    "the follower puts it)",
	    some_fault),
	{ 0 },
};

const struct conf_setting conf_issuer_keys[] = {
	KEY("issuer", "URL", "the external issuer whose access tokens are trusted: what they name as their issuer",
	    some_fault),
	KEY("audience", "TEXT", "the audience of its tokens; blanks separate several", some_fault),
	KEY("jwks", "URL", "where its keys are: an https URL or file:PATH", some_fault),
	KEY("discovery", "URL",
	    "instead of jwks: the https URL of its openid-configuration; the keys must be on the same host",
	    some_fault),
	KEY("jwks-ca", "FILE", "the authorities (PEM) to trust for that URL (default: the system's)", some_fault),
	KEY("tenant", "TENANT", "claim:tid, the id of one tenant, or own for the store's", some_fault),
	KEY("not-before", "CLAIM", "nbf, or iat for an issuer whose tokens have no nbf (default: nbf)", some_fault),
	{ 0 },
};

const struct conf_section conf_sections[CONF_SECTIONS] = {
	{ "server", conf_settings, "]", "", 18 },
	{ "recordings", conf_recordings_keys, "] (each on or off; the default is off)",
	  "Each key is on or off; the default is off.\n", 25 },
	{ "issuer", conf_issuer_keys, " \"name\"]", "An external issuer whose access tokens are trusted.\n", 18 },
	{ "scope", conf_scope_keys, " \"name\"]",
	  "A delta URL that\n.Ql tidemark sync --all\nfollows.\n"
	  "Options of the command line hold for sections that do not set them.\n",
	  18 },
	{ "serve", conf_serve_keys, " \"name\"]",
	  "A followed scope that the server serves, too: at the path of its own URL and at\n.Ql /v1.0/scopes/NAME .\n"
	  "The name of a section with for-each serves all its scopes.\n",
	  18 },
};

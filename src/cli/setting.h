/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setting — the table of settings: each with a flag, an environment variable, a key of the configuration file and a
 * default; and the keys of the file's other sections. Help, manual pages, completion, `config show` and the reader of
 * the file all use these tables.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"

enum conf_id {
	CONF_STORE,
	CONF_LISTEN,
	CONF_TLS,
	CONF_TLS_CERT,
	CONF_TLS_KEY,
	CONF_TLS_NAME,
	CONF_PUBLIC_URL,
	CONF_ISSUER,
	CONF_LINK_STYLE,
	CONF_MAX_CONTENT,
	CONF_MIN_FREE,
	CONF_RETENTION,
	CONF_SERVE_SCOPE,
	CONF_LOG_LEVEL,
	CONF_AUDIT,
	CONF_COUNT
};

struct conf_setting {
	const char *name;     /* flag --name and key name */
	const char *arg;      /* the name of its value in help */
	const char *env;      /* this and the next two: only of [server] */
	const char *fallback; /* default; NULL: computed, as `fallback_text` says */
	const char *fallback_text;
	const char *help;
	/* NULL: the value is good. Else the end of the sentence "… is not …" */
	const char *(*fault)(struct str value);
	const char *choices; /* without `fault`: the allowed words; NULL: any text is good */
};

const struct conf_setting *conf_setting(enum conf_id id);
/* As conf_setting.fault says. */
const char *conf_fault(const struct conf_setting *setting, struct str value);
/* What of a value with a fault a message may name. */
struct str conf_quotable(const struct conf_setting *setting, struct str value);

/* May it be given more than once? Its value is then all of them, separated by blanks. */
bool conf_repeats(enum conf_id id);
/* Puts `value` behind those of before.  False: they are too many or too long. */
bool conf_add_value(struct str before, struct str value, struct arena *arena, struct str *text_out);

/* For a command that needs only the store; ended by CONF_COUNT. */
extern const enum conf_id conf_store_only[];

enum {
	CONF_ISSUER_ISSUER,
	CONF_ISSUER_AUDIENCE, /* one or more, separated by blanks */
	CONF_ISSUER_JWKS,
	CONF_ISSUER_DISCOVERY, /* instead of the keys' URL */
	CONF_ISSUER_JWKS_CA,
	CONF_ISSUER_TENANT, /* claim:tid, own, or a GUID */
	CONF_ISSUER_NOT_BEFORE,
	CONF_ISSUER_KEYS
};
/* Behind the first two, a key is the option of `sync` of that name. */
enum { CONF_SCOPE_URL, CONF_SCOPE_FOR_EACH, CONF_SCOPE_OPTIONS, CONF_SCOPE_CONTENT = 15, CONF_SCOPE_KEYS = 17 };
enum { CONF_SERVE_PERMISSIONS, CONF_SERVE_OWNER, CONF_SERVE_CONTENT, CONF_SERVE_KEYS };
enum { CONF_RECORDINGS_DELEGATED, CONF_RECORDINGS_ORGANIZER_WIDE, CONF_RECORDINGS_KEYS };

/* Ended by a NULL name, as the settings are. */
extern const struct conf_setting conf_settings[], conf_recordings_keys[], conf_issuer_keys[], conf_scope_keys[],
	conf_serve_keys[];

struct conf_section { /* of the file */
	const char                *name;
	const struct conf_setting *keys;
	const char                *help, *man; /* behind the name in its heading; below the heading of the manual */
	size_t                     width;      /* of the names, in help */
};
enum { CONF_SERVER, CONF_RECORDINGS, CONF_ISSUERS, CONF_SCOPES, CONF_SERVES, CONF_SECTIONS };
extern const struct conf_section conf_sections[CONF_SECTIONS];

struct conf_part { /* what stands in [recordings], or in one [issuer "name"], [scope "name"] or [serve "name"] */
	struct conf_part *next;
	struct str        name, from; /* a NUL follows the name and the values; from: file:line of its first key */
	struct str        values[CONF_SCOPE_KEYS], value_from[CONF_SCOPE_KEYS];
	bool              has[CONF_SCOPE_KEYS];
};
#define CONF_ISSUERS_MAX 16
#define CONF_SCOPES_MAX  1000

/* "90", "64K", "10M", "8G", "1T" in bytes (powers of 1024); false if it is not one. */
bool conf_size(struct str text, uint64_t *bytes_out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setting — the table of settings: each with a flag, an environment variable, a key of the configuration file and a
 * default. Help, manual pages, completion, `config show` and the reader of the file all use this table.
 */
#pragma once

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
	CONF_LOG_LEVEL,
	CONF_AUDIT,
	CONF_COUNT
};

struct conf_setting {
	const char *name; /* flag --name and key name */
	const char *arg;  /* the name of its value in help */
	const char *env;
	const char *fallback; /* default; NULL: computed, as `fallback_text` says */
	const char *fallback_text;
	const char *help;
	/* NULL: the value is good. Else the end of the sentence "… is not …" */
	const char *(*fault)(struct str value);
	const char *choices; /* without `fault`: the allowed words */
};

const struct conf_setting *conf_setting(enum conf_id id);
/* As conf_setting.fault says. */
const char *conf_fault(const struct conf_setting *setting, struct str value);

/* May it be given more than once? Its value is then all of them, separated by blanks. */
bool conf_repeats(enum conf_id id);

/* For a command that needs only the store; ended by CONF_COUNT. */
extern const enum conf_id conf_store_only[];

struct conf_issuer { /* an external issuer: [issuer "name"] */
	struct str name, issuer;
	struct str audience;        /* one or more, separated by blanks */
	struct str jwks, discovery; /* one of the two */
	struct str jwks_ca;         /* may be empty */
	struct str tenant;          /* claim:tid, own, or a GUID */
	struct str not_before;      /* nbf, iat, or empty */
	struct str from;            /* file:line of its first key */
};

struct conf_issuer_key {
	const char *name, *arg, *help;
	size_t      offset; /* of the value in struct conf_issuer */
};

extern const struct conf_issuer_key conf_issuer_keys[]; /* ended by a NULL name */
struct str                         *conf_issuer_value(struct conf_issuer *issuer, const struct conf_issuer_key *key);

struct conf_switch { /* on or off; the default is off */
	const char *name, *help;
};

extern const struct conf_switch conf_recordings_keys[]; /* ended by a NULL name */

/* "90", "64K", "10M", "8G", "1T" in bytes (powers of 1024); false if it is not one. */
bool conf_size(struct str text, uint64_t *bytes_out);

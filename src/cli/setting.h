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
};

const struct conf_setting *conf_setting(enum conf_id id);

/* "90", "64K", "10M", "8G", "1T" in bytes (powers of 1024); false if it is not one. */
bool conf_size(struct str text, uint64_t *bytes_out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf — the value of each setting: from a flag, an environment variable, a key of the configuration file or its
 * default, in that order.
 *
 * Each value is checked where it comes from, so that a message can name the flag, the variable, or file and line.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "cli/console.h"
#include "cli/setting.h"

enum conf_origin { CONF_FROM_DEFAULT, CONF_FROM_FILE, CONF_FROM_ENVIRONMENT, CONF_FROM_FLAG };

const char *conf_origin_name(enum conf_origin origin); /* "default", "file", "environment", "flag" */

struct conf_value {
	struct str       text; /* empty for an optional setting that is not set */
	enum conf_origin origin;
	struct str       from; /* "--listen", "TIDEMARK_LISTEN", "/etc/…/tidemark.conf:3"; empty for a default */
};

#define CONF_ISSUERS_MAX 16

struct conf {
	struct conf_value  values[CONF_COUNT];
	struct str         file; /* the file that was read; empty if none */
	struct conf_issuer issuers[CONF_ISSUERS_MAX];
	size_t             issuer_count;
	bool               recordings_delegated;  /* [recordings] delegated */
	bool               policy_organizer_wide; /* [recordings] policy-organizer-wide */
};

struct conf_source {
	const char *flags[CONF_COUNT]; /* NULL: not given */
	const char *config;            /* --config, or NULL */
	void       *env_ctx;
	const char *(*env)(void *ctx, const char *name); /* as getenv(3) */
};

/* EXIT_DONE; EXIT_USAGE for a bad flag or variable, EXIT_CONFIG for the file; then the sentence is in *why_out. */
enum exit_code conf_read(const struct conf_source *source, struct arena *arena, struct conf *conf_out,
                         struct str *why_out);

struct str conf_get(const struct conf *conf, enum conf_id id);

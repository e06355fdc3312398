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
	struct str       from;  /* "--listen", "TIDEMARK_LISTEN", "/etc/…/tidemark.conf:3"; empty for a default */
	struct str       whole; /* the text with the passwords that it does not have */
};

struct conf {
	struct conf_value values[CONF_COUNT];
	struct str        file;                      /* the file that was read; empty if none */
	struct conf_part *issuers, *scopes, *serves; /* in the order of the file */
	struct conf_part  recordings;
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

struct str conf_get(const struct conf *conf, enum conf_id id); /* may be printed */
struct str conf_store_url(const struct conf *conf);            /* to open the store: it may hold a password */
bool       conf_is_on(const struct conf_part *part, int key);  /* a key that is on or off */
/* The file alone: fills in the values that stand in it. EXIT_DONE, or EXIT_CONFIG with the sentence in *why_out. */
enum exit_code conf_read_file(struct conf *conf, const char *path, struct arena *arena, struct str *why_out);

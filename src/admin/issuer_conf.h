/* SPDX-License-Identifier: Apache-2.0 */
/* issuer_conf — the [issuer "name"] sections of the configuration as rows of the gate, and the source of their keys. */
#pragma once

#include "auth/auth.h"
#include "cli/conf.h"

struct issuer_conf {
	struct auth_external rows[AUTH_EXTERNAL_MAX];
	size_t               count;
	struct auth_source   source;
};

/*
 * `own` is the store's own tenant. `log` gets failed fetches and may be NULL. Returns EXIT_DONE, or EXIT_CONFIG; the
 * message has been printed. The rows point into `conf` and the arena.
 */
int issuer_conf_read(const struct conf *conf, const struct guid *own, const struct log *log, struct arena *arena,
                     struct issuer_conf *external_out);

/* SPDX-License-Identifier: Apache-2.0 */
/* user_lookup — finds the user that an id or a userPrincipalName on the command line names. */
#pragma once

#include "auth/directory.h"
#include "cli/command.h"

/*
 * Without a tenant, a name is looked up in the store's own tenant first, then in all. Returns an exit code; the message
 * has been printed.
 */
int user_lookup(struct cmd_run *run, struct store *store, const struct guid *tenant, const char *id_or_upn,
                struct user *user_out);

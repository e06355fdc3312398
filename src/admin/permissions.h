/* SPDX-License-Identifier: Apache-2.0 */
/* permissions — names of permissions on the command line; docs/permissions.md and docs/properties.md. */
#pragma once

#include "cli/command.h"

/* Joins all values of an option with single blanks. An exit code; the message has been printed. */
int  permissions_read(struct cmd_run *run, const char *option, size_t len_max, struct str *grants_out);
void permissions_page(struct out *out);
void properties_page(struct out *out);
/* Warns of each name in `grants` that is probably mistyped. */
void permissions_warn(struct str grants, struct arena *arena);

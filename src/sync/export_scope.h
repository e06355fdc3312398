/* SPDX-License-Identifier: Apache-2.0 */
/* export_scope — the view of a followed scope as JSON Lines; `export --feed scope/NAME`. */
#pragma once

#include "cli/command.h"

bool names_a_scope(const char *feed); /* NULL is no */
/* An exit code; the message has been printed. */
int export_scope(struct cmd_run *run, const char *feed);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help — the table of commands for people: as text, as manual pages (mdoc), as a bash completion.
 *
 * A manual page is named as its file: "tidemark.1", "tidemark-store.1", "tidemark.conf.5".
 */
#pragma once

#include "cli/command.h"

void help_overview(struct out *out, const struct cmd_table *table);
/* A command ("store check"), a group ("store"), or "tidemark.conf". False if it is none of them. */
bool help_command(struct out *out, const struct cmd_table *table, struct str name);
/* The help text of a setting, as it is for that command. */
const char *help_of_setting(const struct cmd *cmd, enum conf_id id);

/* The file names of all pages, one a line. */
void man_list(struct out *out, const struct cmd_table *table);
/* Also without section: "serve", "tidemark-serve". False if there is no such page. */
bool man_page(struct out *out, const struct cmd_table *table, struct str name);

void complete_bash(struct out *out, const struct cmd_table *table);

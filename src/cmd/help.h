/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help — the table of commands for people: as text, as manual pages (mdoc), as a bash completion.
 *
 * A manual page is named as its file: "tidemark.1", "tidemark-store.1", "tidemark.conf.5".
 */
#pragma once

#include "cmd/conf.h"
#include "cmd/console.h"

struct cmd;

void help_overview(struct out *out);
/* A command ("store check"), a group ("store"), or "tidemark.conf". False if it is none of them. */
bool help_command(struct out *out, struct str name);

/* What a setting is for that command. */
const char *help_of_setting(const struct cmd *cmd, enum conf_id id);

void man_list(struct out *out);                  /* the pages there are, one a line */
bool man_page(struct out *out, struct str name); /* also without section: "serve", "tidemark-serve" */

void complete_bash(struct out *out);

void help_properties(struct out *out);    /* docs/properties.md, from the descriptors */
void help_permissions(struct out *out);   /* docs/permissions.md, from the table of rights */
void permissions_warn(struct str grants); /* a word about those of the names that are likely mistyped */

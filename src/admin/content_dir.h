/* SPDX-License-Identifier: Apache-2.0 */
/* content_dir — the folder of the recordings' content that stands beside the store of this run: PATH.content. */
#pragma once

#include "cli/command.h"
#include "content/content.h"

/* An exit code; the message has been printed.  Of a memory: store the folder is a temporary one. */
int content_dir_open(struct cmd_run *run, bool create, struct content **content_out);

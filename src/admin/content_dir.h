/* SPDX-License-Identifier: Apache-2.0 */
/* content_dir — the folder of content beside the store: PATH.content. */
#pragma once

#include "cli/command.h"
#include "content/content.h"

/* An exit code; the message has been printed. For a memory: store the folder is temporary. */
int content_dir_open(struct cmd_run *run, bool create, struct content **content_out);

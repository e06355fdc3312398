/* SPDX-License-Identifier: Apache-2.0 */
/* conf_file — the configuration file: fills in the values that stand in it. */
#pragma once

#include "cli/conf.h"

/* EXIT_DONE, or EXIT_CONFIG with the sentence in *why_out. */
enum exit_code conf_read_file(struct conf *conf, const char *path, struct arena *arena, struct str *why_out);

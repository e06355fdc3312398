/* SPDX-License-Identifier: Apache-2.0 */
/* run — reads a command line by the table of commands, runs the command, and returns the exit code of the program. */
#pragma once

#include "cli/command.h"

int run_command_line(const struct cmd_table *table, int argc, char **argv);

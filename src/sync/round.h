/* SPDX-License-Identifier: Apache-2.0 */
/* round — a round of `sync`, its content, and what is printed of it. */
#pragma once

#include "sync/following.h"

/* An exit code; with --json a line has been printed. */
int round_run(struct following *following);

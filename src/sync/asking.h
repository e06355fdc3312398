/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asking — how a follower asks: its URL as people copy it, preferences, and further header fields, from the options.
 */
#pragma once

#include "cli/command.h"
#include "follow/follow_source.h"

#define ASKING_HEADER_OPTION \
	{ \
		"header", "NAME=VALUE", "a header field for each request of this run (may be repeated)", true \
	}
#define ASKING_OPTIONS \
	{ "prefer", "VALUE", \
	  "a preference for each request, such as IdType=\"ImmutableId\"; the scope keeps it (may be repeated)", \
	  true }, \
		ASKING_HEADER_OPTION

/* Encodes what people copy with a URL.  An exit code; the message names the byte that no URL may hold. */
int asking_read_url(struct cmd_run *run);
/* An exit code; the message has been printed. */
int asking_read(struct cmd_run *run, struct follow_http *http);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user — the user resource.  Users are no items of a feed: the directory (auth) keeps them.  So an item of one is made
 * when it is asked for.
 */
#pragma once

#include "resource/values.h"

/* The rows that code names, in the order of the descriptor. */
enum user_row { USER_ID, USER_DISPLAY_NAME = 2, USER_MAIL = 5, USER_PRINCIPAL_NAME = 10 };

struct user_values {
	struct str id, display_name, mail, principal_name; /* empty: null */
};

/* All in the arena. */
struct item user_item(const struct user_values *user, struct arena *arena);

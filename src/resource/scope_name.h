/* SPDX-License-Identifier: Apache-2.0 */
/* scope_name — the name of a scope: what it may be, and the one made from a delta URL. */
#pragma once

#include "base/str.h"

#define SCOPE_NAME_RULE "a scope's name has 1 to %d bytes, no blank and no slash"

bool scope_name_is_good(struct str name);
/* The last noun of the path: "calendars", "messages"; getAllRecordings gives "recordings"; without one "items". */
struct str scope_name_of_url(struct str url);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_value — do two JSON texts mean the same value?  Private to the follow module.
 *
 * The order of members, needless escapes, blanks and the spelling of a number (1, 1.0, 10e-1) make no difference.  The
 * texts were checked before.
 */
#pragma once

#include "base/str.h"

bool follow_value_same(struct str a, struct str b);
/* Do two names or strings, as written between the quotes, mean the same? */
bool follow_text_same(struct str a, struct str b);

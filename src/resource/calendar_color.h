/* SPDX-License-Identifier: Apache-2.0 */
/* calendar_color — `color` and `hexColor` of a calendar follow each other. */
#pragma once

#include "resource/values.h"

/*
 * After a client's change: a new hexColor moves color to the nearest name, a cleared one to auto; a new color brings
 * its hexColor, if that is known.  ERR_BAD_REQUEST: the new hexColor is no "#rrggbb".
 */
enum err calendar_settle_color(const struct values *before, struct values *calendar, struct arena *arena,
                               struct str *why_out) MUST_CHECK;

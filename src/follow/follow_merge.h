/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_merge — what an item is after an update.  Private to the follow module.
 *
 * An update holds a whole item or only its changed members.  A member of the update, even null, replaces the member of
 * that name; other members stay.  With `replace` the update is the new item.  Members are compared byte for byte.
 */
#pragma once

#include "store/replica.h"

struct replica_merger follow_merger(bool replace);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_merge — what an item is after news of it.  Private to the follow module.
 *
 * News may carry all of an item or only what changed.  The rule, for every resource: a member that is told
 * replaces the member of that name whole, null included; one that is not told stays.  With `replace` the
 * news is the item.  Members are compared as they are written, byte for byte.
 */
#pragma once

#include "store/replica.h"

struct replica_merger follow_merger(bool replace);

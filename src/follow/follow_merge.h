/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_merge — what an item is after an update.  Private to the follow module.
 *
 * An update holds a whole item or only its changed members: the descriptor of its resource says which, unless the
 * scope has a rule of its own.  A member of a partial update, even null, replaces the member of that name; other
 * members stay.  Items are compared by value: see follow_value.h.
 */
#pragma once

#include "resource/resource.h"
#include "store/replica.h"

struct follow_rule {
	const struct resource *resource; /* of the scope; NULL: the generic one */
	enum replica_updates   updates;  /* of the scope itself */
	struct arena          *arena;    /* for one call of the merger */
};

void follow_rule_open(struct follow_rule *rule, const struct resource *resource, enum replica_updates updates);
void follow_rule_close(struct follow_rule *rule);

/* Usable until the rule is closed. */
struct replica_merger follow_merger(struct follow_rule *rule);

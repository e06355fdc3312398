/* SPDX-License-Identifier: Apache-2.0 */
/* replica_content — how far the content of a followed item is: the follower keeps it beside the store. */
#pragma once

#include "store/replica.h"

/* The state of an item's content. */
enum replica_content_state {
	REPLICA_CONTENT_WAITING,
	REPLICA_CONTENT_PAYMENT,
	REPLICA_CONTENT_REFUSED,
	REPLICA_CONTENT_PARTIAL,
	REPLICA_CONTENT_DONE
};

struct replica_content {
	enum replica_content_state state;
	/* What is known of the part that is there, as the follower writes it; of DONE the file's name, or empty. */
	struct str part;
};
enum err replica_get_content(struct replica *replica, int64_t sid, struct str id, struct arena *arena,
                             struct replica_content *out) MUST_CHECK;
enum err replica_put_content(struct replica *replica, int64_t sid, struct str id, const struct replica_content *content)
	MUST_CHECK;

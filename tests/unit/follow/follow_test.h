/* SPDX-License-Identifier: Apache-2.0 */
/* A replica in a directory of its own, a remote,
	and a follower between them whose clock only moves when it waits. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "follow/follow.h"
#include "support/remote.h"
#include "support/runs.h"
#include "text/json_span.h"

#define FAR_ORIGIN STR("https://graph.example.com")
#define FAR_URL    STR("https://graph.example.com/v1.0/things/delta")

struct kit {
	char                 dir[64], url[96];
	struct rng           rng;
	struct entropy       entropy;
	struct still_clock   at;
	struct clock         clock;
	struct remote        far;
	struct follow_source source;
	struct replica      *replica;
	struct arena        *arena;
	struct follow_conf   conf;
	uint32_t             commit_rows; /* a round with more rows is settled in parts; 0: as in the program */
	void (*between)(struct kit *kit); /* called after each step; NULL: nothing is */
	void *between_ctx;
};

static inline void
kit_open(struct kit *kit, uint64_t seed)
{
	*kit = (struct kit){ .rng = { seed }, .at = { (int64_t)1700000000 * 1000000000 } };
	(void)snprintf(kit->dir, sizeof(kit->dir), "%s/tidemark-follow-XXXXXX", runs_folder());
	assert_non_null(mkdtemp(kit->dir));
	(void)snprintf(kit->url, sizeof(kit->url), "sqlite:%s/f.db", kit->dir);
	kit->entropy = rng_entropy(&kit->rng);
	kit->clock = still_clock_of(&kit->at);
	kit->arena = arena_open((size_t)64 << 20);
	far_open(&kit->far, &kit->rng, FAR_ORIGIN);
	kit->source = far_source(&kit->far);
	kit->conf = (struct follow_conf){ .url = FAR_URL,
		                          .max_wait_ms = 300000,
		                          .guard = { 30, 20 },
		                          .clock = &kit->clock,
		                          .entropy = &kit->entropy,
		                          .source = &kit->source };
}

static inline void
kit_open_replica(struct kit *kit)
{
	char              why[512];
	struct store_conf conf = { .url = str_from_c(kit->url),
		                   .access = STORE_SERVE,
		                   .create = true,
		                   .clock = &kit->clock,
		                   .entropy = &kit->entropy };

	if (replica_open(&conf, &kit->replica, why) != OK)
		fail_msg("%s", why);
	if (kit->commit_rows > 0)
		replica_limit_commits(kit->replica, kit->commit_rows);
}

static inline void
kit_close(struct kit *kit)
{
	char command[128];

	replica_close(&kit->replica);
	far_close(&kit->far);
	arena_close(&kit->arena);
	(void)snprintf(command, sizeof(command), "rm -rf %s", kit->dir);
	assert_int_equal(system(command), 0);
}

static inline struct follow *
kit_follow(struct kit *kit)
{
	struct follow *follow;
	char           why[512];

	if (follow_open(&kit->conf, kit->replica, &follow, why) != OK)
		fail_msg("%s", why);
	return follow;
}

/* Steps until the run ends or `steps_max` are done; waiting is moving the clock. */
static inline struct follow_report
kit_run(struct kit *kit, struct follow *follow, unsigned steps_max)
{
	struct follow_report report = { .next = FOLLOW_AGAIN };

	for (unsigned i = 0; i < steps_max; i++) {
		assert_int_equal(follow_step(follow, &report), OK);
		if (kit->between)
			kit->between(kit);
		if (report.next == FOLLOW_WAIT)
			kit->at.ns += report.wait_ms * 1000000;
		else if (report.next != FOLLOW_AGAIN && report.next != FOLLOW_STARTED_OVER)
			break;
	}
	return report;
}

/* A whole run with a follower of its own. */
static inline struct follow_report
kit_sync(struct kit *kit)
{
	struct follow       *follow = kit_follow(kit);
	struct follow_report report = kit_run(kit, follow, 100000);

	follow_close(&follow);
	return report;
}

static inline int64_t
kit_sid(struct kit *kit)
{
	struct replica_scope scope;

	arena_reset(kit->arena);
	assert_int_equal(replica_find_url(kit->replica, kit->conf.url, kit->arena, &scope), OK);
	return scope.sid;
}

static inline uint64_t
kit_number(struct str body, struct str name)
{
	struct str raw;
	uint64_t   value = 0;

	if (!json_span_member(body, name, &raw) || !str_to_u64(raw, &value))
		fail_msg("no %.*s in %.*s", STR_ARG(name), STR_ARG(body));
	return value;
}

static inline unsigned
kit_id(struct str id)
{
	uint64_t number = 0;

	assert_true(str_starts(id, STR("item-")) && str_to_u64(str_skip(id, 5), &number));
	return (unsigned)number;
}

/* True if the view is these items. */
static inline bool
kit_view_is(struct kit *kit, const struct far_item items[FAR_ITEMS_MAX])
{
	int64_t    sid = kit_sid(kit);
	struct str id = STR_EMPTY, body;
	unsigned   live = 0, count = 0;
	bool       equal = true;

	for (unsigned i = 0; i < FAR_ITEMS_MAX; i++)
		live += items[i].live;
	while (replica_next_item(kit->replica, sid, id, &id, &body) == OK) {
		const struct far_item *item = &items[kit_id(id)];

		count++;
		equal = equal && item->live && kit_number(body, STR("a")) == item->a &&
		        kit_number(body, STR("b")) == item->b;
	}
	replica_end_read(kit->replica);
	return equal && count == live;
}

/* True if the view is what the remote holds. */
static inline bool
kit_is_equal(struct kit *kit)
{
	return kit_view_is(kit, kit->far.items);
}

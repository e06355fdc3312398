/* SPDX-License-Identifier: Apache-2.0 */
/* store check: the laws, one feed after the other.  Each is checked in one statement, which is one snapshot. */
#include "store/store_pg.h"

#include <stdio.h>

#define PATIENCE_MS 3600000 /* a large feed is read whole */

struct check {
	struct pg_session *session;
	store_fault_fn    *found;
	void              *ctx;
};

static enum err
check_feed(const struct check *check, const struct store_feed *feed, const struct guid *key)
{
	AUTO(pg_result_drop) struct pg_result *faults = NULL;
	struct guid                            wanted = pg_feed_key(feed);
	char                                   sentence[512];

	TRY(pg_session_run(check->session, PG_CHECK_FEED, PG_VALUES(P_GUID(key)), &faults));
	for (int i = -1; i < pg_result_rows(faults); i++) {
		if (i < 0 && guid_eq(key, &wanted))
			continue;
		str_printf(sentence, sizeof(sentence), "feed (tenant %s, owner %s, collection %d): %.*s",
		           guid_str(&feed->tenant).c, guid_str(&feed->owner).c, feed->collection,
		           STR_ARG(i < 0 ? STR("its key is not that of its name")
		                         : str_cut(pg_result_str(faults, i, 0), 250)));
		check->found(check->ctx, str_from_c(sentence));
	}
	return OK;
}

static enum err
check_feeds(const struct check *check)
{
	struct store_feed feed = { .collection = 0 };

	for (;;) {
		AUTO(pg_result_drop) struct pg_result *rows = NULL;
		struct guid                            key;

		TRY(pg_session_run(check->session, PG_NEXT_FEED,
		                   PG_VALUES(P_GUID(&feed.tenant), P_GUID(&feed.owner), P_INT(feed.collection)),
		                   &rows));
		if (pg_result_rows(rows) == 0)
			return OK;
		feed.tenant = pg_result_guid(rows, 0, 7);
		feed.owner = pg_result_guid(rows, 0, 8);
		feed.collection = (uint8_t)pg_result_int(rows, 0, 9);
		key = pg_result_guid(rows, 0, 10);
		TRY(check_feed(check, &feed, &key));
	}
}

static enum err
check_strays(const struct check *check)
{
	AUTO(pg_result_drop) struct pg_result *faults = NULL;

	TRY(pg_session_run(check->session, PG_CHECK_STRAY, NULL, &faults));
	for (int i = 0; i < pg_result_rows(faults); i++)
		check->found(check->ctx, str_cut(pg_result_str(faults, i, 0), 250));
	return OK;
}

enum err
pg_check(void *engine, store_fault_fn *found, void *ctx)
{
	AUTO(pg_session_close) struct pg_session *session = NULL;
	struct check                              check = { .found = found, .ctx = ctx };

	TRY(pg_session_open(engine, &session));
	session->patience_ms = PATIENCE_MS;
	check.session = session;
	TRY(check_feeds(&check));
	return check_strays(&check);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_follow_page — a page from a hostile remote: the items of a page lie in it, and merging two of them
 * gives JSON again.  A guess at its link lies in it, too.
 */
#include "follow/follow_merge.h"
#include "follow/follow_error.h"
#include "follow/follow_page.h"
#include "text/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
merge_items(struct str held, struct str received, struct arena *arena)
{
	struct follow_rule    rule;
	struct replica_merger merger = follow_merger(&rule);
	struct buf            merged, fields;

	follow_rule_open(&rule, NULL, REPLICA_PARTIAL);
	buf_open(&merged, STORE_BODY_MAX);
	buf_open(&fields, STORE_BODY_MAX);
	if (merger.merge(merger.ctx, held, received, &merged) == OK)
		MUST(buf_str(&merged).at[0] == '{');
	(void)merger.differ(merger.ctx, held, received, &fields);
	if (fields.len > 0)
		MUST(json_check(buf_str(&fields), STORE_BODY_MAX, arena, NULL) == OK);
	buf_close(&merged);
	buf_close(&fields);
	follow_rule_close(&rule);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)128 << 20);
	struct str                      body = str_of(data, size), why, guess, last = STR_EMPTY;
	struct follow_page              page;
	struct follow_item              item;

	if (follow_page_guess_next(body, &guess))
		MUST(guess.len > 0 && guess.at >= body.at && guess.at + guess.len < body.at + body.len);
	(void)follow_error_describe(&(struct follow_response){ .status = 400, .body = body }, arena);
	if (follow_page_read(body, arena, &page, &why) != OK)
		return 0;
	MUST(page.link.at != NULL);
	while (follow_page_next(&page, arena, &item)) {
		MUST(item.received.at >= body.at && item.received.at + item.received.len <= body.at + body.len);
		MUST(item.fault || (item.id.len > 0 && item.id.len <= STORE_ID_MAX));
		if (!item.fault && last.len > 0)
			merge_items(last, item.body, arena);
		if (!item.fault)
			last = item.body;
	}
	return 0;
}

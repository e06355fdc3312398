/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      too large --> half the page size --> too large --> skimmed: how many items has it?
 *
 *          one                        it is too large alone: a dead letter, and the round goes on
 *          as many as asked for       fewer are asked for, by their average size
 *          more                       the size is in the link: the round begins again with fewer
 */
#include "follow/follow_page.h"
#include "follow/follow_run.h"

#define SIZE_USUAL 200 /* what a remote may send if it was not asked for a size */

static enum err
ask_again(struct step *step, uint32_t page_size)
{
	step->follow->page_size = page_size;
	return follow_run_end(step, FOLLOW_AGAIN, "the page is too large: it is asked for again with at most %u items",
	                      page_size);
}

enum err
follow_size_reduce(struct step *step, const char *why)
{
	struct follow *follow = step->follow;
	uint32_t       size = follow->page_size ? follow->page_size : SIZE_USUAL;

	if (follow->skims)
		return follow_run_end(step, FOLLOW_BROKEN, "%s", why);
	follow->size_goal = follow->size_goal ? follow->size_goal : size;
	if (follow->size_before == 0) {
		follow->size_before = size;
		if (size > 1)
			return ask_again(step, size / 2);
	}
	follow->skims = true;
	return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
}

/* The remote sends more than it was asked for: it heeds the size only in the first request of a round. */
static enum err
begin_smaller(struct step *step, uint32_t fits, const char *why)
{
	struct follow *follow = step->follow;
	bool           is_next = step->scope.kind == REPLICA_NEXT;

	if (step->scope.round_pages == 0 && follow->page_size > 1)
		return ask_again(step, fits < follow->page_size ? fits : follow->page_size / 2);
	if (step->scope.round_pages == 0 || (follow->begun_with > 0 && fits >= follow->begun_with))
		return follow_run_end(step, FOLLOW_BROKEN, "%s; the remote heeds no smaller page size", why);
	follow->begun_with = follow->page_size = fits;
	TRY(follow_run_begin(step, step->scope.kind, is_next ? step->scope.delta_link : step->scope.url));
	return follow_run_end(step, FOLLOW_AGAIN,
	                      "the page is too large, and its size is in its link: the round begins anew with pages of "
	                      "at most %u items",
	                      fits);
}

enum err
follow_size_read(struct step *step, const struct follow_page *page, size_t size, bool *is_item_out)
{
	struct follow *follow = step->follow;
	size_t         fits = page->count > 0 ? FOLLOW_PAGE_MAX / 2 / (size / page->count + 1) : 1;

	follow->skims = false;
	*is_item_out = size > FOLLOW_PAGE_MAX && page->count <= 1;
	if (*is_item_out)
		return OK;
	if (size <= FOLLOW_PAGE_MAX)
		return follow_run_end(step, FOLLOW_AGAIN, "%s", "");
	if (fits < 1)
		fits = 1;
	if (page->count > follow->page_size)
		return begin_smaller(step, (uint32_t)fits, "the answer is larger than 16 MiB");
	return ask_again(step, fits < follow->page_size ? (uint32_t)fits : follow->page_size / 2);
}

enum err
follow_size_settle(struct step *step, bool had_item)
{
	struct follow *follow = step->follow;

	if (follow->size_goal == 0)
		return OK;
	follow->size_before = 0;
	/* The pages were small because of this item, but what a round began with would be too large again. */
	if (had_item)
		follow->page_size = follow->begun_with ? follow->begun_with : follow->size_goal;
	if (follow->size_kept == follow->page_size)
		return OK;
	follow->size_kept = follow->page_size;
	return replica_set_page_size(follow->replica, step->scope.sid, follow->page_size);
}

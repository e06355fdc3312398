/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_cycle.h"

#include "follow/follow_page.h"

const char *
follow_cycle_note(struct follow_cycle *cycle, struct str link, uint64_t content, uint64_t empty_max)
{
	uint64_t hash = follow_page_hash(link);

	cycle->empty = content == 0 ? cycle->empty + 1 : 0;
	if (cycle->empty > empty_max)
		return "it has too many empty pages in a row";
	if (hash == cycle->link)
		return "its links lead in a circle";
	if (content != 0 && content == cycle->content && ++cycle->content_again >= FOLLOW_SAME_CONTENT_MAX)
		return "the same page comes again and again under new links";
	if (cycle->steps >= cycle->power) {
		cycle->link = hash;
		if (content != 0) {
			cycle->content_again = content == cycle->content ? cycle->content_again : 0;
			cycle->content = content;
		}
		cycle->power = cycle->power ? cycle->power * 2 : 1;
		cycle->steps = 0;
	}
	cycle->steps++;
	return NULL;
}

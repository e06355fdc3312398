/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_cycle.h"

#include "follow/follow_page.h"

const char *
follow_cycle_note(struct follow_cycle *loop, struct str link, uint64_t content, uint64_t empty_max)
{
	uint64_t hash = follow_page_hash(link);

	loop->empty = content == 0 ? loop->empty + 1 : 0;
	if (loop->empty > empty_max)
		return "it has too many empty pages in a row";
	if (hash == loop->link)
		return "its links lead in a circle";
	if (content != 0 && content == loop->content && ++loop->content_again >= FOLLOW_SAME_CONTENT_MAX)
		return "the same page comes again and again under new links";
	if (loop->steps >= loop->power) {
		loop->link = hash;
		if (content != 0) {
			loop->content_again = content == loop->content ? loop->content_again : 0;
			loop->content = content;
		}
		loop->power = loop->power ? loop->power * 2 : 1;
		loop->steps = 0;
	}
	loop->steps++;
	return NULL;
}

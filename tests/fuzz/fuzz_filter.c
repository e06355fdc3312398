/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_filter — $filter, $orderby and Accept: whatever comes is read or refused; a filter and its negation never both
 * hold. */
#include "graph/accept.h"
#include "graph/filter.h"
#include "resource/calendar.h"
#include "resource/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_filter(struct str text, struct arena *arena)
{
	struct values        calendar = { 0 };
	struct str           negated = arena_printf(arena, "not (%.*s)", STR_ARG(text)), why = STR_EMPTY;
	const struct filter *filter, *opposite;
	size_t               row;
	bool                 descending;

	values_set_text(&calendar, CALENDAR_NAME, STR("Birthdays"), arena);
	values_set_flag(&calendar, CALENDAR_CAN_EDIT, true);
	(void)!order_read(&resource_calendar, text, true, arena, &row, &descending, &why);
	if (filter_read(&resource_calendar, text, true, arena, &filter, &why) != OK) {
		MUST(why.len > 0);
		return;
	}
	/* One bracket more may be one too many. */
	if (filter_read(&resource_calendar, negated, true, arena, &opposite, &why) == OK)
		MUST(filter_holds(filter, &calendar, arena) != filter_holds(opposite, &calendar, arena));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct accept accept;
	struct str    text = str_of(data, size);

	if (size > 8192)
		return 0;
	arena = arena_open((size_t)64 << 20);
	for (int form = MEDIA_JSON; form <= MEDIA_ANY; form++)
		(void)accept_parse(text, (enum media_type)form, &accept);
	(void)accept_gzip(text);
	check_filter(text, arena);
	arena_close(&arena);
	return 0;
}

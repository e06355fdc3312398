/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_filter — $filter, $orderby and Accept: whatever comes is read or refused; a filter and its negation never both hold. */
#include "face/accept.h"
#include "face/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_filter(struct str text, struct arena *arena)
{
	struct calendar      calendar = { 0 };
	struct str           negated = arena_printf(arena, "not (%.*s)", STR_ARG(text)), why = STR_EMPTY, key;
	const struct filter *filter, *opposite;
	bool                 descending;

	calendar_set_text(&calendar, PROP_NAME, STR("Birthdays"), arena);
	calendar_set_flag(&calendar, PROP_CAN_EDIT, true);
	key = calendar_name_key(&calendar, arena);
	(void)!order_read(text, &descending);
	if (filter_read(text, true, arena, &filter, &why) != OK) {
		MUST(why.len > 0);
		return;
	}
	/* One bracket more may be one too many. */
	if (filter_read(negated, true, arena, &opposite, &why) == OK)
		MUST(filter_holds(filter, key, &calendar) != filter_holds(opposite, key, &calendar));
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
	for (int form = FORM_JSON; form <= FORM_ANY; form++)
		(void)accept_parse(text, (enum form)form, &accept);
	(void)accept_gzip(text);
	check_filter(text, arena);
	arena_close(&arena);
	return 0;
}

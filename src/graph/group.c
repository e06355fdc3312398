/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/group.h"

#include "resource/calendar.h"
#include "resource/values.h"

static const struct {
	const char *class_id;
	const char *name;
} classes[] = {
	{ "0006f0b7-0000-0000-c000-000000000046", "My Calendars" },
	{ "0006f0b8-0000-0000-c000-000000000046", "Other Calendars" },
	{ "0006f0b9-0000-0000-c000-000000000046", "People's Calendars" },
};

static struct group
group_of_class(const struct call *call, size_t at, struct arena *arena)
{
	struct group group = { .name = str_from_c(classes[at].name), .class_id = str_from_c(classes[at].class_id) };

	calendar_group_names(&call->owner.id, group.class_id, arena, &group.id, &group.change_key);
	return group;
}

struct group
group_default(const struct call *call, struct arena *arena)
{
	return group_of_class(call, 0, arena);
}

/* An unknown class counts as the first. */
struct group
group_of(const struct call *call, const struct values *calendar, struct arena *arena)
{
	struct str   named = values_text(calendar, CALENDAR_GROUP, arena);
	struct str   class_id = values_text(calendar, CALENDAR_GROUP_CLASS, arena);
	size_t       at = 0;
	struct group group;

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		if (str_eq_nocase(class_id, str_from_c(classes[i].class_id)))
			at = i;
	group = group_of_class(call, at, arena);
	if (named.len > 0 && !str_eq(named, group.id)) {
		group.id = named;
		group.name = group.change_key = STR_EMPTY;
	}
	return group;
}

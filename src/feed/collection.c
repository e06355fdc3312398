/* SPDX-License-Identifier: Apache-2.0 */
#include "feed/collection.h"

#include "base/guid.h"

static const struct {
	enum collection collection;
	const char     *name;
} names[] = {
	{ COLLECTION_CALENDARS, "calendars" },
	{ COLLECTION_RECORDINGS, "recordings" },
};

const char *
collection_name(enum collection collection)
{
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (names[i].collection == collection)
			return names[i].name;
	return "unknown";
}

bool
feed_name_parse(struct str name, struct guid *owner_out, enum collection *collection_out)
{
	struct str  part;
	struct guid owner;

	if (!str_take_until(&name, '/', &part) || !str_eq(part, STR("users")))
		return false;
	if (!str_take_until(&name, '/', &part) || !guid_parse(part, &owner))
		return false;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (str_eq(name, str_from_c(names[i].name))) {
			*owner_out = owner;
			*collection_out = names[i].collection;
			return true;
		}
	return false;
}

struct str
feed_name(const struct store_feed *feed, struct arena *arena)
{
	char owner[GUID_TEXT_LEN];

	guid_format(&feed->owner, owner);
	return arena_printf(arena, "users/%.*s/%s", GUID_TEXT_LEN, owner,
	                    collection_name((enum collection)feed->collection));
}

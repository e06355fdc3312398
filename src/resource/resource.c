/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/extended.h"
#include "resource/family.h"
#include "resource/values.h"

#include "text/json_read.h"
#include "text/json_span.h"

const struct resource *const resources[] = { &resource_calendar, &resource_calendar_group, &resource_recording,
	                                     &resource_user, NULL };

static const char *const by_id[] = { "id", NULL };
static const char *const none[] = { NULL };

const struct resource resource_generic = {
	.name = "item",
	.article = "an",
	.collection = "unknown",
	.functions = none,
	.identity = by_id,
	.removal = REMOVAL_ANNOTATION,
	.updates = UPDATES_PARTIAL,
	.relations = none,
	.lists = true,
	.page_size = 200,
	.content = "recordingContentUrl", /* also of a recording in an unknown feed */
};

static bool
is_one_of(struct str name, const char *const *names)
{
	for (; *names; names++)
		if (str_eq_nocase(name, str_from_c(*names)))
			return true;
	return false;
}

/* What has no number has no feed of its own; if it can be followed, it has a row among the families. */
const struct resource *
resource_of_collection(struct str noun)
{
	for (const struct resource *const *at = resources; *at; at++)
		if ((*at)->number > 0 &&
		    (str_eq_nocase(noun, str_from_c((*at)->collection)) || is_one_of(noun, (*at)->functions)))
			return *at;
	for (const struct resource *at = family_next(NULL); at; at = family_next(at))
		if (str_eq_nocase(noun, str_from_c(at->collection)))
			return at;
	return &resource_generic;
}

const struct resource *
resource_of_type(struct str odata_type)
{
	for (const struct resource *const *at = resources; *at; at++)
		if ((*at)->number > 0 && str_eq(odata_type, str_from_c((*at)->odata_type)))
			return *at;
	for (const struct resource *at = family_next(NULL); at; at = family_next(at))
		if (str_eq(odata_type, str_from_c(at->odata_type)))
			return at;
	return &resource_generic;
}

const struct resource *
resource_of_item(struct str collection, struct str json, struct arena *arena)
{
	const struct resource *resource = resource_of_collection(collection);
	struct str             raw, type;

	if (resource == &resource_generic && json_span_member(json, STR("@odata.type"), &raw) &&
	    json_span_text(raw, arena, &type))
		resource = resource_of_type(type);
	return resource;
}

const struct resource *
resource_of_feed(const struct store_feed *feed)
{
	for (const struct resource *const *at = resources; *at; at++)
		if (feed->collection > 0 && (*at)->number == feed->collection)
			return *at;
	return &resource_generic;
}

size_t
resource_find_property(const struct resource *resource, struct str name, bool beta)
{
	for (size_t row = 0; row < resource->property_count; row++)
		if (str_eq_nocase(name, str_from_c(resource->properties[row].name)))
			return beta || !(resource->properties[row].flags & PROPERTY_BETA) ? row
			                                                                  : resource->property_count;
	return resource->property_count;
}

struct str
property_edm_type(const struct property *property, struct arena *arena)
{
	switch (property->type) {
	case TYPE_STRING:
		return STR("Edm.String");
	case TYPE_BOOLEAN:
		return STR("Edm.Boolean");
	case TYPE_GUID:
		return STR("Edm.Guid");
	case TYPE_MOMENT:
		return STR("Edm.DateTimeOffset");
	case TYPE_ENUM:
		return arena_printf(arena, "graph.%s", property->enumeration->name);
	case TYPE_ENUMS:
		return arena_printf(arena, "Collection(graph.%s)", property->enumeration->name);
	case TYPE_STRINGS:
		return STR("Collection(Edm.String)");
	case TYPE_OBJECT:
		return arena_printf(arena, "graph.%s", property->complex);
	}
	return STR_EMPTY;
}

/* ---- SQL views ------------------------------------------------------------------------------------------- */

/* Appends the columns of the rows with that position. */
static size_t
add_columns(const struct resource *resource, unsigned at, struct store_column *columns, size_t count)
{
	for (size_t row = 0; row < resource->property_count; row++) {
		const struct property *property = &resource->properties[row];

		for (const struct store_column *column = property->columns; column && column->name; column++)
			if (property->column_at == at)
				columns[count++] = *column;
	}
	return count;
}

static struct store_view
view_of(const struct resource *resource, struct arena *arena)
{
	struct store_column *columns = arena_take(arena, (RESOURCE_COLUMNS_MAX + 1) * sizeof(*columns));
	size_t               count = 0;

	for (unsigned at = 1; at <= RESOURCE_COLUMNS_MAX; at++)
		count = add_columns(resource, at, columns, count);
	(void)add_columns(resource, 0, columns, count);
	return (struct store_view){ resource->collection, resource->odata_type, columns };
}

const struct store_view *
resource_views(struct arena *arena)
{
	const struct resource *family = NULL;
	size_t                 count = 0;
	struct store_view     *views;

	while ((family = family_next(family)) != NULL)
		count++;
	views = arena_take(arena, (count + sizeof(resources) / sizeof(resources[0])) * sizeof(*views));
	count = 0;
	for (size_t i = 0; resources[i]; i++)
		if (resources[i]->number > 0)
			views[count++] = view_of(resources[i], arena);
	while ((family = family_next(family)) != NULL)
		views[count++] = (struct store_view){ family->collection, family->odata_type, family->columns };
	return views;
}

/* ---- feeds ----------------------------------------------------------------------------------------------- */

bool
feed_name_parse(struct str name, struct guid *owner_out, const struct resource **resource_out)
{
	struct str  part;
	struct guid owner;

	if (!str_take_until(&name, '/', &part) || !str_eq(part, STR("users")))
		return false;
	if (!str_take_until(&name, '/', &part) || !guid_parse(part, &owner))
		return false;
	for (const struct resource *const *at = resources; *at; at++)
		if ((*at)->number > 0 && str_eq(name, str_from_c((*at)->collection))) {
			*owner_out = owner;
			*resource_out = *at;
			return true;
		}
	return false;
}

struct str
feed_name(const struct store_feed *feed, struct arena *arena)
{
	return arena_printf(arena, "users/%s/%s", guid_str(&feed->owner).c, resource_of_feed(feed)->collection);
}

/* ---- stored bodies ----------------------------------------------------------------------------------------- */

struct str
resource_json(const struct resource *resource, struct str body, struct arena *arena)
{
	AUTO(buf_close) struct buf buf = { 0 };
	struct values              values;

	if (!resource->read || !resource->read(resource, body, NULL, arena, &values))
		return STR("{}");
	if (values.extended.len > 0)
		values.unknown = arena_printf(arena, "%.*s,\"%s\":%.*s", STR_ARG(values.unknown), EXTENDED_NAME,
		                              STR_ARG(values.extended));
	buf_open(&buf, 2 * STORE_BODY_MAX);
	resource_put_object(&buf, resource, &values, NULL);
	return buf_err(&buf) == OK ? arena_copy(arena, buf_str(&buf)) : STR("{}");
}

struct str
resource_version(const struct resource *resource, struct str body, struct arena *arena)
{
	struct values values;

	return resource->version_row > 0 && resource->read(resource, body, NULL, arena, &values)
	               ? values_text(&values, resource->version_row, arena)
	               : STR_EMPTY;
}

bool
resource_body_is_sound(const struct resource *resource, struct str body, struct str id, struct arena *arena)
{
	struct json  *tree = NULL;
	struct values values;
	bool          is_json;

	if (!resource->read)
		return true;
	is_json = json_read(resource_json(resource, body, arena), arena, &tree, NULL) == OK;
	json_drop(&tree);
	return is_json && resource->read(resource, body, NULL, arena, &values) &&
	       str_eq(values_text(&values, 0, arena), id);
}

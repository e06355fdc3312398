/* SPDX-License-Identifier: Apache-2.0 */
/* properties — the page of properties, from the descriptors of the resources. */
#include "admin/permissions.h"

#include "resource/resource.h"

static void
put_initial(struct out *out, const struct property *property)
{
	if (property->initial)
		out_printf(out, "`%s`", property->initial);
	else
		out_put(out, property->flags & PROPERTY_NOT_NULL ? STR("given or made") : STR("null, or made"));
}

static void
put_flag(struct out *out, const struct property *property, unsigned flags, const char *yes)
{
	if ((property->flags & PROPERTY_BETA_SET) && (flags & (PROPERTY_CREATE | PROPERTY_UPDATE)))
		yes = "on beta";
	out_printf(out, "| %s ", property->flags & flags ? yes : "");
}

static void
put_columns(struct out *out, const struct property *property)
{
	const char *comma = "";

	out_put(out, STR("| "));
	for (const struct store_column *column = property->columns; column && column->name; column++) {
		out_printf(out, "%s`%s`", comma, column->name);
		comma = ", ";
	}
	out_put(out, STR(" |\n"));
}

static void
put_resource(struct out *out, struct arena *arena, const struct resource *resource)
{
	out_printf(out,
	           "\n## %s\n\nSQL view: %s%s%s. Update when followed: %s. Page size asked for: %u.\n\n"
	           "| property | type | initial | beta only | import needs it | POST | PATCH | `$filter` | `$orderby` "
	           "| columns |\n"
	           "|---|---|---|---|---|---|---|---|---|---|\n",
	           resource->odata_type + 1, resource->number > 0 ? "`" : "",
	           resource->number > 0 ? resource->collection : "none", resource->number > 0 ? "`" : "",
	           resource->updates == UPDATES_COMPLETE ? "complete" : "partial", resource->page_size);
	for (size_t row = 0; row < resource->property_count; row++) {
		const struct property *property = &resource->properties[row];

		out_printf(out, "| `%s` | `%.*s` | ", property->name, STR_ARG(property_edm_type(property, arena)));
		put_initial(out, property);
		out_put(out, STR(" "));
		put_flag(out, property, PROPERTY_BETA, "yes");
		put_flag(out, property, PROPERTY_NEEDED, "yes");
		put_flag(out, property, PROPERTY_CREATE | PROPERTY_ADD,
		         property->flags & PROPERTY_ADD ? "Tidemark's own" : "yes");
		put_flag(out, property, PROPERTY_UPDATE, "yes");
		put_flag(out, property, PROPERTY_FILTER, "yes");
		put_flag(out, property, PROPERTY_SORT, "yes");
		put_columns(out, property);
	}
}

void
properties_page(struct out *out)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)1 << 20);

	out_put(out,
	        STR("# Properties\n\n"
	            "Made by `tidemark help --properties` from the descriptors in `src/resource/`; a test compares the "
	            "two.\n"));
	for (const struct resource *const *resource = resources; *resource; resource++)
		if ((*resource)->property_count > 0)
			put_resource(out, arena, *resource);
}

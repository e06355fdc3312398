/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/entity.h"

#include "base/bytes.h"
#include "text/uri.h"

static struct str
field_of(const struct call *call, struct str name, const struct item *item, bool quoted)
{
	if (str_eq(name, STR("owner")))
		return arena_printf(call->arena, "%s", guid_str(&call->owner.id).c);
	if (str_eq(name, STR("tenant")))
		return arena_printf(call->arena, "%s", guid_str(&call->owner.tenant).c);
	name = str_eq(name, STR("key")) ? item->key : item->id;
	/* As in Graph's samples: only what a path cannot hold is escaped. */
	return quoted ? uri_encode(uri_double_quotes(name, call->arena), "=-_", call->arena)
	              : uri_encode(name, "-_.~=*", call->arena);
}

struct str
entity_url(const struct call *call, const char *path, const struct item *item)
{
	struct str url = call_version_url(call), rest = str_from_c(path), text, name;
	bool       quoted = false;

	url = arena_printf(call->arena, "%.*s/", STR_ARG(url));
	while (str_take_until(&rest, '{', &text)) {
		for (size_t i = 0; i < text.len; i++)
			quoted ^= text.at[i] == '\'';
		name = STR_EMPTY;
		(void)str_take_until(&rest, '}', &name);
		if (name.len > 0)
			name = field_of(call, name, item, quoted);
		url = arena_printf(call->arena, "%.*s%.*s%.*s", STR_ARG(url), STR_ARG(text), STR_ARG(name));
	}
	return url;
}

struct str
entity_context(const struct call *call, const char *set, const char *tail)
{
	if (call->route.served)
		return arena_printf(call->arena, "%s%s", set, tail);
	return arena_printf(call->arena, "users('%s')/%s%s", guid_str(&call->owner.id).c, set, tail);
}

#define NAMES_MAX 400 /* bytes of the names that a state token can hold */

/* The names stay as they are; one that the resource does not have is refused if its rows are known. */
enum err
entity_select(struct call *call, const struct resource *resource, uint32_t *select_out)
{
	struct str rest = call->query.value[OPTION_SELECT], name, names = STR_EMPTY;
	uint32_t   select = 0;
	bool       all = false;

	while (str_take_until(&rest, ',', &name)) {
		size_t row = resource_find_property(resource, name = str_trim(name), call->route.beta);

		if (str_eq(name, STR("*"))) {
			all = true;
			continue;
		}
		if (row == resource->property_count && (row > 0 || !resource->is_followed))
			return call_refuse_f(call, GRAPH_OPTION, "Could not find a property named '%.*s' on type '%s'.",
			                     STR_ARG(str_cut(name, 64)), resource->odata_type + 1);
		if (resource->is_followed)
			names = arena_printf(call->arena, "%.*s%s%.*s", STR_ARG(names), names.len ? "," : "",
			                     STR_ARG(name));
		else
			select |= (uint32_t)1 << row | 1; /* the id is row 0 */
		if (names.len > NAMES_MAX)
			return call_refuse(call, GRAPH_OPTION, STR("$select has more than 400 bytes."));
	}
	call->selected = all ? STR_EMPTY : names;
	*select_out = all ? 0 : select;
	return OK;
}

/* One byte of version, then the selection, little-endian; or the names. */
#define OPTIONS_VERSION       1
#define OPTIONS_VERSION_NAMES 2
#define OPTIONS_BYTES         5

struct str
entity_write_options(const struct call *call, uint32_t select)
{
	char *bytes = arena_take_raw(call->arena, OPTIONS_BYTES);

	if (call->route.served)
		return arena_printf(call->arena, "%c%.*s", OPTIONS_VERSION_NAMES, STR_ARG(call->selected));
	bytes[0] = OPTIONS_VERSION;
	le_write(bytes + 1, select, OPTIONS_BYTES - 1);
	return str_of(bytes, OPTIONS_BYTES);
}

bool
entity_read_options(struct call *call, struct str bytes, uint32_t *select_out)
{
	*select_out = 0;
	if (call->route.served) {
		call->selected = str_skip(bytes, 1);
		return bytes.len > 0 && bytes.at[0] == OPTIONS_VERSION_NAMES;
	}
	if (bytes.len != OPTIONS_BYTES || bytes.at[0] != OPTIONS_VERSION)
		return false;
	*select_out = (uint32_t)le_read(bytes.at + 1, OPTIONS_BYTES - 1);
	return true;
}

struct str
entity_select_option(const struct call *call, uint32_t select)
{
	const struct resource *resource = call->route.resource;
	struct str             names = call->selected;

	for (size_t row = 0; row < resource->property_count && select >> row; row++)
		if (select >> row & 1)
			names = arena_printf(call->arena, "%.*s%s%s", STR_ARG(names), names.len ? "," : "",
			                     resource->properties[row].name);
	if (call->route.served)
		names = uri_encode(names, ",-_.~", call->arena);
	return names.len ? arena_printf(call->arena, "$select=%.*s", STR_ARG(names)) : STR_EMPTY;
}

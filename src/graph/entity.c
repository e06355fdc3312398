/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/entity.h"

#include "base/bytes.h"
#include "text/uri.h"

/* A key between quotes in a URL: its quotes doubled, then percent-encoded. */
static struct str
key_literal(const struct call *call, struct str key)
{
	char  *doubled = arena_take_raw(call->arena, key.len * 2);
	size_t len = 0;

	for (size_t i = 0; i < key.len; i++) {
		if (key.at[i] == '\'')
			doubled[len++] = '\'';
		doubled[len++] = key.at[i];
	}
	return uri_encode(str_of(doubled, len), "=-_", call->arena);
}

static struct str
guid_text(const struct call *call, const struct guid *guid)
{
	char text[GUID_TEXT_LEN];

	guid_format(guid, text);
	return arena_copy(call->arena, str_of(text, sizeof(text)));
}

static struct str
field_of(const struct call *call, struct str name, const struct item *item, bool quoted)
{
	if (str_eq(name, STR("owner")))
		return guid_text(call, &call->owner.id);
	if (str_eq(name, STR("tenant")))
		return guid_text(call, &call->owner.tenant);
	name = str_eq(name, STR("key")) ? item->key : item->id;
	/* As in Graph's samples: only what a path cannot hold is escaped. */
	return quoted ? key_literal(call, name) : uri_encode(name, "-_.~=*", call->arena);
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
	char oid[GUID_TEXT_LEN];

	guid_format(&call->owner.id, oid);
	return arena_printf(call->arena, "users('%.*s')/%s%s", GUID_TEXT_LEN, oid, set, tail);
}

enum err
entity_select(struct call *call, const struct resource *resource, uint32_t *select_out)
{
	struct str rest = call->query.value[OPTION_SELECT], name;
	uint32_t   select = 0;
	bool       all = false;

	while (str_take_until(&rest, ',', &name)) {
		size_t row = resource_find_property(resource, str_trim(name), call->route.beta);

		if (str_eq(str_trim(name), STR("*"))) {
			all = true;
			continue;
		}
		if (row == resource->property_count)
			return call_refuse(
				call, GRAPH_OPTION,
				arena_printf(call->arena, "Could not find a property named '%.*s' on type '%s'.",
			                     STR_ARG(str_cut(str_trim(name), 64)), resource->odata_type + 1));
		select |= (uint32_t)1 << row | 1; /* the id is row 0 */
	}
	*select_out = all ? 0 : select;
	return OK;
}

/* ---- the selection in a state token ------------------------------------------------------------------------ */

/* One byte of version, then the selection, little-endian. */
#define OPTIONS_VERSION 1
#define OPTIONS_BYTES   5

struct str
entity_write_options(uint32_t select, struct arena *arena)
{
	char *bytes = arena_take_raw(arena, OPTIONS_BYTES);

	bytes[0] = OPTIONS_VERSION;
	le_write(bytes + 1, select, OPTIONS_BYTES - 1);
	return str_of(bytes, OPTIONS_BYTES);
}

bool
entity_read_options(struct str bytes, uint32_t *select_out)
{
	if (bytes.len != OPTIONS_BYTES || bytes.at[0] != OPTIONS_VERSION)
		return false;
	*select_out = (uint32_t)le_read(bytes.at + 1, OPTIONS_BYTES - 1);
	return true;
}

struct str
entity_select_option(const struct resource *resource, uint32_t select, struct arena *arena)
{
	struct str names = STR_EMPTY;

	for (size_t row = 0; row < resource->property_count && select >> row; row++)
		if (select >> row & 1)
			names = arena_printf(arena, "%.*s%s%s", STR_ARG(names), names.len ? "," : "",
			                     resource->properties[row].name);
	return names.len ? arena_printf(arena, "$select=%.*s", STR_ARG(names)) : STR_EMPTY;
}

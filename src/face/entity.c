/* SPDX-License-Identifier: Apache-2.0 */
#include "face/entity.h"

#include "face/shape.h"
#include "text/uri.h"

/* An id as it stands between quotes in a URL: quotes doubled, then percent-encoded. */
static struct str
key_literal(const struct call *call, struct str id)
{
	char  *doubled = arena_take_raw(call->arena, id.len * 2);
	size_t len = 0;

	for (size_t i = 0; i < id.len; i++) {
		if (id.at[i] == '\'')
			doubled[len++] = '\'';
		doubled[len++] = id.at[i];
	}
	return uri_encode(str_of(doubled, len), "=-_", call->arena);
}

struct str
entity_url(const struct call *call, const char *set, struct str id)
{
	struct str version = call_version_url(call);
	char       oid[GUID_TEXT_LEN], tid[GUID_TEXT_LEN];

	guid_format(&call->owner.id, oid);
	guid_format(&call->owner.tenant, tid);
	return arena_printf(call->arena, "%.*s/users('%.*s@%.*s')/%s('%.*s')", STR_ARG(version), GUID_TEXT_LEN, oid,
	                    GUID_TEXT_LEN, tid, set, STR_ARG(key_literal(call, id)));
}

struct str
entity_context(const struct call *call, const char *tail)
{
	char oid[GUID_TEXT_LEN];

	guid_format(&call->owner.id, oid);
	return arena_printf(call->arena, "users('%.*s')/%s", GUID_TEXT_LEN, oid, tail);
}

enum err
entity_select(struct call *call, uint32_t *select_out)
{
	struct str rest = call->query.value[OPTION_SELECT], name;
	uint32_t   select = 0;
	bool       all = false;

	while (str_take_until(&rest, ',', &name)) {
		enum calendar_prop prop = calendar_prop_find(str_trim(name));

		if (str_eq(str_trim(name), STR("*"))) {
			all = true;
			continue;
		}
		if (prop == PROP_COUNT || (calendar_prop_beta(prop) && !call->route.beta))
			return call_refuse(call, REFUSAL_OPTION,
			                   arena_printf(call->arena,
			                               "Could not find a property named '%.*s' on type 'microsoft.graph.calendar'.",
			                                STR_ARG(str_cut(str_trim(name), 64))));
		select |= (uint32_t)1 << prop | (uint32_t)1 << PROP_ID;
	}
	*select_out = all ? 0 : select;
	return OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/steps.h"

#include "text/json_read.h"
#include "text/json_span.h"

static bool
is_control(struct str name)
{
	return str_starts(str_skip(name, str_find(name, '@')), STR("@odata.")) &&
	       !str_has_word(STR("@odata.nextLink @odata.deltaLink @odata.count"), ' ', name, str_eq);
}

static bool
is_nested(struct str value)
{
	return value.len > 0 && (value.at[0] == '{' || value.at[0] == '[');
}

static void
strip(struct str json, unsigned depth, struct buf *buf)
{
	struct json_walk walk;
	struct json_span span;
	bool             first = true;

	json_walk_open(&walk, json);
	buf_put_char(buf, walk.object ? '{' : '[');
	while (json_walk_next(&walk, &span)) {
		if (walk.object && is_control(span.name))
			continue;
		if (!first)
			buf_put_char(buf, ',');
		first = false;
		if (walk.object) {
			buf_put_char(buf, '"');
			buf_put(buf, span.name);
			buf_put(buf, STR("\":"));
		}
		/* The JSON reader has bounded the depth of stored bodies; the page around them adds two. */
		if (is_nested(span.value) && depth < JSON_DEPTH_MAX + 4)
			strip(span.value, depth + 1, buf);
		else
			buf_put(buf, span.value);
	}
	buf_put_char(buf, walk.object ? '}' : ']');
}

void
metadata_strip(struct str json, struct buf *buf)
{
	if (is_nested(json))
		strip(json, 0, buf);
	else
		buf_put(buf, json);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_merge.h"

#include "follow/follow.h"
#include "text/json_span.h"

/* Finds one member after the other; it is fast if they come in the object's own order, as they nearly always do. */
struct finder {
	struct str       object;
	struct json_walk walk; /* after the member found last */
};

static struct finder
finder_of(struct str object)
{
	struct finder finder = { .object = object };

	json_walk_open(&finder.walk, object);
	return finder;
}

/* Names are compared byte for byte, escapes included. */
static bool
find_raw(struct finder *finder, struct str name, struct str *value_out)
{
	struct json_walk walk = finder->walk;
	struct json_span span;
	bool             found = json_walk_next(&walk, &span) && str_eq(span.name, name);

	if (!found)
		json_walk_open(&walk, finder->object);
	while (!found && json_walk_next(&walk, &span))
		found = str_eq(span.name, name);
	if (!found)
		return false;
	finder->walk = walk;
	*value_out = span.value;
	return true;
}

static void
put_member(struct buf *out, struct str name, struct str value)
{
	if (out->len > 1)
		buf_put_char(out, ',');
	buf_put_char(out, '"');
	buf_put(out, name);
	buf_put(out, STR("\":"));
	buf_put(out, value);
}

static enum err
merge(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	struct finder    in_received = finder_of(received), in_held = finder_of(held);
	struct json_walk walk;
	struct json_span span;
	struct str       value;

	(void)ctx;
	MUST(merged_out->len == 0);
	buf_put_char(merged_out, '{');
	json_walk_open(&walk, held);
	while (json_walk_next(&walk, &span))
		put_member(merged_out, span.name, find_raw(&in_received, span.name, &value) ? value : span.value);
	json_walk_open(&walk, received);
	while (json_walk_next(&walk, &span))
		if (!find_raw(&in_held, span.name, &value))
			put_member(merged_out, span.name, span.value);
	buf_put_char(merged_out, '}');
	return buf_err(merged_out);
}

static enum err
replace(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	(void)ctx;
	(void)held;
	buf_put(merged_out, received);
	return buf_err(merged_out);
}

static void
put_name(struct buf *out, struct str name)
{
	buf_put_char(out, out->len == 0 ? '[' : ',');
	buf_put_char(out, '"');
	buf_put(out, name);
	buf_put_char(out, '"');
}

static bool
is_left_out(struct str name, bool without_annotations)
{
	return without_annotations && str_starts(name, STR("@odata."));
}

static bool
members_differ(struct str a, struct str b, bool without_annotations, struct buf *fields_out)
{
	struct finder    in_a = finder_of(a), in_b = finder_of(b);
	struct json_walk walk;
	struct json_span span;
	struct str       value;

	if (str_eq(a, b))
		return false;
	json_walk_open(&walk, b);
	while (json_walk_next(&walk, &span))
		if (!is_left_out(span.name, without_annotations) &&
		    (!find_raw(&in_a, span.name, &value) || !str_eq(value, span.value)))
			put_name(fields_out, span.name);
	json_walk_open(&walk, a);
	while (json_walk_next(&walk, &span))
		if (!is_left_out(span.name, without_annotations) && !find_raw(&in_b, span.name, &value))
			put_name(fields_out, span.name);
	if (fields_out->len == 0 && buf_err(fields_out) == OK)
		return false;
	buf_put_char(fields_out, ']');
	return true;
}

static bool
differ(void *ctx, struct str a, struct str b, struct buf *fields_out)
{
	(void)ctx;
	return members_differ(a, b, false, fields_out);
}

bool
follow_items_differ(struct str a, struct str b, struct buf *fields_out)
{
	return members_differ(a, b, true, fields_out);
}

struct replica_merger
follow_merger(bool replaces)
{
	return (struct replica_merger){ NULL, replaces ? replace : merge, differ };
}

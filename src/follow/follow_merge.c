/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_merge.h"

#include "follow/follow.h"
#include "follow/follow_item.h"
#include "follow/follow_value.h"
#include "text/json_span.h"

#define RULE_ARENA_MAX STORE_BODY_MAX /* the name of a type */

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

static bool
find_member(struct finder *finder, struct str name, struct str *value_out)
{
	struct json_walk walk = finder->walk;
	struct json_span span;
	bool             found = json_walk_next(&walk, &span) && follow_text_same(span.name, name);

	if (!found)
		json_walk_open(&walk, finder->object);
	while (!found && json_walk_next(&walk, &span))
		found = follow_text_same(span.name, name);
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
merge_members(struct str held, struct str received, struct buf *merged_out)
{
	struct finder    in_received = finder_of(received), in_held = finder_of(held);
	struct json_walk walk;
	struct json_span span;
	struct str       value;

	MUST(merged_out->len == 0);
	buf_put_char(merged_out, '{');
	json_walk_open(&walk, held);
	while (json_walk_next(&walk, &span))
		put_member(merged_out, span.name, find_member(&in_received, span.name, &value) ? value : span.value);
	json_walk_open(&walk, received);
	while (json_walk_next(&walk, &span))
		if (!find_member(&in_held, span.name, &value))
			put_member(merged_out, span.name, span.value);
	buf_put_char(merged_out, '}');
	return buf_err(merged_out);
}

static bool
is_complete(const struct follow_rule *rule, struct str received)
{
	const struct resource *resource = rule->resource ? rule->resource : &resource_generic;
	struct str             raw, type;

	if (rule->updates != REPLICA_BY_RESOURCE)
		return rule->updates == REPLICA_COMPLETE;
	if (resource == &resource_generic && json_span_member(received, STR("@odata.type"), &raw) &&
	    json_span_text(raw, rule->arena, &type))
		resource = resource_of_type(type);
	return resource->updates == UPDATES_COMPLETE;
}

static enum err
merge(void *ctx, struct str held, struct str received, struct buf *merged_out)
{
	struct follow_rule *rule = ctx;

	arena_reset(rule->arena);
	if (!is_complete(rule, received))
		return merge_members(held, received, merged_out);
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
		    (!find_member(&in_a, span.name, &value) || !follow_value_same(value, span.value)))
			put_name(fields_out, span.name);
	json_walk_open(&walk, a);
	while (json_walk_next(&walk, &span))
		if (!is_left_out(span.name, without_annotations) && !find_member(&in_b, span.name, &value))
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

/*
 * The usual update has the members of the item, in its order: one walk over both shows what differs. It ends early:
 * mostly little differs, and what follows is the same text.
 */
static bool
compare(void *ctx, struct str held, struct str received, struct buf *fields_out, bool *differ_out)
{
	struct json_walk in_held, in_received;
	struct json_span of_held, of_received;
	bool             is_same = false; /* all that is left */

	(void)ctx;
	*differ_out = false;
	if (str_eq(held, received))
		return true;
	json_walk_open(&in_held, held);
	json_walk_open(&in_received, received);
	while (!is_same && json_walk_next(&in_held, &of_held)) {
		if (!json_walk_next(&in_received, &of_received) || !str_eq(of_held.name, of_received.name))
			return false;
		if (follow_value_same(of_held.value, of_received.value))
			continue;
		put_name(fields_out, of_received.name);
		is_same = str_eq(in_held.rest, in_received.rest);
	}
	*differ_out = fields_out->len > 0 || buf_err(fields_out) != OK;
	if (*differ_out)
		buf_put_char(fields_out, ']');
	return is_same || !json_walk_next(&in_received, &of_received);
}

bool
follow_items_differ(struct str a, struct str b, struct buf *fields_out)
{
	return members_differ(a, b, true, fields_out);
}

static bool
show(void *ctx, struct str body, struct buf *shown_out)
{
	(void)ctx;
	return follow_item_shown(body, shown_out);
}

void
follow_rule_open(struct follow_rule *rule, const struct resource *resource, enum replica_updates updates)
{
	*rule = (struct follow_rule){ resource, updates, arena_open(RULE_ARENA_MAX) };
}

void
follow_rule_close(struct follow_rule *rule)
{
	arena_close(&rule->arena);
}

struct replica_merger
follow_merger(struct follow_rule *rule)
{
	return (struct replica_merger){ rule, merge, differ, compare, show };
}

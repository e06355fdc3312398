/* SPDX-License-Identifier: Apache-2.0 */
/* graph_delta — GET …/delta of a resource.  This is the walk of a request in code: read it first. */
#include "graph/calls.h"
#include "graph/entity.h"
#include "graph/steps.h"
#include "graph/page.h"
#include "graph/waiting.h"
#include "resource/followed.h"

/* An owner who never had anything first gets what every owner has. */
static enum err
open_feed(struct call *call, const struct reader *reader, uint32_t limit, struct feed_page *feed)
{
	const struct cursor *from = reader->has_cursor ? &reader->cursor : NULL;
	struct store        *store = call->graph->parts.store;

	/* Full metadata shows links, which are made from ids. */
	feed->bodies_only = call->accept.level != METADATA_FULL &&
	                    !(call->route.served &&
	                      (call->route.served->content_member || resource_has_relations(call->route.resource)));
	feed->additions = call->route.served && call->route.resource->removal == REMOVAL_NONE;
	TRY(feed_open(feed, store, &call->feed, from, limit, call->arena));
	if (store_scan_state(feed->scan)->exists)
		return OK;
	if (call->route.served)
		return OK;
	feed_abort(feed);
	TRY(call_ensure(call));
	return feed_open(feed, store, &call->feed, from, limit, call->arena);
}

static enum err
put_changes(struct call *call, const struct reader *reader, uint32_t limit, struct page *page, struct cursor *rest_out)
{
	AUTO(feed_abort) struct feed_page feed = { 0 };
	struct item                       item;

	TRY(open_feed(call, reader, limit, &feed));
	while (feed_next(&feed, &item))
		if (!page_put_change(page, &item)) {
			feed_put_back(&feed);
			break;
		}
	return feed_close(&feed, rest_out);
}

/* The options of the round's first request: from the token, or from the request itself. */
static enum err
read_options(struct call *call, struct reader *reader, uint32_t *select_out)
{
	static const enum option first[] = { OPTION_SELECT, OPTION_FORMAT, OPTION_TOKEN, OPTION_KINDS };
	const struct resource   *resource = call->route.resource;

	TRY(cursor_read(call, (enum token_function)resource->delta_function, reader));
	if (!reader->has_token) {
		TRY(query_allow(
			call, first, "with change tracking",
			"Ask for a page size with the field 'Prefer: odata.maxpagesize=N'; select properties with "
			"$select."));
		TRY(entity_select(call, resource, select_out));
		return OK;
	}
	if (!entity_read_options(call, reader->options, select_out))
		return ERR_BAD_TOKEN;
	call->restart_options = entity_select_option(call, *select_out);
	return OK;
}

static struct str
link_of(const struct call *call, const struct cursor *rest, uint32_t select)
{
	return cursor_link(call, (enum token_function)call->route.resource->delta_function, rest,
	                   entity_write_options(call, select));
}

/* "Collection(calendar)" */
static struct str
context_of(const struct call *call)
{
	const char *name = call->route.resource->odata_type;
	struct str  type = str_from_c(name ? name : "#microsoft.graph.entity");

	return arena_printf(call->arena, "Collection(%.*s)", STR_ARG(str_skip(type, sizeof("#microsoft.graph.") - 1)));
}

static enum err
put_page(struct call *call, const struct reader *reader, uint32_t limit, struct page *page, struct cursor *rest_out)
{
	enum err err = put_changes(call, reader, limit, page, rest_out);

	return err == ERR_GONE && call->route.served ? served_refuse_gone(call, &reader->cursor.generation) : err;
}

enum err
graph_delta(struct call *call)
{
	uint32_t      limit = call->query.page_size ? call->query.page_size : PAGE_SIZE_DEFAULT, select = 0;
	struct reader reader;
	struct cursor rest;
	struct page   page;
	struct str    link;

	call->may_restart = true;
	waiting_begin(call);
	TRY(waiting_freshen(call));
	TRY(read_options(call, &reader, &select));
	page_open(&page, call, call->route.resource, context_of(call), select);
	if (reader.from_now)
		rest = reader.cursor;
	else
		TRY(put_page(call, &reader, limit, &page, &rest));
	link = link_of(call, &rest, select);
	page_close(&page, cursor_link_name(&rest), link);

	if (call->query.page_size)
		headers_preference_applied(call, arena_printf(call->arena, "odata.maxpagesize=%u", (unsigned)limit));
	if (call->query.track_changes)
		headers_preference_applied(call, STR("odata.track-changes"));
	if (call->query.immutable_ids)
		headers_preference_applied(call, STR("IdType=\"ImmutableId\""));
	call->is_private = true;
	return waiting_end(call, &reader, &rest, link, page.count);
}

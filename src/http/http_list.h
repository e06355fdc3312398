/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_list — a ring of links that are members of the listed structs.
 *
 * A list is a link of its own; when empty, it points to itself.  A link that is in no list
 * points to itself too (or is zeroed), so removing it twice does no harm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct http_link {
	struct http_link *next, *prev;
};

#define HTTP_LIST_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void
http_list_open(struct http_link *list)
{
	list->next = list->prev = list;
}

static inline bool
http_list_is_empty(const struct http_link *list)
{
	return list->next == list;
}

static inline bool
http_link_is_listed(const struct http_link *link)
{
	return link->next && link->next != link;
}

static inline void
http_list_remove(struct http_link *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	http_list_open(link);
}

static inline void
http_list_append(struct http_link *list, struct http_link *link)
{
	http_list_remove(link);
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* The first link, taken out; NULL if there is none. */
static inline struct http_link *
http_list_take(struct http_link *list)
{
	struct http_link *link = list->next;

	if (link == list)
		return NULL;
	http_list_remove(link);
	return link;
}

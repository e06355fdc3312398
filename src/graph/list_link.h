/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list_link — the nextLink of a list, and back.  Private to the engine of lists (list.h).
 *
 * The link has the options of the request as they were given, and a $skiptoken: a state token that says where the next
 * page begins.  It is sealed, belongs to the list of this owner, and is good only with the $filter and $orderby that
 * it was made with.  $select, $top and $count may change from page to page.
 */
#pragma once

#include "graph/list.h"

/* Bytes of a key that an order compares; more do not fit into a link. */
#define LIST_KEY_MAX 384

/* ERR_BAD_TOKEN: no such token, or of another list. */
enum err   list_link_read(struct list *list) MUST_CHECK;
struct str list_link(const struct list *list, const struct feed_state *state);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_item — what one received item means: its id, whether it is removed, what is kept of it, its relations.
 * Private to the follow module.
 *
 * The rules come from the descriptor of the scope's resource, or if the URL names none, of the item's @odata.type.
 * Members "X@delta" hold parts of the relation X; they and the annotations "@microsoft.graph.…" are not kept.
 */
#pragma once

#include "base/arena.h"
#include "resource/resource.h"
#include "store/replica_relation.h"

/* What one pass over the item's members has found; texts as received, empty: missing. */
struct follow_raw {
	struct str  body, id, removed, type;
	bool        has_facet; /* `deleted`, not null */
	bool        has_parts; /* a member "X@delta" */
	bool        has_noise; /* an annotation that is no state */
	const char *fault;     /* NULL, or why it is no item */
};

#define FOLLOW_CUT_FAULT "it is larger than 16 MiB; only its beginning is kept"

struct follow_item {
	struct str             id, body; /* the id is empty if it cannot be known */
	enum replica_life      life;
	const char            *fault; /* not NULL: the reason for a dead letter */
	const struct resource *resource;
	struct str             received; /* with all members */
	bool                   has_parts;
};

/* Notes one member of the item.  The arena: for names with escapes. */
void follow_raw_note(struct follow_raw *raw, struct str name, struct str value, struct arena *arena);
/* resource: of the scope. */
void follow_item_make(const struct follow_raw *raw, const struct resource *resource, struct arena *arena,
                      struct follow_item *item_out);
/* A single item, from a dead letter; what is wrong with the text is the item's fault. */
void follow_item_read(struct str text, const struct resource *resource, struct arena *arena,
                      struct follow_item *item_out);
/* Puts a good item and its parts into the open page. */
void follow_item_put(struct replica *replica, const struct follow_item *item, struct arena *arena);

/* Does the fault of a string make a dead letter?  \u0000 and half a surrogate pair do not. */
bool follow_fault_counts(const char *what);
/* The item with U+FFFD for \u0000 and for halves of surrogate pairs.  False: it has none. */
bool follow_item_shown(struct str body, struct buf *shown_out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * property — a property of a resource, as a row of its descriptor.
 *
 * A property's number is its row.  Numbers are part of stored bodies and of state tokens ($select), so new rows are
 * only added at the end.  A body that was stored before a row existed gets the row's initial value.
 */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "store/store_view.h"

#define RESOURCE_PROPERTIES_MAX 32 /* a selection is a bit mask of 32 bits */
#define RESOURCE_COLUMNS_MAX    32
#define RESOURCE_TEXT_MAX       1024 /* bytes of a string property without a limit of its own */

enum property_type {
	TYPE_STRING,
	TYPE_BOOLEAN,
	TYPE_GUID,
	TYPE_MOMENT,
	TYPE_ENUM,    /* property.enumeration lists its members */
	TYPE_ENUMS,   /* an array of them, at most RESOURCE_ENUMS_MAX */
	TYPE_STRINGS, /* an array of strings; only read */
	TYPE_OBJECT   /* property.complex names the type */
};

#define RESOURCE_ENUMS_MAX 16

enum property_flag {
	PROPERTY_BETA = 1 << 0, /* absent from /v1.0 */
	PROPERTY_NOT_NULL = 1 << 1,
	PROPERTY_NEEDED = 1 << 2,  /* an import must bring it */
	PROPERTY_CREATE = 1 << 3,  /* POST may set it */
	PROPERTY_UPDATE = 1 << 4,  /* PATCH may set it */
	PROPERTY_FILTER = 1 << 5,  /* $filter may name it */
	PROPERTY_SORT = 1 << 6,    /* $orderby may name it */
	PROPERTY_ADD = 1 << 7,     /* a POST that Graph does not have may set it */
	PROPERTY_BETA_SET = 1 << 8 /* POST and PATCH may set it on /beta only */
};

struct enumeration {
	const char        *name;    /* "calendarColor", in the namespace microsoft.graph */
	int                first;   /* the value of the first member; each next is one more */
	const char *const *members; /* ended by NULL */
};

/* NULL: the value is good.  Else the end of a sentence that begins with the property's name. */
typedef const char *property_check_fn(struct str raw, struct str text, struct arena *arena);

struct property {
	const char               *name;
	enum property_type        type;
	unsigned                  flags;     /* of enum property_flag */
	size_t                    bytes_max; /* of a string; 0: RESOURCE_TEXT_MAX */
	const char               *initial;   /* JSON of a missing value; NULL: null, or made at creation */
	const struct enumeration *enumeration;
	const char               *complex; /* "emailAddress" */
	property_check_fn        *check;   /* beyond type and length; `text` is empty unless it is a string */
	const char               *example; /* a good value for messages; may be NULL */
	/* Its columns in the SQL view: name and JSON path; ended by a NULL name.  NULL: it has none. */
	const struct store_column *columns;
	unsigned                   column_at; /* position of the first of them in the view, from 1; 0: last */
};

/* May a client set it by one of those calls (PROPERTY_CREATE, …)? */
static inline bool
property_is_writable(const struct property *property, unsigned calls, bool beta)
{
	return (property->flags & calls) && (beta || !(property->flags & PROPERTY_BETA_SET));
}

/* A column with the name of its property, and its position in the view. */
#define COLUMN(name)      ((const struct store_column[]){ { name, name, NULL }, { NULL, NULL, NULL } })
#define IN_VIEW(name, at) .columns = COLUMN(name), .column_at = (at)

#define TRUTH_IN_VIEW(name, at) \
	.columns = ((const struct store_column[]){ STORE_COLUMN_AS("BOOLEAN", name), { NULL, NULL, NULL } }), \
	.column_at = (at)

/* "Edm.String", "graph.calendarColor", "Collection(graph.x)": the type as $metadata writes it. */
struct str property_edm_type(const struct property *property, struct arena *arena);

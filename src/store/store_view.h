/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_view — an SQL view of followed items: scope, id, the columns, value. The program makes the names; they need
 * no quotes.
 */
#pragma once

/* The names from the root of a tree down to the item: `parentReference.id` is its parent, `root` marks the root. */
#define STORE_TREE_PATH "tree path"

/* What ->> takes is a text in DuckDB: a column of another type is BOOLEAN or BIGINT. */
#define STORE_COLUMN_AS(type, name) \
	{ \
		name, NULL, "CAST(~ ->> '$." name "' AS " type ")" \
	}

struct store_column {
	const char *name, *path; /* a JSON path below the item: "owner.name" */
	const char *sql;         /* without a path: an expression, with ~ for the item's JSON; or STORE_TREE_PATH */
};

struct store_view {
	const char                *name;       /* also the resource of its scopes: "calendars" */
	const char                *odata_type; /* items of this type are shown in any scope */
	const struct store_column *columns;    /* ended by a NULL name */
};

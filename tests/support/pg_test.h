/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pg_test — a store of its own in the PostgreSQL of tests/support/postgresql.py, for each test that runs under it.
 *
 * Every store is in a schema of its own: the URL says so, and nothing else is different.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/err.h"

/* The URL of the database; NULL: the test does not run under PostgreSQL. */
static inline const char *
pg_test_database(void)
{
	return getenv("TIDEMARK_TEST_POSTGRESQL");
}

/* The first column of the first row, as text; empty if there is none. */
static inline void
pg_test_sql(const char *url, const char *text, char value_out[64])
{
	PGconn   *conn = PQconnectdb(url);
	PGresult *result = PQexec(conn, text);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fprintf(stderr, "%s: %s\n", text, PQerrorMessage(conn));
	MUST(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK);
	if (value_out)
		(void)snprintf(value_out, 64, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
	PQfinish(conn);
}

static inline void
pg_test_make(char *url_out, size_t size)
{
	static int number;
	char       text[128];

	(void)snprintf(text, sizeof(text), "SET client_min_messages = error; CREATE SCHEMA test%d", ++number);
	pg_test_sql(pg_test_database(), text, NULL);
	(void)snprintf(url_out, size, "%s&options=-csearch_path%%3Dtest%d", pg_test_database(), number);
}

/* The database's own means: the store as it is now into a file; and back, in tables that are made anew. */
static inline void
pg_test_copy(const char *url, const char *path, bool back)
{
	const char *schema = strrchr(url, 'D') + 1;
	char        command[512];

	if (back) {
		(void)snprintf(command, sizeof(command), "SET client_min_messages = error; DROP SCHEMA %s CASCADE",
		               schema);
		pg_test_sql(pg_test_database(), command, NULL);
	}
	(void)snprintf(command, sizeof(command),
	               back ? "psql -Xq -v ON_ERROR_STOP=1 -d '%s' -f %s >/dev/null" : "pg_dump -d '%s' -f %s -n %s",
	               pg_test_database(), path, schema);
	MUST(system(command) == 0);
}

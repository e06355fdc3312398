# SPDX-License-Identifier: Apache-2.0
"""duckdb_store.py STORE PAGE: every view in DuckDB, and the queries of PAGE (docs/sql.md); both must answer what SQLite answers."""
import importlib.resources
import re
import sqlite3
import sys

import duckdb

store, page = sys.argv[1], open(sys.argv[2]).read()
extension = next(importlib.resources.files("duckdb_extension_sqlite_scanner").glob("extensions/*/sqlite_scanner.duckdb_extension"))
lite = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
duck = duckdb.connect()
duck.load_extension(str(extension))
# The page's own line, but for what INSTALL does and for the name of the file.
attach = re.search(r"^(ATTACH .*);\nUSE (\w+);$", page, re.M)
duck.execute(attach[1].replace("tidemark.db", store))
duck.execute(f"USE {attach[2]}")


def same(query, where):
    def rows(cursor):
        return sorted(str([int(one) if isinstance(one, bool) else one for one in row]) for row in cursor.fetchall())

    found, expected = rows(duck.execute(query)), rows(lite.execute(query))
    assert found == expected, f"{where}\n{found}\n{expected}"
    return len(found)


views = [row[0] for row in lite.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
for view in views:
    # What DuckDB cannot read itself it hands to SQLite: then all columns are texts, and numbers sort as texts.
    sql = duck.execute("SELECT sql FROM duckdb_views() WHERE view_name = ?", [view]).fetchone()[0]
    assert "sqlite_query(" not in sql, sql
    assert same(f"SELECT * FROM {view}", view) > 0, f"{view} shows nothing"
own, handed = 0, 0
for query in re.findall(r"```sql\n(.*?)```", page, re.S):
    if re.search(r"julianday|max\(createdDateTime\)", query):
        duck.execute(f"SELECT * FROM sqlite_query('{attach[2]}', ?)", [query.rstrip().rstrip(";")]).fetchall()
        handed += 1
    else:
        same(query, query)
        own += 1
print(f"{len(views)} views, {own} queries, {handed} by sqlite_query")

/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite_views — the SQL views of followed items.  Private to the store module. */
#pragma once

#include "store/store_sqlite.h"

/* Makes each view that is missing or differs from its description.  As store_conf.views. */
enum err sql_views_refresh(struct conn *conn, const struct store_view *views) MUST_CHECK;

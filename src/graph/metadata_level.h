/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata_level — an answer without OData's control information (odata.metadata=none).  Private to the graph module.
 *
 * Bodies are stored and joined at the minimal level.  This takes a finished one apart again, which costs only the few
 * clients that ask for it.  nextLink, deltaLink, count and @removed stay, because readers need them.
 */
#pragma once

#include "base/buf.h"

/* `json`: a whole JSON value that this program wrote. */
void metadata_strip(struct str json, struct buf *buf);

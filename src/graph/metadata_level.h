/* SPDX-License-Identifier: Apache-2.0 */
/*
 * level — an answer without OData's control information (odata.metadata=none).  Private to the face module.
 *
 * Bodies are stored and joined as the minimal level wants them; this takes a finished one apart again,
 * which only the few clients pay for that ask.  What a reader cannot do without stays: nextLink,
 * deltaLink, count and @removed.
 */
#pragma once

#include "base/buf.h"

/* `json`: a whole JSON value that this program wrote. */
void metadata_strip(struct str json, struct buf *buf);

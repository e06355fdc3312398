/* SPDX-License-Identifier: Apache-2.0 */
/*
 * range — which bytes of a content a request wants, and whether its conditions hold (RFC 9110, 13 and 14).
 * Private to the graph module.
 *
 * One range is honoured.  Several ranges, another unit or a malformed range give the whole, as the RFC allows.
 */
#pragma once

#include "base/str.h"

enum range_kind {
	RANGE_WHOLE,
	RANGE_PART,
	RANGE_OUTSIDE /* 416 */
};

/* `field`: the value of Range. from_out and len_out are set for RANGE_PART alone; len is never 0. */
enum range_kind range_read(struct str field, uint64_t size, uint64_t *from_out, uint64_t *len_out);

/* Does the list hold this strong entity tag (with quotes), or '*'?  `weak`: the tag's weak form counts too. */
bool etag_list_has(struct str list, struct str etag, bool weak);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwks_fetch — the gate's source of keys: one GET of an https URL, or one file.
 *
 * TLS is checked against the system's authorities or the file given; no redirect is followed, no
 * other scheme spoken; five seconds for all of it; the answer must be 200 and fit the buffer.
 * https_proxy and no_proxy are honoured.
 */
#pragma once

#include "base/buf.h"

/* ERR_IO, ERR_UP_REFUSED (another status), ERR_TOO_LARGE.  A `struct auth_source`'s fetch. */
enum err jwks_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256]);

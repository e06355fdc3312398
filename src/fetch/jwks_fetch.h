/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwks_fetch — reads the keys of an external issuer, from an https URL or a file.
 *
 * One GET within five seconds; the response must be 200 and fit the buffer.  `ca` replaces the system's authorities.
 * https_proxy and no_proxy apply.
 */
#pragma once

#include "base/buf.h"

/* ERR_IO, ERR_UP_REFUSED (another status), ERR_TOO_LARGE.  A `struct auth_source`'s fetch. */
enum err jwks_fetch(void *ctx, struct str url, struct str ca, struct buf *body, char why_out[256]);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest — SHA-256 of bytes that come in pieces (OpenSSL, which uses the processor's own instructions).
 * For bytes that are all there, hash_sha256() of seal.h is enough.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32

struct digest;

struct digest *digest_open(void); /* never NULL */
void           digest_put(struct digest *digest, const void *bytes, size_t len);
void           digest_read(const struct digest *digest, uint8_t out[DIGEST_BYTES]); /* more may be put afterwards */
void           digest_close(struct digest **digest);                                /* NULL inside is fine */

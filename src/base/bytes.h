/* SPDX-License-Identifier: Apache-2.0 */
/* bytes — what every module does to bytes: hex digits, numbers in little-endian order, a hash. */
#pragma once

#include <endian.h>

#include "base/str.h"

/* 0..15, in either letter case; -1 for anything else. */
static inline int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 2 * len digits in small letters, without a NUL. */
void hex_write(const void *bytes, size_t len, char *text_out);
/* Exactly what hex_write() writes of len bytes; false for anything else. */
bool hex_read(struct str text, void *bytes_out, size_t len);

/* The low `width` bytes of a number, 1 to 8, the lowest first. */
static inline void
le_write(void *at, uint64_t value, size_t width)
{
	value = htole64(value);
	memcpy(at, &value, width);
}

static inline uint64_t
le_read(const void *at, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, at, width);
	return le64toh(value);
}

#define BYTES_HASH_START UINT64_C(14695981039346656037)

/* FNV-1a. Who chooses the bytes can choose the hash, unless `hash` starts from a secret. */
static inline uint64_t
bytes_hash(uint64_t start, struct str bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		start = (start ^ (uint8_t)bytes.at[i]) * UINT64_C(1099511628211);
	return start;
}

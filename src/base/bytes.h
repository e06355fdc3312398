/* SPDX-License-Identifier: Apache-2.0 */
/* bytes — what every module does to bytes: hex digits. */
#pragma once

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

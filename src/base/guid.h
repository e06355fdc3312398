/* SPDX-License-Identifier: Apache-2.0 */
/* guid — 16 bytes that name a tenant, a user, a request; written 8-4-4-4-12 in lower-case hex. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/str.h"

#define GUID_TEXT_LEN 36

struct guid {
	uint8_t b[16];
};

struct guid_str {
	char c[GUID_TEXT_LEN + 1]; /* ends with NUL */
};

bool guid_parse(struct str text, struct guid *guid_out); /* any letter case; nothing else */
void guid_format(const struct guid *guid, char text_out[GUID_TEXT_LEN]);
/* For one expression: printf("%s", guid_str(&id).c). */
struct guid_str guid_str(const struct guid *guid);
struct guid     guid_random(const struct entropy *entropy); /* version 4 */
bool            guid_eq(const struct guid *a, const struct guid *b);
bool            guid_is_zero(const struct guid *guid);

static inline struct str
guid_bytes(const struct guid *guid)
{
	return str_of(guid->b, sizeof(guid->b));
}
/* False if there are not exactly as many bytes. */
bool guid_from_bytes(struct str bytes, struct guid *guid_out);

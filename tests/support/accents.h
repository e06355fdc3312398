/* SPDX-License-Identifier: Apache-2.0 */
/* accents — a long path of two-byte characters, and whether a sentence that names it holds half of one. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ACCENTS_SIZE 641

/* "/", `shift` letters, then "é" to the end: with two shifts a cut at any byte meets the middle of a character. */
static inline const char *
accents_path(char path_out[ACCENTS_SIZE], size_t shift)
{
	size_t len = 1 + shift;

	(void)snprintf(path_out, ACCENTS_SIZE, "/%.*s", (int)shift, "aaaa");
	for (; len + 2 < ACCENTS_SIZE; len += 2)
		memcpy(path_out + len, "\xc3\xa9", 2);
	path_out[len] = '\0';
	return path_out;
}

static inline bool
accents_are_whole(const char *text)
{
	for (; *text; text++)
		if ((text[0] == '\xc3') != (text[1] == '\xa9'))
			return false;
		else if (text[0] == '\xc3')
			text++;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *
err_text(enum err err)
{
	switch (err) {
#define X(name, text) \
	case name: \
		return text;
		ERR_TABLE(X)
#undef X
	}
	return "unknown error";
}

void
must_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "tidemark: bug at %s:%d: %s does not hold\n", file, line, what);
	abort();
}

void *
handle_new(size_t size)
{
	void *memory = calloc(1, size);

	MUST(memory != NULL);
	return memory;
}

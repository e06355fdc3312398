/* SPDX-License-Identifier: Apache-2.0 */
/* literal — a text in OData's single quotes, where a quote inside is doubled.  Private to the graph module. */
#pragma once

#include "base/arena.h"

/* Takes the text off the front of *rest, which begins behind the opening quote.  False: there is no closing quote. */
bool literal_take(struct str *rest, struct arena *arena, struct str *text_out);
/* The whole of `text`: quoted, or as it is.  False: the quotes do not match. */
bool literal_read(struct str text, struct arena *arena, struct str *text_out);

/* SPDX-License-Identifier: Apache-2.0 */
/* plain — stored bodies of resources without a format of their own: 'P', the number of rows, the JSON text. */
#include "resource/values.h"

#define BODY_MARK  'P'
#define HEAD_BYTES 2

bool
resource_plain_read(const struct resource *resource, struct str body, const struct resource_sending *sending,
                    struct arena *arena, struct values *values_out)
{
	(void)sending;
	*values_out = (struct values){ .unknown = STR_EMPTY };
	return body.len > HEAD_BYTES && body.at[0] == BODY_MARK &&
	       resource_read_stored(resource, str_skip(body, HEAD_BYTES), (uint8_t)body.at[1], arena, values_out);
}

size_t
resource_plain_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                      struct str pieces_out[RESOURCE_PIECES_MAX])
{
	if (body.len < HEAD_BYTES + 2 || body.at[0] != BODY_MARK || (uint8_t)body.at[1] != resource->property_count)
		return 0;
	for (size_t row = 0; row < resource->property_count && !sending->beta; row++)
		if (resource->properties[row].flags & PROPERTY_BETA)
			return 0;
	pieces_out[0] = str_skip(body, HEAD_BYTES);
	return 1;
}

struct str
resource_plain_body(const struct resource *resource, const struct values *values, struct arena *arena)
{
	AUTO(buf_close) struct buf body;

	buf_open(&body, STORE_BODY_MAX);
	buf_put_char(&body, BODY_MARK);
	buf_put_char(&body, (char)resource->property_count);
	resource_put_object(&body, resource, values, NULL);
	return buf_err(&body) == OK ? arena_copy(arena, buf_str(&body)) : STR_EMPTY;
}

void
resource_plain_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                          struct str value, const struct content_ref *content, struct str *why_out)
{
	struct values values;
	struct item   item = { .body = STR_EMPTY };
	enum err      err = resource_read_import(resource, value, ctx->arena, &values, why_out);

	(void)content;
	if (err == OK && values.raw[0].len == 0) {
		*why_out = arena_printf(ctx->arena, "%s %s needs an 'id'", resource->article, resource->name);
		err = ERR_BAD_REQUEST;
	}
	if (err == OK) {
		values_fill(&values, resource);
		item.body = resource_plain_body(resource, &values, ctx->arena);
		err = item.body.len > 0 ? OK : ERR_TOO_LARGE;
	}
	if (values_fail(txn, err))
		return;
	item.id = values_text(&values, 0, ctx->arena);
	item.key = values_folded(&values, resource->key, ctx->arena);
	store_put(txn, &ctx->feed, &item);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "resource/followed.h"

#include "base/bytes.h"
#include "crypt/seal.h"
#include "resource/values.h"
#include "text/json_span.h"
#include "text/uri.h"

#define FILE_NAME_BYTES 180 /* of an escaped id */
#define FILE_HASH_BYTES 16

static bool
read_body(const struct resource *resource, struct str body, const struct resource_sending *sending, struct arena *arena,
          struct values *values_out)
{
	struct json_walk walk;
	struct json_span span;

	(void)sending;
	(void)arena;
	*values_out = (struct values){ .unknown = STR_EMPTY };
	json_walk_open(&walk, body);
	while (json_walk_next(&walk, &span))
		for (size_t row = 0; row < resource->property_count; row++)
			if (json_span_is_named(span.name, str_from_c(resource->properties[row].name)))
				values_out->raw[row] = span.value;
	values_fill(values_out, resource);
	return true;
}

struct resource
resource_followed(const struct resource *of)
{
	return (struct resource){
		.number = of->number,
		.name = of->name,
		.article = of->article,
		.odata_type = of->odata_type,
		.collection = of->collection,
		.identity = of->identity,
		.removal = of->removal,
		.relations = of->relations,
		.reads = of->reads,
		.rights = of->rights,
		.properties = of->properties,
		.property_count = of->property_count,
		.key = SIZE_MAX, /* its items have no second key */
		.is_followed = true,
		.read = read_body,
		.delta_function = RESOURCE_FOLLOWED_DELTA,
		.version_row = of->version_row,
	};
}

/* "r-" and the id, escaped.  The hash separates scopes, and long ids with the same beginning. */
struct str
resource_content_file(struct str url, struct str owner, struct str id, struct arena *arena)
{
	struct str whole = arena_printf(arena, "%.*s\n%.*s\n%.*s", STR_ARG(url), STR_ARG(owner), STR_ARG(id));
	uint8_t    hash[32];
	char       hex[2 * FILE_HASH_BYTES];

	hash_sha256(whole, hash);
	hex_write(hash, FILE_HASH_BYTES, hex);
	return arena_printf(arena, "r-%.*s-%.*s", STR_ARG(str_cut(uri_encode(id, "=", arena), FILE_NAME_BYTES)),
	                    (int)sizeof(hex), hex);
}

struct str
resource_content_file_older(struct str id, struct arena *arena)
{
	return arena_printf(arena, "r-%.*s-%016llx", STR_ARG(str_cut(uri_encode(id, "=", arena), FILE_NAME_BYTES)),
	                    (unsigned long long)bytes_hash(BYTES_HASH_START, id));
}

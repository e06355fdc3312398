/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the rest is:
 *   'f' the whole Authorization field        'b' what stands after "Bearer "
 *   'm' edits of a good token                'p' a payload, rightly signed
 *   'h' a header over a good payload, rightly signed
 * Only the last two may be taken, and then the caller must be whole.
 */
#include "auth/auth.h"
#include "crypt/seal.h"
#include "crypt/sign.h"
#include "text/b64.h"

#define NOW_NS INT64_C(1800000000000000000)

struct world {
	struct clock      clock;
	struct store     *store;
	struct issuer    *issuer;
	struct auth_gate *gate;
	struct arena     *arena; /* of one run */
	struct arena     *kept;
	struct str        token, header, payload;
};

static int64_t
fixed_ns(void *ctx)
{
	(void)ctx;
	return NOW_NS;
}

static struct str
mint(struct world *world)
{
	struct issuer_grant grant = {
		.app = STR("app"), .is_app = true, .grants = STR("Calendars.Read"), .life_s = 3600
	};
	struct str jwt;

	memset(grant.tenant.b, 1, sizeof(grant.tenant.b));
	memset(grant.oid.b, 2, sizeof(grant.oid.b));
	MUST(issuer_mint(world->issuer, &grant, world->kept, &jwt) == OK);
	return jwt;
}

static void
open_world(struct world *world)
{
	struct store_conf conf = { .url = STR("memory:"),
		                   .access = STORE_SERVE,
		                   .create = true,
		                   .clock = &world->clock,
		                   .entropy = &entropy_system };
	struct auth_conf  auth = { 0 };
	char              why[512];
	struct str        rest;

	MUST(crypt_init() == OK);
	world->clock = (struct clock){ NULL, fixed_ns, fixed_ns };
	world->arena = arena_open((size_t)64 << 20);
	world->kept = arena_open((size_t)1 << 20);
	MUST(store_open(&conf, &world->store, why) == OK);
	MUST(directory_ensure(world->store, &entropy_system, &world->clock) == OK);
	MUST(issuer_open(world->store, &world->clock, &entropy_system, &world->issuer) == OK);
	auth.store = world->store;
	auth.issuer = world->issuer;
	auth.clock = &world->clock;
	MUST(auth_gate_open(&auth, &world->gate) == OK);
	world->token = mint(world);
	rest = world->token;
	MUST(str_take_until(&rest, '.', &world->header) && str_take_until(&rest, '.', &world->payload));
}

static bool
is_taken(struct world *world, struct str field, struct caller *caller)
{
	const char *why = NULL;
	enum err    err = auth_check(world->gate, field, world->arena, caller, &why);

	MUST(err == OK || (err == ERR_NO_IDENTITY && why != NULL));
	return err == OK;
}

/* Edits of four bytes each: what, where (two bytes), with what. */
static struct str
edited(struct world *world, const uint8_t *data, size_t size)
{
	char  *text = arena_take_raw(world->arena, world->token.len + size);
	size_t len = world->token.len;

	memcpy(text, world->token.at, len);
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = len ? (size_t)(data[1] << 8 | data[2]) % len : 0;

		if (data[0] % 4 == 0 && len > 0) {
			text[at] = (char)data[3];
		} else if (data[0] % 4 == 1 && len > 0) {
			text[at] = (char)(text[at] ^ 1 << data[3] % 8);
		} else if (data[0] % 4 == 2 && len > 0) {
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
		} else {
			memmove(text + at + 1, text + at, len - at);
			text[at] = (char)data[3];
			len++;
		}
	}
	return str_of(text, len);
}

static struct str
bearer(struct world *world, struct str token)
{
	char *field = arena_take_raw(world->arena, 7 + token.len);

	memcpy(field, "Bearer ", 7);
	memcpy(field + 7, token.at, token.len);
	return str_of(field, 7 + token.len);
}

static struct str
signed_field(struct world *world, struct str header, struct str payload)
{
	struct str message = arena_printf(world->arena, "%.*s.%.*s", STR_ARG(header), STR_ARG(payload)), text;
	uint8_t    signature[64];

	MUST(sign_make(issuer_key(world->issuer), message, signature) == OK);
	text = b64_encode(B64_URL, signature, sizeof(signature), world->arena);
	return bearer(world, arena_printf(world->arena, "%.*s.%.*s", STR_ARG(message), STR_ARG(text)));
}

static void
run(struct world *world, char kind, struct str rest)
{
	struct str    encoded = b64_encode(B64_URL, rest.at, rest.len, world->arena), text;
	struct caller caller;

	switch (kind) {
	case 'f':
		MUST(!is_taken(world, rest, &caller) || str_ends(rest, world->token));
		return;
	case 'b':
		MUST(!is_taken(world, bearer(world, rest), &caller) || str_ends(rest, world->token));
		return;
	case 'm':
		text = edited(world, (const uint8_t *)rest.at, rest.len);
		MUST(!is_taken(world, bearer(world, text), &caller) || str_eq(str_trim(text), world->token));
		return;
	case 'p':
		text = signed_field(world, world->header, encoded);
		break;
	case 'h':
		text = signed_field(world, encoded, world->payload);
		break;
	default:
		return;
	}
	if (is_taken(world, text, &caller))
		MUST(!guid_is_zero(&caller.tenant) && !guid_is_zero(&caller.oid));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;

	if (!world.gate)
		open_world(&world);
	if (size == 0 || size > 16384)
		return 0;
	run(&world, (char)data[0], str_of(data + 1, size - 1));
	arena_reset(world.arena);
	return 0;
}

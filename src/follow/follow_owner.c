/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/follow_owner.h"

#include "crypt/seal.h"
#include "fetch/fetch_link.h"
#include "fetch/fetch_secrets.h"
#include "follow/follow_error.h"
#include "text/b64.h"
#include "text/json_read.h"
#include "text/uri.h"

#define PART_MAX 120 /* bytes of a tenant or an id */

_Static_assert(2 * PART_MAX + 1 <= REPLICA_OWNER_MAX, "every owner has room");

/* ---- URLs ----------------------------------------------------------------------------------- */

static bool
is_version(struct str segment)
{
	return str_eq_nocase(segment, STR("beta")) ||
	       (segment.len > 1 && (segment.at[0] | 0x20) == 'v' && segment.at[1] >= '0' && segment.at[1] <= '9');
}

/* The first segment of the path, or the one behind the version; a path before the version is that of a gateway. */
bool
follow_owner_link(struct str url, struct arena *arena, struct str *link_out)
{
	struct uri_parts parts;
	struct str       rest, segment, plain;
	bool             may_be = true;

	if (!uri_split(url, &parts))
		return false;
	for (rest = parts.path; str_take_until(&rest, '/', &segment);) {
		if (segment.len == 0)
			continue;
		if (uri_decode(segment, arena, &plain) != OK)
			return false;
		if (may_be && str_eq_nocase(plain, STR("me"))) {
			*link_out = arena_printf(arena, "%.*s?$select=id", (int)(segment.at + segment.len - url.at),
			                         url.at);
			return true;
		}
		may_be = is_version(plain);
	}
	return false;
}

/* ---- owners --------------------------------------------------------------------------------- */

static struct str
id_of(struct str owner)
{
	size_t at = str_find(owner, '/');

	return at < owner.len ? str_skip(owner, at + 1) : owner;
}

bool
follow_owner_is(struct str a, struct str b)
{
	struct str id_a = id_of(a), id_b = id_of(b);

	return str_eq_nocase(id_a, id_b) && (a.len == id_a.len || b.len == id_b.len || str_eq_nocase(a, b));
}

/* Text from outside that will stand in the store and in messages. */
static bool
is_part(const struct json *value, struct str *text_out)
{
	return json_text(value, text_out) && text_out->len > 0 && text_out->len <= PART_MAX &&
	       fetch_is_visible(*text_out) && str_find(*text_out, '/') == text_out->len;
}

/* The signature is not checked: the token is ours, and whoever gave it to us could give us any other. */
static bool
read_jwt(struct str token, struct arena *arena, struct str *owner_out)
{
	AUTO(json_drop) struct json *claims = NULL;
	struct str                   rest = token, head, payload, text, tenant, id;

	if (!str_take_until(&rest, '.', &head) || !str_take_until(&rest, '.', &payload) ||
	    !b64_decode(B64_URL, payload, arena, &text) || json_read(text, arena, &claims, NULL) != OK ||
	    !is_part(json_member(claims, "tid"), &tenant) || !is_part(json_member(claims, "oid"), &id))
		return false;
	*owner_out = arena_printf(arena, "%.*s/%.*s", STR_ARG(tenant), STR_ARG(id));
	return true;
}

/* A remote may repeat anything: what it calls an id must not be a secret. */
static bool
read_answer(const struct follow_owner *owner, const struct follow_response *answer, struct arena *arena,
            struct str *owner_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   id;

	if (answer->status != 200 || answer->body.len > FETCH_BEARER_MAX ||
	    json_read(answer->body, arena, &root, NULL) != OK || !is_part(json_member(root, "id"), &id) ||
	    (owner->inner.secrets && fetch_secrets_stand_in(owner->inner.secrets, id)))
		return false;
	*owner_out = arena_copy(arena, id);
	return true;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* Only the remote's own origin: the link is the beginning of the scope's URL, and the source follows no redirect. */
static enum err
ask(struct follow_owner *owner, struct str token, struct arena *arena, struct str *found_out, struct str *why_out)
{
	struct follow_request request = { .link = owner->link, .bearer = token };
	enum err              err = owner->source.fetch(owner->source.ctx, &request, arena, &owner->answer, why_out);

	if (err != OK && err != ERR_TOO_LARGE)
		return err;
	owner->has_answered = err == OK;
	if (err == OK && read_answer(owner, &owner->answer, arena, found_out))
		return OK;
	(void)str_printf(owner->doubt, sizeof(owner->doubt), "GET /me?$select=id gives %s",
	                 err == OK && owner->answer.status != 200 ? follow_error_describe(&owner->answer, arena)
	                                                          : "no id");
	if (owner->inner.secrets)
		fetch_secrets_mask(owner->inner.secrets, owner->doubt, strlen(owner->doubt));
	*why_out = str_from_c(owner->doubt);
	return err == OK && owner->answer.status >= 400 && follow_error_is_passing(owner->answer.status) ? ERR_BUSY
	                                                                                                 : OK;
}

static enum err
check(struct follow_owner *owner, struct str token, struct arena *arena, struct str *why_out)
{
	struct str found = STR_EMPTY, held = str_from_c(owner->text);

	owner->doubt[0] = '\0';
	if (!read_jwt(token, arena, &found))
		TRY(ask(owner, token, arena, &found, why_out));
	if (found.len > 0 && held.len > 0 && !follow_owner_is(found, held)) {
		*why_out = arena_printf(arena, "this one is that of %.*s, but the scope holds the data of %.*s",
		                        STR_ARG(found), STR_ARG(held));
		return ERR_NO_IDENTITY;
	}
	if (held.len == 0)
		(void)str_printf(owner->text, sizeof(owner->text), "%.*s", STR_ARG(found));
	return OK;
}

static enum err
get(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct follow_owner *owner = ctx;
	struct str           token;
	uint8_t              hash[sizeof(owner->seen)];
	enum err             failed = owner->failed;

	if (failed != OK) {
		*why_out = owner->why;
		owner->failed = OK;
		return failed;
	}
	owner->has_answered = false;
	TRY(owner->inner.get(owner->inner.ctx, again, arena, &token, why_out));
	hash_sha256(token, hash);
	if (memcmp(hash, owner->seen, sizeof(hash)) != 0)
		TRY(check(owner, token, arena, why_out));
	memcpy(owner->seen, hash, sizeof(hash));
	*bearer_out = token;
	return OK;
}

static void
demand(void *ctx, struct str claims)
{
	struct follow_owner *owner = ctx;

	if (owner->inner.demand)
		owner->inner.demand(owner->inner.ctx, claims);
}

struct fetch_bearer
follow_owner_bearer(struct follow_owner *owner)
{
	return (struct fetch_bearer){ owner, get, demand, owner->inner.secrets };
}

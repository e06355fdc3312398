/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/jwt.h"

#include "text/b64.h"
#include "text/json_read.h"

/* Seconds at the end of the year 9999; a moment past it is a mistake or an attempt to overflow. */
#define MOMENT_MAX_S INT64_C(253402300799)

#define APP_MAX 128

/*
 * All members a header may have.  Others are refused, among them crit, b64 and zip, which change what is
 * signed; jku, x5u, jwk and x5c, which bring a key; and cty, which announces a token inside the token.
 */
#define HEADER_MEMBERS "alg typ kid x5t x5t#S256"

static bool
type_known(struct str typ)
{
	return str_eq_nocase(typ, STR("JWT")) || str_eq_nocase(typ, STR("at+jwt"));
}

static enum err
read_header(struct str text, struct arena *arena, struct jwt *jwt)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   alg, kid, typ;

	TRY(json_read(text, arena, &root, NULL));
	if (json_kind(root) != JSON_OBJECT)
		return ERR_BAD_REQUEST;
	for (const struct json *member = json_first(root); member; member = member->next)
		if (!str_has_word(STR(HEADER_MEMBERS), ' ', member->name, str_eq))
			return ERR_BAD_REQUEST;
	if (!json_text(json_member(root, "alg"), &alg) || !json_text(json_member(root, "kid"), &kid))
		return ERR_BAD_REQUEST;
	if (kid.len == 0 || kid.len > JWT_KID_MAX)
		return ERR_BAD_REQUEST;
	if (json_member(root, "typ") && (!json_text(json_member(root, "typ"), &typ) || !type_known(typ)))
		return ERR_BAD_REQUEST;
	jwt->alg = arena_copy(arena, alg);
	jwt->kid = arena_copy(arena, kid);
	return OK;
}

enum err
jwt_cut(struct str text, struct arena *arena, struct str *header_out, struct jwt *jwt_out)
{
	struct jwt jwt = { 0 };
	size_t     header_len, payload_len;
	struct str rest, header;

	header_len = str_find(text, '.');
	rest = str_skip(text, header_len + 1);
	payload_len = str_find(rest, '.');
	if (header_len == 0 || payload_len == 0 || payload_len == rest.len)
		return ERR_BAD_REQUEST;
	jwt.message = str_first(text, header_len + 1 + payload_len);
	/* A third dot lands in the signature's text, where base64url does not know it. */
	if (!b64_decode(B64_URL, str_first(text, header_len), arena, &header) ||
	    !b64_decode(B64_URL, str_first(rest, payload_len), arena, &jwt.payload) ||
	    !b64_decode(B64_URL, str_skip(rest, payload_len + 1), arena, &jwt.signature))
		return ERR_BAD_REQUEST;
	*header_out = header;
	*jwt_out = jwt;
	return OK;
}

enum err
jwt_split(struct str text, struct arena *arena, struct jwt *jwt_out)
{
	struct jwt jwt;
	struct str header;

	MUST(text.len <= JWT_BYTES_MAX);
	TRY(jwt_cut(text, arena, &header, &jwt));
	TRY(read_header(header, arena, &jwt));
	*jwt_out = jwt;
	return OK;
}

/* Present and of the wrong kind is never the same as absent. */
static enum err
read_optional_text(const struct json *value, struct str *text_out)
{
	if (!value || json_text(value, text_out))
		return OK;
	return ERR_BAD_REQUEST;
}

static enum err
read_moment(const struct json *value, int64_t *seconds_out)
{
	int64_t seconds;

	if (!json_int(value, &seconds) || seconds < 0 || seconds > MOMENT_MAX_S)
		return ERR_BAD_REQUEST;
	*seconds_out = seconds;
	return OK;
}

static enum err
read_guid(const struct json *value, struct guid *guid_out)
{
	struct guid guid;
	struct str  text;

	if (!json_text(value, &text) || !guid_parse(text, &guid) || guid_is_zero(&guid))
		return ERR_BAD_REQUEST;
	*guid_out = guid;
	return OK;
}

/* aud: one text, or an array of texts and nothing else. */
static enum err
read_audiences(const struct json *value, struct arena *arena, struct jwt_claims *claims)
{
	bool       many = json_kind(value) == JSON_ARRAY;
	struct str text;

	claims->audiences = arena_take(arena, (many ? json_count(value) : 1) * sizeof(*claims->audiences));
	for (const struct json *one = many ? json_first(value) : value; one; one = many ? one->next : NULL) {
		if (!json_text(one, &text))
			return ERR_BAD_REQUEST;
		claims->audiences[claims->audience_count++] = arena_copy(arena, text);
	}
	return value ? OK : ERR_BAD_REQUEST;
}

/* A role that holds a blank would be two roles once joined, so it is refused. */
static enum err
read_roles(const struct json *value, struct arena *arena, struct str *grants_out)
{
	size_t     total = 0;
	struct str role;
	char      *text;

	if (json_kind(value) != JSON_ARRAY)
		return ERR_BAD_REQUEST;
	for (const struct json *one = json_first(value); one; one = one->next) {
		if (!json_text(one, &role) || role.len == 0 || !str_is_within(role, '!', '~'))
			return ERR_BAD_REQUEST;
		total += role.len + 1;
	}
	text = arena_take_raw(arena, total + 1);
	total = 0;
	for (const struct json *one = json_first(value); one; one = one->next) {
		if (total > 0)
			text[total++] = ' ';
		memcpy(text + total, one->text.at, one->text.len);
		total += one->text.len;
	}
	*grants_out = str_of(text, total);
	return OK;
}

/*
 * scp means that a user is present; then roles are that user's and are ignored. Roles alone make an application,
 * unless idtyp contradicts: a user's token must never count as an application's.
 */
static enum err
read_grants(const struct json *root, struct arena *arena, struct jwt_claims *claims)
{
	const struct json *scp = json_member(root, "scp"), *roles = json_member(root, "roles");
	struct str         scopes = STR_EMPTY, joined = STR_EMPTY, idtyp = STR_EMPTY;

	if (!scp && !roles)
		return ERR_BAD_REQUEST;
	if (roles)
		TRY(read_roles(roles, arena, &joined));
	if (scp && (!json_text(scp, &scopes) || !str_is_within(scopes, ' ', '~')))
		return ERR_BAD_REQUEST;
	TRY(read_optional_text(json_member(root, "idtyp"), &idtyp));
	if (str_eq_nocase(idtyp, STR("app")) ? scp != NULL : idtyp.len > 0 && !scp)
		return ERR_BAD_REQUEST;
	claims->is_app = !scp;
	claims->grants = scp ? arena_copy(arena, scopes) : joined;
	return OK;
}

enum err
jwt_read_claims(struct str payload, struct arena *arena, struct jwt_claims *claims_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct jwt_claims            claims = { .generation = JWT_GENERATION_NONE };
	struct str                   iss, app = STR_EMPTY;

	TRY(json_read(payload, arena, &root, NULL));
	if (json_kind(root) != JSON_OBJECT || !json_text(json_member(root, "iss"), &iss))
		return ERR_BAD_REQUEST;
	claims.has_nbf = json_member(root, "nbf") != NULL;
	if (claims.has_nbf)
		TRY(read_moment(json_member(root, "nbf"), &claims.nbf_s));
	claims.has_iat = json_member(root, "iat") != NULL;
	if (claims.has_iat)
		TRY(read_moment(json_member(root, "iat"), &claims.iat_s));
	TRY(read_moment(json_member(root, "exp"), &claims.exp_s));
	TRY(read_audiences(json_member(root, "aud"), arena, &claims));
	if (json_member(root, "tid"))
		TRY(read_guid(json_member(root, "tid"), &claims.tid));
	TRY(read_guid(json_member(root, "oid"), &claims.oid));
	TRY(read_optional_text(json_member(root, "azp"), &app));
	TRY(read_optional_text(json_member(root, "appid"), &app));
	if (json_member(root, JWT_GENERATION) && !json_int(json_member(root, JWT_GENERATION), &claims.generation))
		return ERR_BAD_REQUEST;
	if (app.len > APP_MAX || !str_is_within(app, '!', '~'))
		return ERR_BAD_REQUEST;
	TRY(read_grants(root, arena, &claims));
	claims.iss = arena_copy(arena, iss);
	claims.app = arena_copy(arena, app);
	*claims_out = claims;
	return OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Headers, signatures and texts that must not pass: algorithms and keys confused, base64url read loosely. */
#include "auth/jwt.h"
#include "unit/auth/fixture.h"

#include <stdio.h>

/* ---- headers, rightly signed ------------------------------------------------------------------- */

struct header_row {
	const char *raw;
	bool        good;
};

static const struct header_row headers[] = {
	{ "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"$K\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\"}", true },
	{ "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"$K\"}", true },
	{ " { \"kid\" : \"$K\" , \"alg\" : \"ES256\" } ", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"x5t\":\"abc\"}", true },
	{ "{\"alg\":\"none\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"None\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"NONE\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"nOnE\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"\",\"kid\":\"$K\"}", false },
	{ "{\"kid\":\"$K\"}", false },
	{ "{\"alg\":null,\"kid\":\"$K\"}", false },
	{ "{\"alg\":1,\"kid\":\"$K\"}", false },
	{ "{\"alg\":[\"ES256\"],\"kid\":\"$K\"}", false },
	{ "{\"alg\":{\"ES256\":1},\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"es256\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256 \",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256K\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES384\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES512\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"HS256\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"HS512\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"RS256\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"PS256\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"EdDSA\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"$H\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":null}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":1}", false },
	{ "{\"alg\":\"ES256\",\"kid\":[\"$K\"]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K \"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\" $K\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K$K\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\\u0000\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"../../dev/null\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"/dev/null\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"' OR 1=1 --\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"current\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"https://evil.example/key\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$H\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$G\"}", false },
	{ "{\"alg\":\"ES256\",\"typ\":null,\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"typ\":1,\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"typ\":\"JWE\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\",\"kid\":\"$K\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"crit\":[]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"crit\":[\"exp\"]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"b64\":true}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"b64\":false,\"crit\":[\"b64\"]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"zip\":\"DEF\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"jku\":\"https://evil.example/jwks\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"jku\":null}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"x5u\":\"https://evil.example/c\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"jwk\":{\"kty\":\"EC\"}}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"x5c\":[]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"cty\":\"JWT\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"enc\":\"A128GCM\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\",\"nonce\":\"abc\"}", false },
	{ "{\"Alg\":\"ES256\",\"kid\":\"$K\"}", false },
	{ "[{\"alg\":\"ES256\",\"kid\":\"$K\"}]", false },
	{ "\"ES256\"", false },
	{ "null", false },
	{ "{}", false },
	{ "", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\"", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"$K\"}x", false },
	{ "\xef\xbb\xbf{\"alg\":\"ES256\",\"kid\":\"$K\"}", false },
};

static struct str
token_under(struct bench *bench, const char *header)
{
	return forge(issuer_key(bench->issuer), expand(bench, header), payload_of(bench, user_claims, NULL),
	             bench->arena);
}

static void
test_gate__judges_the_header(void **state)
{
	struct bench *bench = bench_open();

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (is_good(bench, token_under(bench, headers[i].raw)) != headers[i].good)
			fail_msg("header %.80s must be %s", headers[i].raw, headers[i].good ? "good" : "bad");
		arena_reset(bench->arena);
	}
	bench_close(bench);
}

/* Nothing that is refused by its header may cost a signature check: such tokens are free to make. */
static void
test_gate__a_wrong_header_costs_no_signature_check(void **state)
{
	struct bench *bench = bench_open();

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (!headers[i].good)
			assert_false(is_good(bench, token_under(bench, headers[i].raw)));
	}
	assert_int_equal(auth_gate_stats(bench->gate).signature_checks, 0);
	bench_close(bench);
}

/* ---- signatures -------------------------------------------------------------------------------- */

static void
hmac_sha256(struct str secret, struct str message, uint8_t mac_out[32], struct arena *arena)
{
	uint8_t block[64] = { 0 }, inner[64 + 32];
	char   *first = arena_take_raw(arena, 64 + message.len);

	if (secret.len > sizeof(block))
		hash_sha256(secret, block);
	else
		memcpy(block, secret.at, secret.len);
	for (size_t i = 0; i < 64; i++) {
		first[i] = (char)(block[i] ^ 0x36);
		inner[i] = block[i] ^ 0x5c;
	}
	memcpy(first + 64, message.at, message.len);
	hash_sha256(str_of(first, 64 + message.len), inner + 64);
	hash_sha256(str_of(inner, sizeof(inner)), mac_out);
}

static struct str
public_der(const struct bench *bench)
{
	static const uint8_t prefix[27] = {
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
	};
	uint8_t *der = arena_take(bench->arena, 27 + 64);

	memcpy(der, prefix, sizeof(prefix));
	sign_key_ec_point(issuer_key(bench->issuer), der + 27, der + 59);
	return str_of(der, 27 + 64);
}

static struct str
public_pem(const struct bench *bench)
{
	struct str der = public_der(bench), text = b64_encode(B64_STANDARD, der.at, der.len, bench->arena);

	return arena_printf(bench->arena, "-----BEGIN PUBLIC KEY-----\n%.*s\n%.*s\n-----END PUBLIC KEY-----\n", 64,
	                    text.at, (int)(text.len - 64), text.at + 64);
}

static struct str
public_jwk(const struct bench *bench)
{
	struct str der = public_der(bench);
	struct str x = b64_of(str_of(der.at + 27, 32), bench->arena);
	struct str y = b64_of(str_of(der.at + 59, 32), bench->arena);

	return arena_printf(bench->arena, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
	                    STR_ARG(x), STR_ARG(y));
}

static void
test_gate__the_public_key_is_no_hmac_secret(void **state)
{
	static const char *const algs[] = { "HS256", "ES256", "none" };
	struct bench            *bench = bench_open();
	struct str               der = public_der(bench), payload = payload_of(bench, app_claims, NULL);
	const struct str         secrets[] = { STR_EMPTY,
		                               der,
		                               public_pem(bench),
		                               public_jwk(bench),
		                               str_of(der.at + 26, 65),
		                               str_of(der.at + 27, 64),
		                               str_of(der.at + 27, 32),
		                               issuer_kid(bench->issuer),
		                               issuer_name(bench->issuer) };

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		for (size_t a = 0; a < 3; a++) {
			struct str header = arena_printf(bench->arena, "{\"alg\":\"%s\",\"kid\":\"%.*s\"}", algs[a],
			                                 STR_ARG(issuer_kid(bench->issuer)));
			uint8_t    mac[64] = { 0 };

			hmac_sha256(secrets[i], message_of(header, payload, bench->arena), mac, bench->arena);
			assert_false(is_good(bench, forge_with(header, payload, str_of(mac, 32), bench->arena)));
			assert_false(is_good(bench, forge_with(header, payload, str_of(mac, 64), bench->arena)));
		}
	}
	bench_close(bench);
}

/* r, s of 0, n and n + 1, all ones; DER instead of r||s; right numbers of the wrong length. */
static void
test_gate__refuses_signatures_that_are_none(void **state)
{
	static const uint8_t order[32] = {
		0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
	};
	struct bench *bench = bench_open();
	struct str    header = header_of(bench), payload = payload_of(bench, app_claims, NULL);
	uint8_t       good[64], values[4][32] = { { 0 } };

	(void)state;
	memcpy(values[1], order, 32);
	memcpy(values[2], order, 32);
	values[2][31]++;
	memset(values[3], 0xff, 32);
	assert_int_equal(sign_make(issuer_key(bench->issuer), message_of(header, payload, bench->arena), good), OK);
	for (size_t r = 0; r < 5; r++) {
		for (size_t s = 0; s < 5; s++) {
			uint8_t bad[64];

			memcpy(bad, r < 4 ? values[r] : good, 32);
			memcpy(bad + 32, s < 4 ? values[s] : good + 32, 32);
			assert_int_equal(is_good(bench, forge_with(header, payload, str_of(bad, 64), bench->arena)),
			                 r == 4 && s == 4);
		}
	}
	for (size_t len = 0; len < 64; len++)
		assert_false(is_good(bench, forge_with(header, payload, str_of(good, len), bench->arena)));
	bench_close(bench);
}

static struct str
der_signature(const uint8_t good[64], struct arena *arena)
{
	uint8_t *der = arena_take(arena, 80);
	size_t   len = 2;

	for (size_t half = 0; half < 2; half++) {
		bool high = good[half * 32] >= 0x80;

		der[len++] = 0x02;
		der[len++] = high ? 33 : 32;
		if (high)
			der[len++] = 0;
		memcpy(der + len, good + half * 32, 32);
		len += 32;
	}
	der[0] = 0x30;
	der[1] = (uint8_t)(len - 2);
	return str_of(der, len);
}

static void
test_gate__refuses_signatures_of_other_make(void **state)
{
	AUTO(sign_key_close) struct sign_key *other = NULL;
	struct bench                         *bench = bench_open();
	struct str                            header = header_of(bench), payload = payload_of(bench, app_claims, NULL);
	uint8_t                               good[64], longer[128] = { 0 };

	(void)state;
	assert_int_equal(sign_key_generate(&other), OK);
	assert_false(is_good(bench, forge(other, header, payload, bench->arena)));
	assert_int_equal(sign_make(issuer_key(bench->issuer), message_of(header, payload, bench->arena), good), OK);
	assert_false(is_good(bench, forge_with(header, payload, der_signature(good, bench->arena), bench->arena)));
	memcpy(longer, good, 64);
	assert_false(is_good(bench, forge_with(header, payload, str_of(longer, 65), bench->arena)));
	assert_false(is_good(bench, forge_with(header, payload, str_of(longer, 128), bench->arena)));
	/* A good signature of a good token, put under other claims. */
	assert_false(is_good(bench,
	                     forge_with(header, payload_of(bench, user_claims, NULL), str_of(good, 64), bench->arena)));
	bench_close(bench);
}

static void
test_gate__refuses_every_single_flipped_bit(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());
	char         *copy = arena_take_raw(bench->arena, token.len);
	size_t        flips = 0;

	(void)state;
	assert_true(is_good(bench, token));
	memcpy(copy, token.at, token.len);
	for (size_t i = 0; i < token.len * 8; i++) {
		struct arena *arena = bench->arena;

		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		bench->arena = arena_open((size_t)1 << 20);
		assert_false(is_good(bench, str_of(copy, token.len)));
		arena_close(&bench->arena);
		bench->arena = arena;
		copy[i / 8] = (char)(copy[i / 8] ^ 1 << i % 8);
		flips++;
	}
	assert_true(flips > 4000);
	assert_true(is_good(bench, str_of(copy, token.len)));
	bench_close(bench);
}

/* ---- texts ------------------------------------------------------------------------------------- */

/* %s is the header, the payload, the signature in turn. */
static const char *const texts[] = {
	"%s.%s",          "%s.%s.",     "%s..%s",       ".%s.%s",    "%s.%s.%s.", ".%s.%s.%s",  "%s.%s.%s.%2$s",
	"%s.%s.%s.%s.%s", "%s%s%s",     "%s.%s.%s=",    "%s=.%s.%s", "%s.%s=.%s", "%s.%s.%s==", " %s.%s.%s.",
	"%s .%s.%s",      "%s. %s.%s",  "%s.%s .%s",    "%s.%s. %s", "%s.%s.%s ", "%s.%s.%s\t", "\t%s.%s.%s",
	"%s.%s.%s\n",     "%s.%s\n.%s", "\r\n%s.%s.%s", "%s.%s.%sA", "%s.%s.A%s", "%s.%sA.%s",  "%s.%s.%s,%2$s",
	"\"%s.%s.%s\"",   "%s:%s:%s",   "%s.%s.%s%%00", "%s.%s.%s#", "%s.%s.%s+", "%s.%s.%s/",  "%s.%s.%s x",
};

/* Fills each %s with the next part (more than three start over), %2$s with the payload, %% with a percent sign. */
static struct str
fill(const char *text, const struct str parts[3], struct arena *arena)
{
	struct buf buf;
	struct str out;
	size_t     next = 0;

	buf_open(&buf, 65536);
	for (; *text; text++) {
		if (*text != '%') {
			buf_put_char(&buf, *text);
		} else if (text[1] == '2') {
			buf_put(&buf, parts[1]);
			text += 3;
		} else {
			if (text[1] == 's')
				buf_put(&buf, parts[next++ % 3]);
			else
				buf_put_char(&buf, '%');
			text++;
		}
	}
	out = arena_copy(arena, buf_str(&buf));
	buf_close(&buf);
	return out;
}

static void
split_token(struct str token, struct str parts_out[3])
{
	for (size_t i = 0; i < 3; i++)
		assert_true(str_take_until(&token, '.', &parts_out[i]));
}

static void
test_gate__reads_a_token_in_one_way_only(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant()), parts[3];

	(void)state;
	split_token(token, parts);
	assert_true(str_eq(fill("%s.%s.%s", parts, bench->arena), token));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (is_good(bench, fill(texts[i], parts, bench->arena)))
			fail_msg("the text %s must be bad", texts[i]);
	}
	bench_close(bench);
}

/* 64 bytes are 86 digits of which the last has four spare bits: fifteen other texts decode to the same bytes. */
static void
test_gate__refuses_spare_bits_of_the_signature(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct bench     *bench = bench_open();
	struct str        token = mint(bench, user_grant());
	char             *copy = arena_take_raw(bench->arena, token.len);
	size_t            good = 0;

	(void)state;
	memcpy(copy, token.at, token.len);
	for (size_t i = 0; i < 64; i++) {
		copy[token.len - 1] = digits[i];
		good += is_good(bench, str_of(copy, token.len));
	}
	assert_int_equal(good, 1);
	bench_close(bench);
}

/* What the reader of texts itself must see to, whatever a signature check would say. */
static void
test_jwt__has_three_parts_and_none_is_empty(void **state)
{
	static const char *const missing[] = { "", "%s", "%s.", "%s.%s", "%s..%s", ".%s.%s", ".%2$s.%s", "..", "..%s" };
	struct bench            *bench = bench_open();
	struct str               parts[3];
	struct jwt               jwt;

	(void)state;
	split_token(mint(bench, user_grant()), parts);
	assert_int_equal(jwt_split(fill("%s.%s.%s", parts, bench->arena), bench->arena, &jwt), OK);
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		assert_int_equal(jwt_split(fill(missing[i], parts, bench->arena), bench->arena, &jwt), ERR_BAD_REQUEST);
	bench_close(bench);
}

static void
test_gate__refuses_every_truncation(void **state)
{
	struct bench *bench = bench_open();
	struct str    token = mint(bench, user_grant());

	(void)state;
	for (size_t len = 0; len < token.len; len++) {
		assert_false(is_good(bench, str_first(token, len)));
		if (len > 0)
			assert_false(is_good(bench, str_skip(token, len)));
	}
	bench_close(bench);
}

/* The longest token that is taken has exactly 8,192 bytes. */
static void
test_gate__takes_a_token_of_8_KiB_and_no_more(void **state)
{
	struct bench *bench = bench_open();
	size_t        longest = 0;

	(void)state;
	for (int pad = 5300; pad < 5700; pad++) {
		char         text[6000];
		struct claim changes[] = { { "pad", text }, { NULL, NULL } };
		struct str   token;

		assert_true(snprintf(text, sizeof(text), "\"%0*d\"", pad, 0) > 0);
		token = forge(issuer_key(bench->issuer), header_of(bench), payload_of(bench, app_claims, changes),
		              bench->arena);
		assert_int_equal(is_good(bench, token), token.len <= 8192);
		if (token.len <= 8192 && token.len > longest)
			longest = token.len;
		arena_reset(bench->arena);
	}
	assert_true(longest >= 8190);
	bench_close(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate__judges_the_header),
		cmocka_unit_test(test_gate__a_wrong_header_costs_no_signature_check),
		cmocka_unit_test(test_gate__the_public_key_is_no_hmac_secret),
		cmocka_unit_test(test_gate__refuses_signatures_that_are_none),
		cmocka_unit_test(test_gate__refuses_signatures_of_other_make),
		cmocka_unit_test(test_gate__refuses_every_single_flipped_bit),
		cmocka_unit_test(test_gate__reads_a_token_in_one_way_only),
		cmocka_unit_test(test_gate__refuses_spare_bits_of_the_signature),
		cmocka_unit_test(test_jwt__has_three_parts_and_none_is_empty),
		cmocka_unit_test(test_gate__refuses_every_truncation),
		cmocka_unit_test(test_gate__takes_a_token_of_8_KiB_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

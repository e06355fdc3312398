/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt_test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "crypt/seal.h"

#define PLAIN STR("a place in the change order")
#define BOUND STR("where it belongs")

static const uint8_t key[SEAL_KEY_BYTES] = { 7, 6, 5, 4, 3, 2, 1 };

struct sealed {
	uint8_t bytes[200];
	size_t  len;
};

static struct sealed
seal(struct str plain, struct str bound)
{
	struct sealed sealed = { .len = plain.len + SEAL_EXTRA_BYTES };

	assert_true(sealed.len <= sizeof(sealed.bytes));
	seal_close(key, plain, bound, &entropy_system, sealed.bytes);
	return sealed;
}

static bool
opens(const struct sealed *sealed, struct str bound, struct str expected)
{
	uint8_t plain[200];
	size_t  len = 12345;
	bool    opened = seal_open(key, str_of(sealed->bytes, sealed->len), bound, plain, &len);

	if (!opened) {
		assert_int_equal(len, 12345);
		return false;
	}
	assert_int_equal(len, expected.len);
	if (len > 0)
		assert_memory_equal(plain, expected.at, len);
	return true;
}

static void
test_seal__what_was_sealed_opens(void **state)
{
	struct sealed some = seal(PLAIN, BOUND), none = seal(STR_EMPTY, STR_EMPTY);

	(void)state;
	assert_true(opens(&some, BOUND, PLAIN));
	assert_true(opens(&none, STR_EMPTY, STR_EMPTY));
}

/* The example of draft-irtf-cfrg-xchacha, A.3.1: what is stored today opens with any other library too. */
static void
test_seal__is_the_published_cipher(void **state)
{
	struct str plain = STR("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
	                       "future, sunscreen would be it.");
	uint8_t    own_key[32], bound[12], expected[24 + 114 + 16], out[sizeof(expected)], next = 0x40;
	const struct entropy nonce = counting_from(&next);

	(void)state;
	from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", own_key);
	from_hex("50515253c0c1c2c3c4c5c6c7", bound);
	from_hex("404142434445464748494a4b4c4d4e4f5051525354555657"
	         "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
	         "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
	         "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
	         expected);
	seal_close(own_key, plain, str_of(bound, sizeof(bound)), &nonce, out);
	assert_memory_equal(out, expected, sizeof(out));
}

static void
test_seal__refuses_every_flipped_bit(void **state)
{
	struct sealed sealed = seal(PLAIN, BOUND);

	(void)state;
	for (size_t bit = 0; bit < sealed.len * 8; bit++) {
		struct sealed flipped = sealed;

		flipped.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(opens(&flipped, BOUND, PLAIN));
	}
}

static void
test_seal__refuses_every_truncation_and_more_bytes(void **state)
{
	struct sealed sealed = seal(PLAIN, BOUND);

	(void)state;
	for (size_t len = 0; len <= sealed.len + 4; len++) {
		struct sealed cut = sealed;

		cut.len = len;
		assert_int_equal(opens(&cut, BOUND, PLAIN), len == sealed.len);
	}
}

static void
test_seal__refuses_what_is_bound_elsewhere(void **state)
{
	struct sealed sealed = seal(PLAIN, BOUND);

	(void)state;
	assert_false(opens(&sealed, STR("where it belong"), PLAIN));
	assert_false(opens(&sealed, STR("where it belongs."), PLAIN));
	assert_false(opens(&sealed, STR_EMPTY, PLAIN));
}

static void
test_seal__refuses_another_key(void **state)
{
	struct sealed sealed = seal(PLAIN, BOUND);
	uint8_t       other[SEAL_KEY_BYTES], plain[200];
	size_t        len;

	(void)state;
	memcpy(other, key, sizeof(other));
	other[31] ^= 1;
	assert_false(seal_open(other, str_of(sealed.bytes, sealed.len), BOUND, plain, &len));
}

static void
test_seal__never_uses_a_nonce_twice(void **state)
{
	struct sealed one = seal(PLAIN, BOUND), two = seal(PLAIN, BOUND);

	(void)state;
	assert_memory_not_equal(one.bytes, two.bytes, 24);
	assert_memory_not_equal(one.bytes + 24, two.bytes + 24, PLAIN.len);
}

static void
test_hash__gives_the_published_values(void **state)
{
	uint8_t expected[64], hash[64];

	(void)state;
	from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected);
	hash_sha256(STR("abc"), hash);
	assert_memory_equal(hash, expected, 32);
	from_hex("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	         "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
	         expected);
	hash_blake2b(STR("abc"), hash, 64);
	assert_memory_equal(hash, expected, 64);
}

static void
test_hash__of_another_length_is_another_hash(void **state)
{
	uint8_t shorter[16], longer[64];

	(void)state;
	hash_blake2b(STR("abc"), shorter, sizeof(shorter));
	hash_blake2b(STR("abc"), longer, sizeof(longer));
	assert_memory_not_equal(shorter, longer, sizeof(shorter));
}

static void
test_hash_keyed__is_the_published_siphash(void **state)
{
	/* vectors_sip128 of the reference implementation: the key 00..0f, no input. */
	static const uint8_t wanted[HASH_KEYED_BYTES] = { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
		                                          0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 };
	uint8_t              secret[HASH_KEYED_BYTES], out[HASH_KEYED_BYTES];

	(void)state;
	for (uint8_t i = 0; i < HASH_KEYED_BYTES; i++)
		secret[i] = i;
	hash_keyed(secret, STR_EMPTY, out);
	assert_memory_equal(out, wanted, sizeof(wanted));
	secret[3] ^= 1;
	hash_keyed(secret, STR_EMPTY, out);
	assert_memory_not_equal(out, wanted, sizeof(wanted));
}

static void
test_crypt__equal_looks_at_every_byte(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_true(crypt_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 1;
		assert_false(crypt_equal(a, b, sizeof(a)));
		b[i] = 0;
	}
}

static void
test_crypt__wipe_leaves_zeros(void **state)
{
	uint8_t bytes[8] = "secret!", zero[8] = { 0 };

	(void)state;
	crypt_wipe(bytes, sizeof(bytes));
	assert_memory_equal(bytes, zero, sizeof(bytes));
}

/* What the kernel says of the pages around an address: " dd " do not dump, " lo " locked. */
static void
read_page_flags(const void *address, char *flags, size_t size)
{
	FILE              *maps = fopen("/proc/self/smaps", "r");
	char               line[512];
	unsigned long long from, to, at = (uintptr_t)address;
	bool               here = false;

	assert_non_null(maps);
	flags[0] = '\0';
	while (fgets(line, sizeof(line), maps)) {
		char *end;

		from = strtoull(line, &end, 16);
		if (*end == '-') {
			to = strtoull(end + 1, NULL, 16);
			here = at >= from && at < to;
		} else if (here && strncmp(line, "VmFlags:", 8) == 0) {
			snprintf(flags, size, "%s", line + 8);
		}
	}
	fclose(maps);
}

static void
test_secret__memory_is_zeroed_and_stays_out_of_core_dumps_and_swap(void **state)
{
	static const uint8_t zero[100];
	char                 flags[512], own_flags[512];
	uint8_t             *secret = secret_take(sizeof(zero));
	void                *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_memory_equal(secret, zero, sizeof(zero));
	read_page_flags(secret, flags, sizeof(flags));
	assert_non_null(strstr(flags, " dd"));
	/*
	 * Sanitizers turn mlock() off and limits may forbid it: what this test can lock, the module must have locked.
	 */
	assert_ptr_not_equal(own, MAP_FAILED);
	(void)!mlock(own, 4096);
	read_page_flags(own, own_flags, sizeof(own_flags));
	assert_int_equal(strstr(flags, " lo") != NULL, strstr(own_flags, " lo") != NULL);
	assert_int_equal(munmap(own, 4096), 0);
	secret_drop(secret);
	secret_drop(NULL);
}

static void
test_secret__matches_its_hash_only(void **state)
{
	char text[128], again[128];

	(void)state;
	assert_int_equal(secret_hash(STR("open sesame"), text), OK);
	assert_int_equal(secret_hash(STR("open sesame"), again), OK);
	assert_string_not_equal(text, again);
	assert_true(secret_matches(STR("open sesame"), text));
	assert_true(secret_matches(STR("open sesame"), again));
	assert_false(secret_matches(STR("open sesamE"), text));
	assert_false(secret_matches(STR("open sesam"), text));
	assert_false(secret_matches(STR_EMPTY, text));
}

static void
test_secret__of_random_bits_is_kept_under_a_key_of_its_own(void **state)
{
	static const uint64_t limit_ns = 2000000;
	struct str            secret = STR("y_i_OYBGNTAPvf-az_ypMMVBkL-qWZd3XSYIXtH1_aU");
	char                  text[128], again[128];
	struct timespec       from, until;

	(void)state;
	secret_hash_random(secret, &entropy_system, text);
	secret_hash_random(secret, &entropy_system, again);
	assert_string_not_equal(text, again);
	assert_true(secret_hash_valid(str_from_c(text)) && !secret_is_slow(str_from_c(text)));
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
	assert_true(secret_matches(secret, text) && secret_matches(secret, again));
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &until), 0);
	assert_true((uint64_t)((until.tv_sec - from.tv_sec) * 1000000000 + until.tv_nsec - from.tv_nsec) < limit_ns);
	assert_false(secret_matches(str_first(secret, 42), text) || secret_matches(STR_EMPTY, text));
	for (size_t i = 0; text[i]; i++) {
		memcpy(again, text, sizeof(again));
		again[i] ^= 1;
		if (secret_matches(secret, again))
			fail_msg("byte %zu", i);
		again[i] = '\0';
		if (secret_matches(secret, again))
			fail_msg("cut at byte %zu", i);
	}
}

/* A hash of an earlier version looks like one of the secrets that people choose; its cost tells them apart. */
static void
test_secret__of_an_earlier_version_is_known_by_its_cost(void **state)
{
	char text[128];

	(void)state;
	assert_int_equal(secret_hash(STR("open sesame"), text), OK);
	assert_true(secret_is_slow(str_from_c(text)) && !secret_is_old(str_from_c(text)));
	assert_true(secret_is_old(STR("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA")));
}

static void
test_secret__refuses_hashes_that_ask_for_too_much_or_are_none(void **state)
{
	static const char *const texts[] = {
		"",
		"open sesame",
		"$argon2id$",
		"$argon2id$v=19$m=65536",
		"$blake2b$",
		"$blake2b$$",
		/* whole and well-formed, but with more memory, more passes, more lanes, or of another kind */
		"$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=4000000,p=1$c29tZXNhbHRzb21lc2FsdA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=16$c29tZXNhbHRzb21lc2FsdA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	};
	int64_t start_ms = clock_mono_ms(&clock_system);

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_false(secret_matches(STR("open sesame"), texts[i]));
	assert_in_range(clock_mono_ms(&clock_system) - start_ms, 0, 500);
}

static int
init(void **state)
{
	(void)state;
	return crypt_init() == OK ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal__what_was_sealed_opens),
		cmocka_unit_test(test_seal__is_the_published_cipher),
		cmocka_unit_test(test_seal__refuses_every_flipped_bit),
		cmocka_unit_test(test_seal__refuses_every_truncation_and_more_bytes),
		cmocka_unit_test(test_seal__refuses_what_is_bound_elsewhere),
		cmocka_unit_test(test_seal__refuses_another_key),
		cmocka_unit_test(test_seal__never_uses_a_nonce_twice),
		cmocka_unit_test(test_hash__gives_the_published_values),
		cmocka_unit_test(test_hash__of_another_length_is_another_hash),
		cmocka_unit_test(test_hash_keyed__is_the_published_siphash),
		cmocka_unit_test(test_crypt__equal_looks_at_every_byte),
		cmocka_unit_test(test_crypt__wipe_leaves_zeros),
		cmocka_unit_test(test_secret__memory_is_zeroed_and_stays_out_of_core_dumps_and_swap),
		cmocka_unit_test(test_secret__matches_its_hash_only),
		cmocka_unit_test(test_secret__of_random_bits_is_kept_under_a_key_of_its_own),
		cmocka_unit_test(test_secret__of_an_earlier_version_is_known_by_its_cost),
		cmocka_unit_test(test_secret__refuses_hashes_that_ask_for_too_much_or_are_none),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes tests/corpus/tokens/v1.json to standard output.  Run once per token version, by hand; a
 * released corpus is never written again.  From the root of the tree, after script/build:
 *
 *   cc -D_GNU_SOURCE -Isrc tests/support/tokens/make_corpus.c -Wl,--start-group build/release/libroom_*.a \
 *      -Wl,--end-group -lsodium -lsqlite3 -o build/make_corpus
 *   build/make_corpus >tests/corpus/tokens/v1.json
 *
 * Keys and nonces come from a counter, so a run gives the same file as every other run.
 */
#include <inttypes.h>
#include <stdio.h>

#include "token/token_codec.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TENANT \
	{ \
		{ \
			0x10, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15 \
		} \
	}
#define OWNER \
	{ \
		{ \
			0x20, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15 \
		} \
	}
#define STRANGER \
	{ \
		{ \
			0xff, 0xfe, 0xfd, 0, 1, 2, 0x4f, 0, 0xbf, 0, 0, 0, 0, 0, 0, 1 \
		} \
	}
#define FEED_LIFE \
	{ \
		{ \
			0x30, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15 \
		} \
	}

struct sample {
	const char       *name;
	struct token_bind bind;
	struct token      token;
};

static void
count_fill(void *ctx, void *bytes, size_t len)
{
	uint32_t *next = ctx;
	uint8_t  *at = bytes;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(*next)++;
}

static void
print_hex(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void
print_guid(const char *name, const struct guid *guid)
{
	char text[GUID_TEXT_LEN];

	guid_format(guid, text);
	printf("   \"%s\": \"%.*s\",\n", name, GUID_TEXT_LEN, text);
}

/* Numbers of 64 bits stand as text: not every JSON reader keeps them. */
static void
print_sample(const struct sample *sample, const struct token_key *key, struct str text)
{
	const struct cursor *cursor = &sample->token.cursor;

	printf("  {\n   \"name\": \"%s\",\n   \"key\": \"", sample->name);
	print_hex(key->bytes, sizeof(key->bytes));
	printf("\",\n   \"keyId\": \"");
	print_hex(key->id, sizeof(key->id));
	printf("\",\n");
	print_guid("tenant", &sample->bind.feed.tenant);
	print_guid("owner", &sample->bind.feed.owner);
	printf("   \"collection\": %d,\n   \"function\": %d,\n", sample->bind.feed.collection, sample->bind.function);
	printf("   \"token\": \"%.*s\",\n", STR_ARG(text));
	printf("   \"issued\": \"%" PRId64 "\",\n   \"after\": \"%" PRIu64 "\",\n   \"until\": \"%" PRIu64 "\",\n",
	       sample->token.issued_s, cursor->span.after, cursor->span.until);
	printf("   \"fresh\": %s,\n", cursor->span.initial ? "true" : "false");
	print_guid("incarnation", &cursor->generation);
	printf("   \"epoch\": %" PRIu32 ",\n", cursor->epoch);
	printf("   \"seen\": \"%" PRIu64 "\",\n   \"options\": \"", cursor->seen);
	print_hex(sample->token.options.at, sample->token.options.len);
	printf("\",\n   \"kind\": \"%s\"\n  }", cursor_is_complete(cursor) ? "delta" : "skip");
}

int
main(void)
{
	static char         longest[TOKEN_OPTIONS_MAX];
	const struct sample samples[] = {
		{ "first page of a first round",
		  { { TENANT, OWNER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 2, 5, true }, FEED_LIFE, 1, 5 }, 1790000000, STR_EMPTY } },
		{ "end of a first round",
		  { { TENANT, OWNER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 5, 5, false }, FEED_LIFE, 1, 6 }, 1790000001, STR_EMPTY } },
		{ "middle of a later round",
		  { { TENANT, OWNER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 6, 1000, false }, FEED_LIFE, 2, 1003 }, 1790000002, STR("select=id,name") } },
		{ "before there was a feed",
		  { { TENANT, OWNER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 0, 0, false }, { { 0 } }, 1, 0 }, 1790000003, STR_EMPTY } },
		{ "all recordings, listed",
		  { { TENANT, OWNER, 2 }, TOKEN_ALL_RECORDINGS },
		  { { { 1, 2, true }, FEED_LIFE, 1, 2 }, 1790000004, STR("top=1") } },
		{ "all recordings, delta",
		  { { TENANT, OWNER, 2 }, TOKEN_ALL_RECORDINGS_DELTA },
		  { { { 70000, 70000, false }, FEED_LIFE, 70000, 70000 }, 1790000005, STR("top=50") } },
		{ "recordings of a meeting",
		  { { TENANT, OWNER, 2 }, TOKEN_MEETING_RECORDINGS_DELTA },
		  { { { 3, 3, false }, FEED_LIFE, 1, 3 }, 1790000006, STR("meeting=1") } },
		{ "another tenant and owner",
		  { { STRANGER, STRANGER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 3, 4, false }, STRANGER, 1, 4 }, 1790000007, STR_EMPTY } },
		{ "largest numbers and options",
		  { { TENANT, OWNER, 255 }, TOKEN_CALENDARS_DELTA },
		  { { { UINT64_MAX - 1, UINT64_MAX, true }, STRANGER, UINT32_MAX, UINT64_MAX },
		    INT64_MAX,
		    { longest, sizeof(longest) } } },
		{ "options of any bytes, issued before 1970",
		  { { TENANT, OWNER, 1 }, TOKEN_CALENDARS_DELTA },
		  { { { 1, 1, false }, FEED_LIFE, 1, 1 }, INT64_MIN, STR("\0\xff\"\\\n") } },
	};
	uint32_t             next = 0;
	const struct entropy entropy = { &next, count_fill };
	struct arena        *arena = arena_open(1 << 20);
	struct token_key     key;

	MUST(crypt_init() == OK);
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = (char)(i * 7);
	printf("{\n \"version\": %d,\n \"tokens\": [\n", TOKEN_VERSION);
	for (size_t i = 0; i < COUNT(samples); i++) {
		next = (uint32_t)i * 31;
		entropy_fill(&entropy, &key, sizeof(key));
		print_sample(&samples[i], &key,
		             token_seal_with(&key, &samples[i].token, &samples[i].bind, &entropy, arena));
		printf("%s\n", i + 1 < COUNT(samples) ? "," : "");
	}
	printf(" ]\n}\n");
	arena_close(&arena);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head parser and the chunk decoder: any bytes, and the same bytes in other pieces, give the same result.
 * What is taken must also hold what the parser promises about it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/http_chars.h"
#include "http/http_parse.h"

#define FIELDS_MAX 16u
#define HEAD_MAX   ((size_t)2048)
#define TARGET_MAX ((size_t)512)
#define BODY_MAX   ((size_t)512)

struct parsed {
	struct http_head        head;
	struct http_field_piece fields[FIELDS_MAX];
	enum http_step          step;
};

struct decoded {
	struct http_chunked chunked;
	enum http_step      step;
	size_t              used;
	struct buf          body;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
parsed_open(struct parsed *parsed)
{
	*parsed = (struct parsed){ 0 };
	parsed->head.limits = (struct http_head_limits){ HEAD_MAX, TARGET_MAX, FIELDS_MAX };
	parsed->head.fields = parsed->fields;
}

static void
feed_head(struct parsed *parsed, struct str bytes)
{
	if (parsed->step == HTTP_MORE)
		parsed->step = http_head_feed(&parsed->head, bytes);
}

static void
must_be_same_head(struct parsed *a, struct parsed *b)
{
	a->head.fields = b->head.fields = NULL;
	MUST(memcmp(&a->head, &b->head, sizeof(a->head)) == 0);
	MUST(memcmp(a->fields, b->fields, sizeof(a->fields)) == 0 && a->step == b->step);
	a->head.fields = a->fields;
	b->head.fields = b->fields;
}

static void
must_be_text(struct str bytes, struct http_piece piece)
{
	MUST(piece.at + piece.len <= bytes.len);
	for (size_t i = 0; i < piece.len; i++)
		MUST(http_is_text(bytes.at[piece.at + i]));
}

static void
must_hold(const struct parsed *parsed, struct str bytes)
{
	const struct http_head *head = &parsed->head;

	if (parsed->step == HTTP_REFUSED) {
		MUST(head->reason && head->status >= 400 && head->status <= 505);
		return;
	}
	MUST(head->len <= HEAD_MAX && head->len <= bytes.len && head->path.len + head->query.len <= TARGET_MAX);
	MUST(memcmp(bytes.at + head->len - 4, "\r\n\r\n", 4) == 0);
	MUST(head->minor == 0 || head->authority.len > 0);
	MUST(!head->chunked || (head->content_length == 0 && head->minor == 1));
	MUST(head->content_length <= 999999999999999);
	must_be_text(bytes, head->path);
	must_be_text(bytes, head->query);
	must_be_text(bytes, head->authority);
	for (size_t i = 0; i < head->field_count; i++) {
		must_be_text(bytes, parsed->fields[i].name);
		must_be_text(bytes, parsed->fields[i].value);
	}
}

static void
feed_chunks(struct decoded *decoded, struct str bytes)
{
	struct str rest = bytes;

	if (decoded->step != HTTP_MORE)
		return;
	decoded->step = http_chunked_feed(&decoded->chunked, &rest, &decoded->body);
	decoded->used += bytes.len - rest.len;
}

static void
must_be_same_body(const struct decoded *a, const struct decoded *b)
{
	MUST(a->step == b->step && a->used == b->used && a->chunked.status == b->chunked.status);
	MUST(str_eq(buf_str(&a->body), buf_str(&b->body)));
}

static void
try_body(struct str bytes)
{
	struct decoded whole = { 0 }, bytewise = { 0 };

	buf_open(&whole.body, BODY_MAX);
	buf_open(&bytewise.body, BODY_MAX);
	feed_chunks(&whole, bytes);
	for (size_t i = 0; i < bytes.len; i++)
		feed_chunks(&bytewise, str_of(bytes.at + i, 1));
	must_be_same_body(&whole, &bytewise);
	for (size_t split = 0; split < bytes.len && split < 256; split++) {
		struct decoded halves = { 0 };

		buf_open(&halves.body, BODY_MAX);
		feed_chunks(&halves, str_first(bytes, split));
		feed_chunks(&halves, str_skip(bytes, split));
		must_be_same_body(&whole, &halves);
		buf_close(&halves.body);
	}
	buf_close(&whole.body);
	buf_close(&bytewise.body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str    bytes = str_of(data, size);
	struct parsed whole, other;

	if (size == 0 || size > 8192)
		return 0;
	parsed_open(&whole);
	feed_head(&whole, bytes);
	parsed_open(&other);
	for (size_t len = 1; len <= size; len++)
		feed_head(&other, str_first(bytes, len));
	must_be_same_head(&whole, &other);
	for (size_t split = 0; split < size && split < 256; split++) {
		parsed_open(&other);
		feed_head(&other, str_first(bytes, split));
		feed_head(&other, bytes);
		must_be_same_head(&whole, &other);
	}
	if (whole.step != HTTP_MORE)
		must_hold(&whole, bytes);
	try_body(whole.step == HTTP_WHOLE ? str_skip(bytes, whole.head.len) : bytes);
	return 0;
}

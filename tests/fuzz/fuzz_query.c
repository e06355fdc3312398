/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_query — a request's options and preferences, divided by the first line feed: they are read or refused,
 * and what was read once is read the same again.
 */
#include "graph/call.h"
#include "graph/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err
read_once(struct call *call, const struct http_req *req, struct arena *arena)
{
	*call = (struct call){ .req = req, .arena = arena };
	return query_read(call);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 20);
	struct str                      text = str_of((const char *)data, size), query = text;
	struct http_field               prefer = { STR("Prefer"), STR_EMPTY };
	struct http_req req = { .method = HTTP_GET, .fields = &prefer, .field_count = 1, .arena = arena };
	struct call     call, again;
	uint64_t        number;

	query = str_first(text, str_find(text, '\n'));
	prefer.value = str_skip(text, query.len + 1);
	req.query = query;
	if (read_once(&call, &req, arena) != OK) {
		MUST(call.error != GRAPH_NONE);
		return 0;
	}
	MUST(read_once(&again, &req, arena) == OK);
	MUST(call.query.page_size <= PAGE_SIZE_MAX && call.query.page_size == again.query.page_size);
	for (int option = 0; option < OPTION_KINDS; option++) {
		MUST(call.query.given[option] == again.query.given[option]);
		MUST(!call.query.given[option] || str_eq(call.query.value[option], again.query.value[option]));
	}
	if (query_number(&call, OPTION_TOP, 1, PAGE_SIZE_MAX, 7, &number) == OK)
		MUST(number >= 1 && number <= PAGE_SIZE_MAX);
	return 0;
}

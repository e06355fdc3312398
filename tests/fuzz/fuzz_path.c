/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_path — a request's path, its query and its Range, one a line: what they name, a function's arguments, which
 * bytes. A second reading of the same bytes gives the same; arguments that were read are dates and texts; a range stays
 * inside.
 */
#include "graph/parameters.h"
#include "graph/range.h"
#include "graph/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_args(struct str text, struct str query, struct arena *arena)
{
	struct parameters parameters, again;
	struct str        why = STR_EMPTY;

	if (parameters_read(text, query, arena, &parameters, &why) != OK) {
		MUST(why.len > 0);
		return;
	}
	MUST(parameters_read(text, query, arena, &again, &why) == OK);
	MUST(parameters.has_organizer == again.has_organizer && str_eq(parameters.organizer, again.organizer));
	MUST(!parameters.has_organizer || parameters.organizer.len > 0);
	MUST(parameters.has_start == again.has_start &&
	     (!parameters.has_start || parameters.start_ns == again.start_ns));
	MUST(parameters.has_end == again.has_end && (!parameters.has_end || parameters.end_ns == again.end_ns));
}

static void
check_path(struct str path, struct str query, struct arena *arena)
{
	struct route route;

	if (path.len == 0 || path.at[0] != '/' || route_parse(path, NULL, arena, &route) != OK)
		return;
	MUST(route.kind != ROUTE_RECORDING || (route.meeting.len > 0 && route.id.len > 0));
	MUST(route.kind != ROUTE_CONTENT || (route.meeting.len > 0 && route.id.len > 0));
	MUST(route.kind != ROUTE_RECORDINGS || route.meeting.len > 0);
	check_args(route.parameters, query, arena);
}

static void
check_range(struct str field)
{
	static const uint64_t sizes[] = { 0, 1, 1000, UINT64_C(1) << 40, INT64_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t from = 0, len = 0;

		if (range_read(field, sizes[i], &from, &len) == RANGE_PART)
			MUST(len > 0 && from < sizes[i] && len <= sizes[i] - from);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_close) struct arena *arena = arena_open((size_t)64 << 20);
	struct str rest = str_of(data, size < 65536 ? size : 65536), path = STR_EMPTY, query = STR_EMPTY;

	if (size == 0)
		return 0;
	(void)str_take_until(&rest, '\n', &path);
	(void)str_take_until(&rest, '\n', &query);
	check_path(path, query, arena);
	check_args(path, query, arena);
	check_range(rest);
	return 0;
}

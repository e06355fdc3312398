/* SPDX-License-Identifier: Apache-2.0 */
/* The values of for-each: what they may be, the URL and the name of their scopes, and where they come from. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "resource/family.h"
#include "sync/following.h"
#include "sync/section.h"
#include "text/uri.h"

#define VALUE_MAX       512
#define FILE_MAX        ((off_t)16 << 20)
#define SCOPE_ARENA_MAX ((size_t)256 << 10)

const char *
section_value_fault(struct str value)
{
	size_t dots = 0;

	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.at[i] < ' ' || value.at[i] == 0x7f ||
		    (i > 0 && (unsigned char)value.at[i - 1] == 0xc2 && (unsigned char)value.at[i] < 0xa0))
			return "holds a control byte";
		if (value.at[i] == '/' || value.at[i] == '\\')
			return "holds a slash";
		dots += value.at[i] == '.';
	}
	if (value.len == dots)
		return "is empty or only dots";
	if (value.len > VALUE_MAX)
		return "is longer than 512 bytes";
	return utf8_valid(value) ? NULL : "is no UTF-8";
}

struct str
section_url(const struct section *section, struct str value, struct arena *arena)
{
	struct str rest = section->conf->values[CONF_SCOPE_URL], url = STR_EMPTY, front, text;

	while (section->word.len > 0 && (front = str_first(rest, str_find(rest, '{'))).len < rest.len) {
		rest = str_skip(rest, front.len + section->word.len);
		text = str_ends(front, STR("'")) ? uri_double_quotes(value, arena) : value;
		url = arena_printf(arena, "%.*s%.*s%.*s", STR_ARG(url), STR_ARG(front),
		                   STR_ARG(uri_encode(text, "", arena)));
	}
	return arena_printf(arena, "%.*s%.*s", STR_ARG(url), STR_ARG(rest));
}

struct str
section_name(const struct section *section, struct str value, struct arena *arena)
{
	return section->word.len == 0 ? section->conf->name : scope_name_of_value(section->conf->name, value, arena);
}

/* ---- lists of values ------------------------------------------------------------------------------------ */

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int
list_items(struct cmd_run *run, const struct section *section, struct replica *replica, struct arena *arena,
           struct section_values *values)
{
	AUTO(arena_close) struct arena *texts = arena_open(SCOPE_ARENA_MAX);
	struct replica_scope            scope;
	struct str                      id = STR_EMPTY, body;
	enum err                        err = replica_find_scope(replica, section->source->conf->name, texts, &scope);

	if (err == ERR_NOT_FOUND || (err == OK && scope.rounds == 0))
		values->at = NULL;
	while (values->at && err == OK && values->count < SECTION_VALUES_MAX &&
	       (err = replica_next_item(replica, scope.sid, id, &id, &body)) == OK)
		values->at[values->count++] = arena_copy(arena, id);
	return err == OK || err == ERR_NOT_FOUND ? EXIT_DONE : following_failed(run, replica, err);
}

static int
list_lines(struct cmd_run *run, const char *path, struct arena *arena, struct section_values *values)
{
	AUTO(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat          info = { 0 };
	struct str           text, line;
	size_t               len = 0;
	char                *space;

	if (fd < 0 || fstat(fd, &info) != 0)
		return cmd_fail(run, EXIT_PERMANENT, "%s: %s", path, strerrordesc_np(errno));
	if (!S_ISREG(info.st_mode) || info.st_size > FILE_MAX)
		return cmd_fail(run, EXIT_PERMANENT, "%s is no file of at most 16 MiB", path);
	space = arena_take_raw(arena, (size_t)info.st_size + 1);
	if (!file_read(fd, space, (size_t)info.st_size + 1, &len))
		return cmd_fail(run, EXIT_PERMANENT, "%s: %s", path, strerrordesc_np(errno));
	text = str_of(space, len);
	while (values->count < SECTION_VALUES_MAX && str_take_until(&text, '\n', &line)) {
		line = str_trim(str_ends(line, STR("\r")) ? str_first(line, line.len - 1) : line);
		if (line.len > 0 && line.at[0] != '#')
			values->at[values->count++] = line;
	}
	return EXIT_DONE;
}

int
section_list(struct cmd_run *run, const struct section *section, struct replica *replica, struct arena *arena,
             struct section_values *values_out)
{
	struct str            each = section->conf->values[CONF_SCOPE_FOR_EACH];
	struct section_values values = { arena_take(arena, SECTION_VALUES_MAX * sizeof(*values.at)), 0 };
	size_t                kept = 0;

	if (section->source)
		TRY_CODE(list_items(run, section, replica, arena, &values));
	else
		TRY_CODE(list_lines(run, arena_c(arena, str_skip(each, sizeof("file:") - 1)), arena, &values));
	if (values.count > 0)
		qsort(values.at, values.count, sizeof(*values.at), compare);
	for (size_t i = 0; i < values.count; i++)
		if (kept == 0 || !str_eq(values.at[kept - 1], values.at[i]))
			values.at[kept++] = values.at[i];
	if (values.count == SECTION_VALUES_MAX)
		cmd_say(run, "more than %u values: the others are left out", SECTION_VALUES_MAX);
	values.count = kept;
	*values_out = values;
	return EXIT_DONE;
}

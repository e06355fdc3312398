/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libinih parses the file. Our own reader passes it the lines: it counts them for messages, limits the size of the file
 * and removes comments at the ends of lines.
 */
#include "cli/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/suggest.h"

#define FILE_MAX   ((size_t)256 << 10)
#define WHERE_MAX  300
#define LINE_MAX_B 4096 /* as libinih counts: line end and NUL included */

struct reading {
	struct conf  *conf;
	struct arena *arena;
	const char   *path;
	struct str    rest;
	unsigned      line;
	struct str    why; /* the first error; empty if there is none */

	struct str        section; /* what stands between the last brackets: libinih cuts a long one */
	struct conf_part *part;    /* the last scope */
};

static void __attribute__((format(printf, 2, 3))) complain(struct reading *reading, const char *fmt, ...)
{
	char    text[512];
	va_list list;

	if (reading->why.len > 0)
		return;
	va_start(list, fmt);
	(void)str_vprintf(text, sizeof(text), fmt, list);
	va_end(list);
	reading->why = arena_printf(reading->arena, "%s:%u: %s", reading->path, reading->line, text);
}

/* Of thousands of keys: a long path is cut. */
static struct str
where(const struct reading *reading)
{
	return arena_printf(reading->arena, "%.*s:%u", STR_CUT_ARG(reading->path, WHERE_MAX), reading->line);
}

/* Removes blanks at both ends, and a comment after a blank. */
static struct str
tidy(struct str line)
{
	line = str_trim(line);
	for (size_t i = 1; i < line.len; i++)
		if ((line.at[i] == '#' || line.at[i] == ';') && (line.at[i - 1] == ' ' || line.at[i - 1] == '\t'))
			return str_trim(str_first(line, i));
	return line;
}

/* Of issuer "name": the name. */
static bool
takes_name(struct str *section, struct str front)
{
	struct str name = str_skip(*section, front.len);

	if (!str_starts(*section, front) || !str_ends(name, STR("\"")) || name.len < 2)
		return false;
	*section = str_first(name, name.len - 1);
	return true;
}

/* The part of that name in the list, which is made if it is new.  NULL: there are `max` already. */
static struct conf_part *
part_named(struct reading *reading, struct conf_part **end, struct str name, size_t max, const char *too_many)
{
	struct conf_part *part;
	size_t            count = 0;

	for (; *end; end = &(*end)->next, count++)
		if (str_eq((*end)->name, name))
			return *end;
	if (count == max) {
		complain(reading, "%s", too_many);
		return NULL;
	}
	*end = part = arena_take(reading->arena, sizeof(*part));
	part->name = str_of(arena_c(reading->arena, name), name.len);
	part->from = where(reading);
	return part;
}

static struct conf_part *
scope_named(struct reading *reading, struct str name)
{
	if (!reading->part || !str_eq(reading->part->name, name))
		reading->part = part_named(reading, &reading->conf->scopes, name, CONF_SCOPES_MAX,
		                           "more than 1000 scopes; one with for-each follows many");
	return reading->part;
}

static struct conf_part *
serve_named(struct reading *reading, struct str name)
{
	return part_named(reading, &reading->conf->serves, name, CONF_SCOPES_MAX, "more than 1000 [serve] sections");
}

/* A scope without keys is one, too: it has no url.  A [serve] needs none. */
static void
begin_section(struct reading *reading, struct str line)
{
	struct str name;

	reading->section = name = str_first(line, str_find(line, ']'));
	if (takes_name(&name, STR("scope \"")))
		(void)scope_named(reading, name);
	else if (takes_name(&name, STR("serve \"")))
		(void)serve_named(reading, name);
	else if (!str_eq(name, STR("server")) && !str_eq(name, STR("recordings")) &&
	         !takes_name(&name, STR("issuer \"")))
		complain(reading,
		         "unknown section [%.*s]; [server], [recordings], [issuer \"name\"], [scope \"name\"], [serve "
		         "\"name\"] are known",
		         STR_ARG(str_cut(name, 200)));
}

static char *
next_line(char *at, int size, void *ctx)
{
	struct reading *reading = ctx;
	struct str      line;

	if (reading->why.len > 0 || !str_take_until(&reading->rest, '\n', &line))
		return NULL;
	reading->line++;
	if (str_ends(line, STR("\r")))
		line.len--;
	line = tidy(line);
	if (line.len + 2 > (size_t)size)
		complain(reading, "the line is longer than %d bytes", size - 2);
	if (memchr(line.at, 0, line.len))
		complain(reading, "there is a NUL byte in the line");
	if (reading->why.len > 0)
		return NULL;
	if (line.len > 0 && line.at[0] == '[')
		begin_section(reading, str_skip(line, 1));
	memcpy(at, line.at, line.len);
	at[line.len] = '\n';
	at[line.len + 1] = 0;
	return at;
}

/* The key of that name, if its value is good; else the complaint is made. */
static int
find_key(struct reading *reading, const struct conf_section *section, struct str name, struct str value)
{
	struct suggestion suggestion = { .word = name };
	const char       *fault;
	int               at = 0;

	for (; section->keys[at].name && !str_eq(name, str_from_c(section->keys[at].name)); at++)
		suggestion_try(&suggestion, section->keys[at].name);
	if (!section->keys[at].name) {
		complain(reading, "unknown key \"%.*s\" in [%s]%s; `tidemark help tidemark.conf` lists the keys",
		         STR_ARG(name), section->name, suggestion_text(&suggestion, reading->arena));
		return -1;
	}
	fault = conf_fault(&section->keys[at], value);
	if (fault)
		complain(reading, "%.*s: \"%.*s\" is not %s", STR_ARG(name),
		         STR_ARG(conf_quotable(&section->keys[at], value)), fault);
	return fault ? -1 : at;
}

static bool
set_server(struct reading *reading, struct str name, struct str value)
{
	int                id = find_key(reading, &conf_sections[CONF_SERVER], name, value);
	struct conf_value *at = &reading->conf->values[id < 0 ? 0 : id];

	if (id < 0)
		return false;
	if (at->from.len > 0 && !conf_repeats((enum conf_id)id))
		complain(reading, "%.*s is set twice; first at %.*s", STR_ARG(name), STR_ARG(at->from));
	else if (at->from.len == 0)
		at->text = arena_copy(reading->arena, value);
	else if (!conf_add_value(at->text, value, reading->arena, &at->text))
		complain(reading, "%.*s has too many values", STR_ARG(name));
	at->origin = CONF_FROM_FILE;
	at->from = arena_printf(reading->arena, "%s:%u", reading->path, reading->line);
	return reading->why.len == 0;
}

/* `part` may be NULL: the complaint is made. */
static bool
set_key(struct reading *reading, int section, struct conf_part *part, struct str name, struct str value)
{
	int at = part ? find_key(reading, &conf_sections[section], name, value) : -1;

	if (at < 0)
		return false;
	if (part->has[at])
		complain(reading, "%.*s is set twice; first at %.*s", STR_ARG(name), STR_ARG(part->value_from[at]));
	part->has[at] = true;
	part->values[at] = str_of(arena_c(reading->arena, value), value.len);
	part->value_from[at] = where(reading);
	return reading->why.len == 0;
}

static int
on_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *reading = ctx;
	struct str      part = reading->section;

	(void)section;
	if (reading->why.len > 0)
		return 0;
	if (str_eq(part, STR("server")))
		return set_server(reading, str_from_c(name), str_from_c(value));
	if (str_eq(part, STR("recordings")))
		return set_key(reading, CONF_RECORDINGS, &reading->conf->recordings, str_from_c(name),
		               str_from_c(value));
	if (takes_name(&part, STR("issuer \"")))
		return set_key(
			reading, CONF_ISSUERS,
			part_named(reading, &reading->conf->issuers, part, CONF_ISSUERS_MAX, "more than 16 issuers"),
			str_from_c(name), str_from_c(value));
	if (takes_name(&part, STR("scope \"")))
		return set_key(reading, CONF_SCOPES, scope_named(reading, part), str_from_c(name), str_from_c(value));
	if (takes_name(&part, STR("serve \"")))
		return set_key(reading, CONF_SERVES, serve_named(reading, part), str_from_c(name), str_from_c(value));
	complain(reading, "\"%s\" stands before any section; begin with [server]", name);
	return 0;
}

static bool
load(struct reading *reading)
{
	char                *text = arena_take_raw(reading->arena, FILE_MAX + 1);
	size_t               len;
	AUTO(file_close) int fd = open(reading->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		reading->why = arena_printf(reading->arena, "%s: cannot be opened: %s", reading->path,
		                            strerrordesc_np(errno));
		return false;
	}
	if (!file_read(fd, text, FILE_MAX + 1, &len))
		reading->why = arena_printf(reading->arena, "%s: cannot be read: %s", reading->path,
		                            strerrordesc_np(errno));
	else if (len > FILE_MAX)
		reading->why = arena_printf(reading->arena, "%s: is larger than 256 KiB", reading->path);
	reading->rest = str_of(text, len);
	if (str_starts(reading->rest, STR("\xef\xbb\xbf"))) /* a byte order mark */
		reading->rest = str_skip(reading->rest, 3);
	return reading->why.len == 0;
}

static bool
issuers_are_whole(struct reading *reading)
{
	for (const struct conf_part *issuer = reading->conf->issuers; issuer; issuer = issuer->next) {
		const bool *has = issuer->has;
		const char *missing = !has[CONF_ISSUER_ISSUER]                                ? "issuer"
		                      : !has[CONF_ISSUER_AUDIENCE]                            ? "audience"
		                      : !has[CONF_ISSUER_JWKS] && !has[CONF_ISSUER_DISCOVERY] ? "jwks or discovery"
		                      : !has[CONF_ISSUER_TENANT]                              ? "tenant"
		                                                                              : NULL;

		if (missing) {
			reading->why = arena_printf(reading->arena, "%.*s: [issuer \"%.*s\"] has no %s",
			                            STR_ARG(issuer->from), STR_ARG(issuer->name), missing);
			return false;
		}
	}
	return true;
}

enum exit_code
conf_read_file(struct conf *conf, const char *path, struct arena *arena, struct str *why_out)
{
	struct reading reading = { .conf = conf, .arena = arena, .path = path };
	int            bad_line = 0;

	/* The library's settings: no continuation lines, only our rules for comments, whole lines. */
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_initial_alloc = LINE_MAX_B;
	ini_max_line = LINE_MAX_B;

	if (load(&reading)) {
		bad_line = ini_parse_stream(next_line, &reading, on_key, &reading);
		if (bad_line != 0 && reading.why.len == 0)
			complain(&reading, "this is neither [section] nor key = value");
	}
	if (reading.why.len > 0 || !issuers_are_whole(&reading)) {
		*why_out = reading.why;
		return EXIT_CONFIG;
	}
	conf->file = str_from_c(path);
	return EXIT_DONE;
}

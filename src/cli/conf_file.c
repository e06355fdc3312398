/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libinih parses the file. Our own reader passes it the lines: it counts them for messages, limits the size of the file
 * and removes comments at the ends of lines.
 */
#include "cli/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/suggest.h"

#define FILE_MAX   ((size_t)256 << 10)
#define LINE_MAX_B 4096 /* as libinih counts: line end and NUL included */

struct reading {
	struct conf  *conf;
	struct arena *arena;
	const char   *path;
	struct str    rest;
	unsigned      line;
	struct str    why; /* the first error; empty if there is none */
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
	memcpy(at, line.at, line.len);
	at[line.len] = '\n';
	at[line.len + 1] = 0;
	return at;
}

static bool
unknown_key(struct reading *reading, const char *section, struct suggestion *suggestion)
{
	complain(reading, "unknown key \"%.*s\" in [%s]%s; `tidemark help tidemark.conf` lists the keys",
	         STR_ARG(suggestion->word), section, suggestion_text(suggestion, reading->arena));
	return false;
}

static bool
set_server(struct reading *reading, struct str name, struct str value)
{
	struct suggestion suggestion = { .word = name };

	for (int id = 0; id < CONF_COUNT; id++) {
		const struct conf_setting *setting = conf_setting((enum conf_id)id);
		struct conf_value         *at = &reading->conf->values[id];
		const char                *fault;

		suggestion_try(&suggestion, setting->name);
		if (!str_eq(name, str_from_c(setting->name)))
			continue;
		if (at->from.len > 0 && !conf_repeats((enum conf_id)id)) {
			complain(reading, "%s is set twice; first at %.*s", setting->name, STR_ARG(at->from));
			return false;
		}
		fault = conf_fault(setting, value);
		if (fault) {
			complain(reading, "%s: \"%.*s\" is not %s", setting->name, STR_ARG(value), fault);
			return false;
		}
		at->text = at->from.len > 0
		                   ? arena_printf(reading->arena, "%.*s %.*s", STR_ARG(at->text), STR_ARG(value))
		                   : arena_copy(reading->arena, value);
		at->origin = CONF_FROM_FILE;
		at->from = arena_printf(reading->arena, "%s:%u", reading->path, reading->line);
		return true;
	}
	return unknown_key(reading, "server", &suggestion);
}

static struct conf_issuer *
issuer_named(struct reading *reading, struct str name)
{
	struct conf        *conf = reading->conf;
	struct conf_issuer *issuer;

	for (size_t i = 0; i < conf->issuer_count; i++)
		if (str_eq(conf->issuers[i].name, name))
			return &conf->issuers[i];
	if (conf->issuer_count == CONF_ISSUERS_MAX) {
		complain(reading, "more than %d issuers", CONF_ISSUERS_MAX);
		return NULL;
	}
	issuer = &conf->issuers[conf->issuer_count++];
	issuer->name = arena_copy(reading->arena, name);
	issuer->from = arena_printf(reading->arena, "%s:%u", reading->path, reading->line);
	return issuer;
}

static struct str *
issuer_key_named(struct conf_issuer *issuer, struct str name)
{
	for (const struct conf_issuer_key *key = conf_issuer_keys; key->name; key++)
		if (str_eq(name, str_from_c(key->name)))
			return conf_issuer_value(issuer, key);
	return NULL;
}

static bool
set_issuer(struct reading *reading, struct str section, struct str name, struct str value)
{
	struct conf_issuer *issuer = issuer_named(reading, section);
	struct suggestion   suggestion = { .word = name };
	struct str         *at;

	if (!issuer)
		return false;
	at = issuer_key_named(issuer, name);
	if (!at) {
		for (const struct conf_issuer_key *key = conf_issuer_keys; key->name; key++)
			suggestion_try(&suggestion, key->name);
		return unknown_key(reading, "issuer", &suggestion);
	}
	if (at->len > 0 || value.len == 0) {
		complain(reading, "%.*s is %s", STR_ARG(name), value.len ? "set twice" : "empty");
		return false;
	}
	*at = arena_copy(reading->arena, value);
	return true;
}

static bool
set_recordings(struct reading *reading, struct str name, struct str value)
{
	bool             *at = str_eq(name, STR("delegated"))               ? &reading->conf->recordings_delegated
	                       : str_eq(name, STR("policy-organizer-wide")) ? &reading->conf->policy_organizer_wide
	                                                                    : NULL;
	struct suggestion suggestion = { .word = name };

	if (!at) {
		for (const struct conf_switch *key = conf_recordings_keys; key->name; key++)
			suggestion_try(&suggestion, key->name);
		return unknown_key(reading, "recordings", &suggestion);
	}
	if (!str_eq(value, STR("on")) && !str_eq(value, STR("off"))) {
		complain(reading, "%.*s: \"%.*s\" is not on or off", STR_ARG(name), STR_ARG(value));
		return false;
	}
	*at = str_eq(value, STR("on"));
	return true;
}

static int
on_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *reading = ctx;
	struct str      part = str_from_c(section);

	if (reading->why.len > 0)
		return 0;
	if (str_eq(part, STR("server")))
		return set_server(reading, str_from_c(name), str_from_c(value));
	if (str_eq(part, STR("recordings")))
		return set_recordings(reading, str_from_c(name), str_from_c(value));
	if (str_starts(part, STR("issuer \"")) && str_ends(part, STR("\"")) && part.len > 9) {
		part = str_first(str_skip(part, 8), part.len - 9);
		return set_issuer(reading, part, str_from_c(name), str_from_c(value));
	}
	if (part.len == 0)
		complain(reading, "\"%s\" stands before any section; begin with [server]", name);
	else
		complain(reading, "unknown section [%s]; [server], [recordings] and [issuer \"name\"] are known",
		         section);
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
	return reading->why.len == 0;
}

static bool
issuers_are_whole(struct reading *reading)
{
	for (size_t i = 0; i < reading->conf->issuer_count; i++) {
		const struct conf_issuer *issuer = &reading->conf->issuers[i];
		const char               *missing = !issuer->issuer.len                           ? "issuer"
		                                    : !issuer->audience.len                       ? "audience"
		                                    : !issuer->jwks.len && !issuer->discovery.len ? "jwks or discovery"
		                                    : !issuer->tenant.len                         ? "tenant"
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

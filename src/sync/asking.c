/* SPDX-License-Identifier: Apache-2.0 */
#include "sync/asking.h"

#include "fetch/fetch_link.h"
#include "store/replica.h"

#define HEADER_MAX ((size_t)1 << 10)

int
asking_read_url(struct cmd_run *run)
{
	struct str url = fetch_link_encode(str_from_c(run->args[0]), "", run->arena);
	size_t     bad = fetch_link_find_bad(url);
	char      *text = arena_take_raw(run->arena, url.len + 1);

	if (bad < url.len)
		return cmd_usage(run, "the URL holds the byte 0x%02X at position %zu, which no URL may hold%s",
		                 (uint8_t)url.at[bad], bad + 1,
		                 (uint8_t)url.at[bad] == '\\' ? " (a backslash; is it from a shell?)" : "");
	memcpy(text, url.at, url.len);
	text[url.len] = '\0';
	run->args[0] = text;
	return EXIT_DONE;
}

/* Visible ASCII and blanks, but no blank at either end. */
static bool
is_field_value(struct str text)
{
	return text.len > 0 && str_is_within(text, ' ', '~') && str_trim(text).len == text.len;
}

static bool
is_field_name(struct str text)
{
	return text.len > 0 && str_is_within(text, '!', '~') &&
	       str_find_any(text, STR("\"(),/:;<=>?@[\\]{}")) == text.len;
}

/* Fields that this program sets itself, that frame a message, or that would change what an answer is. */
static bool
is_own_field(struct str name)
{
	return str_has_word(STR("Authorization Host Cookie Prefer Content-Length TE Trailer Transfer-Encoding "
	                        "Connection Upgrade Expect Keep-Alive Proxy-Connection Range Accept "
	                        "Proxy-Authorization Accept-Encoding If-Range Via HTTP2-Settings"),
	                    ' ', name, str_eq_nocase);
}

static bool
names_page_size(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (str_starts_nocase(str_skip(text, i), STR("maxpagesize")))
			return true;
	return false;
}

static int
read_prefer(struct cmd_run *run, struct str *prefer_out)
{
	const char *text;

	*prefer_out = STR_EMPTY;
	for (size_t i = 0; (text = cmd_value_at(run, "prefer", i)) != NULL; i++) {
		struct str value = str_from_c(text);

		if (value.len == 0) /* the scope's preferences end */
			continue;
		if (!is_field_value(value))
			return cmd_usage(run, "--prefer: the value holds a byte that no header field may hold");
		if (names_page_size(value))
			return cmd_usage(run, "--prefer: the page size is set by --page-size");
		*prefer_out = arena_printf(run->arena, "%.*s%s%.*s", STR_ARG(*prefer_out),
		                           prefer_out->len > 0 ? ", " : "", STR_ARG(value));
		if (prefer_out->len > REPLICA_PREFER_MAX)
			return cmd_usage(run, "--prefer: more than %d bytes in all", REPLICA_PREFER_MAX);
	}
	return EXIT_DONE;
}

static int
read_header(struct cmd_run *run, const char *text, const char **header_out)
{
	struct str field = str_from_c(text), name = str_first(field, str_find(field, '=')), value;

	value = str_skip(field, name.len < field.len ? name.len + 1 : name.len);
	if (name.len == field.len || !is_field_name(name) || !is_field_value(value) || field.len > HEADER_MAX)
		return cmd_usage(run, "--header: \"%.*s\" is not NAME=VALUE", STR_ARG(str_cut(field, 100)));
	if (is_own_field(name))
		return cmd_usage(run, "--header: %.*s cannot be set%s", STR_ARG(name),
		                 str_eq_nocase(name, STR("Prefer"))          ? "; see --prefer"
		                 : str_eq_nocase(name, STR("Authorization")) ? "; see --bearer-file"
		                                                             : "");
	*header_out = arena_c(run->arena, arena_printf(run->arena, "%.*s: %.*s", STR_ARG(name), STR_ARG(value)));
	return EXIT_DONE;
}

int
asking_read(struct cmd_run *run, struct follow_http *http)
{
	const char *text;

	TRY_CODE(read_prefer(run, &http->prefer));
	for (size_t i = 0; (text = cmd_value_at(run, "header", i)) != NULL; i++) {
		if (i == FOLLOW_HEADERS_MAX)
			return cmd_usage(run, "--header: more than %d of them", FOLLOW_HEADERS_MAX);
		TRY_CODE(read_header(run, text, &http->headers[i]));
	}
	return EXIT_DONE;
}

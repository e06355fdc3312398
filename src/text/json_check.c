/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass, one loop: `want` is what may come next, a small stack holds the open containers.
 * The names of all open objects are in one array, those of an inner object after its outer's, so
 * closing an object removes its names from the end.
 */
#include "text/json_check.h"

#include "base/buf.h"
#include "text/json_span.h"
#include "text/json_string.h"
#include "text/utf8.h"

#define LEVELS_MAX 256 /* of a value that is only spoiled because it is too deep */
#define NAMES_MAX  ((size_t)JSON_DEPTH_MAX * JSON_MEMBERS_MAX)

enum want {
	WANT_VALUE,         /* a value must follow */
	WANT_FIRST_ELEMENT, /* a value or ] */
	WANT_FIRST_NAME,    /* a name or } */
	WANT_NAME,
	WANT_REST, /* a comma or the closing bracket; at the top: the end */
};

struct name {
	struct str text; /* what it stands for: two spellings of a name are one */
	uint64_t   hash;
};

struct level {
	bool       object;
	size_t     names_from;
	uint64_t   names_seen; /* a bit for each name's hash: most names are new and need no search */
	struct str name;       /* of the member whose value is being read; empty in an array */
	size_t     from;       /* where the container itself begins */
};

struct check {
	struct str    text;
	size_t        at;
	enum want     want;
	size_t        depth;
	struct level *levels; /* LEVELS_MAX */
	struct buf    names;
	struct arena *meant; /* holds the names that are written with escapes; NULL until there is one */
	const char   *what;
	size_t        fault_at;

	const struct json_watch *watch; /* NULL: nobody */
};

static enum err
fault(struct check *check, const char *what, size_t at)
{
	check->what = what;
	check->fault_at = at;
	return ERR_BAD_REQUEST;
}

static enum err
malformed(struct check *check)
{
	bool ends = check->at == check->text.len;

	return fault(check, ends ? "the JSON is not complete; the text ends" : "the JSON is malformed", check->at);
}

/* A rule of ours is broken, not one of JSON's: inside one of the watch's values that spoils only this value. */
static enum err
spoil(struct check *check, const char *what, size_t at)
{
	const struct json_watch *watch = check->watch;

	if (!watch || !watch->spoiled || check->depth < watch->spoils_from)
		return fault(check, what, at);
	watch->spoiled(watch->ctx, what);
	return OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
peek(const struct check *check)
{
	return check->at < check->text.len ? check->text.at[check->at] : '\0';
}

static void
skip_blanks(struct check *check)
{
	while (check->at < check->text.len && is_blank(check->text.at[check->at]))
		check->at++;
}

/* ---- strings and names ---------------------------------------------------------------------- */

static enum err
take_string(struct check *check, struct str *inside_out)
{
	size_t opening = check->at++;

	for (;;) {
		struct str rest = str_of(check->text.at + check->at, check->text.len - check->at);
		uint32_t   rune;

		check->at += json_plain_len(rest);
		if (check->at == check->text.len)
			return fault(check, "a string is not closed; it opens", opening);
		if (check->text.at[check->at] == '"')
			break;
		if (check->text.at[check->at] != '\\')
			return fault(check, "a control byte stands in a string", check->at);
		rest = str_skip(check->text, check->at);
		if (json_take_escape(&rest, &rune)) {
			if (rune == 0)
				TRY(spoil(check, JSON_NUL_FAULT, check->at));
			check->at = check->text.len - rest.len;
		} else if (json_is_surrogate(rest)) {
			TRY(spoil(check, JSON_HALF_FAULT, check->at));
			check->at += JSON_UNIT_LEN;
		} else {
			return fault(check, JSON_HALF_FAULT, check->at);
		}
	}
	*inside_out = str_of(check->text.at + opening + 1, check->at - opening - 1);
	check->at++;
	return OK;
}

/*
 * What a name means, without escapes. One with half a surrogate pair means nothing and is spoiled already: it stays
 * as it is.
 */
static struct str
meant(struct check *check, struct str raw)
{
	struct str text;

	if (!check->meant)
		check->meant = arena_open(check->text.len);
	return json_span_text(str_of(raw.at - 1, raw.len + 2), check->meant, &text) ? text : raw;
}

static uint64_t
stir(uint64_t hash, const char bytes[8])
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static uint64_t
hash_of(struct str text)
{
	uint64_t hash = 0;
	size_t   at = 0;
	char     last[8] = { 0 };

	for (; text.len - at >= 8; at += 8)
		hash = stir(hash, text.at + at);
	memcpy(last, text.at + at, text.len - at);
	last[7] = (char)(text.len - at + 1);
	return stir(hash, last);
}

static bool
is_doubled(const struct check *check, const struct name *name, size_t from, size_t count)
{
	const struct name *names = (const struct name *)(const void *)check->names.at;

	for (size_t i = from; i < count; i++)
		if (names[i].hash == name->hash && str_eq(names[i].text, name->text))
			return true;
	return false;
}

static enum err
note_name(struct check *check, struct str raw, size_t at)
{
	struct str    text = memchr(raw.at, '\\', raw.len) ? meant(check, raw) : raw;
	struct name   name = { text, hash_of(text) };
	struct level *level = &check->levels[check->depth - 1];
	uint64_t      bit = (uint64_t)1 << (name.hash >> 58);
	size_t        count = check->names.len / sizeof(name);

	level->name = raw;
	/* A value that is too deep is spoiled already; its names are not counted. */
	if (check->depth > JSON_DEPTH_MAX)
		return OK;
	if (count - level->names_from == JSON_MEMBERS_MAX)
		return spoil(check, "an object has too many members", at);
	if ((level->names_seen & bit) != 0 && is_doubled(check, &name, level->names_from, count))
		return spoil(check, "a member name is doubled", at);
	level->names_seen |= bit;
	buf_put(&check->names, str_of(&name, sizeof(name)));
	return OK;
}

/* ---- numbers and words ---------------------------------------------------------------------- */

static bool
take_digits(struct check *check)
{
	size_t from = check->at;

	while (is_digit(peek(check)))
		check->at++;
	return check->at > from;
}

static enum err
take_number(struct check *check)
{
	size_t from = check->at;
	bool   good;

	if (peek(check) == '-')
		check->at++;
	if (peek(check) == '0') {
		check->at++;
		good = true;
	} else {
		good = take_digits(check);
	}
	if (good && peek(check) == '.') {
		check->at++;
		good = take_digits(check);
	}
	if (good && (peek(check) == 'e' || peek(check) == 'E')) {
		check->at++;
		if (peek(check) == '+' || peek(check) == '-')
			check->at++;
		good = take_digits(check);
	}
	return good ? OK : fault(check, "the JSON is malformed", from);
}

static enum err
take_word(struct check *check, struct str word)
{
	if (!str_starts(str_skip(check->text, check->at), word))
		return fault(check, "the JSON is malformed", check->at);
	check->at += word.len;
	return OK;
}

/* ---- the pass ------------------------------------------------------------------------------- */

/* The value that began at `from` has ended. */
static void
report(const struct check *check, size_t from)
{
	const struct json_watch *watch = check->watch;

	if (watch && check->depth <= watch->depth)
		watch->emit(watch->ctx, check->depth,
		            check->depth > 0 ? check->levels[check->depth - 1].name : STR_EMPTY,
		            str_of(check->text.at + from, check->at - from));
}

static enum err
open_container(struct check *check, bool object)
{
	if (check->depth == LEVELS_MAX)
		return fault(check, "the JSON is nested too deeply", check->at);
	if (check->depth >= JSON_DEPTH_MAX)
		TRY(spoil(check, "the JSON is nested too deeply", check->at));
	check->levels[check->depth++] = (struct level){ .object = object,
		                                        .names_from = check->names.len / sizeof(struct name),
		                                        .name = STR_EMPTY,
		                                        .from = check->at };
	check->want = object ? WANT_FIRST_NAME : WANT_FIRST_ELEMENT;
	check->at++;
	return OK;
}

static void
close_container(struct check *check)
{
	const struct level *level = &check->levels[--check->depth];

	buf_cut(&check->names, level->names_from * sizeof(struct name));
	check->want = WANT_REST;
	check->at++;
	report(check, level->from);
}

static enum err
take_scalar(struct check *check)
{
	struct str inside;

	switch (peek(check)) {
	case '"':
		return take_string(check, &inside);
	case 't':
		return take_word(check, STR("true"));
	case 'f':
		return take_word(check, STR("false"));
	case 'n':
		return take_word(check, STR("null"));
	default:
		return take_number(check);
	}
}

static enum err
take_value(struct check *check)
{
	size_t from = check->at;
	char   first = peek(check);

	if (first == '{' || first == '[')
		return open_container(check, first == '{');
	check->want = WANT_REST;
	TRY(take_scalar(check));
	report(check, from);
	return OK;
}

static enum err
take_name(struct check *check)
{
	size_t     from = check->at;
	struct str raw;

	if (peek(check) != '"')
		return malformed(check);
	TRY(take_string(check, &raw));
	TRY(note_name(check, raw, from));
	skip_blanks(check);
	if (peek(check) != ':')
		return malformed(check);
	check->at++;
	check->want = WANT_VALUE;
	return OK;
}

static enum err
take_rest(struct check *check)
{
	bool object = check->levels[check->depth - 1].object;

	if (peek(check) == (object ? '}' : ']')) {
		close_container(check);
		return OK;
	}
	if (peek(check) != ',')
		return malformed(check);
	check->at++;
	check->want = object ? WANT_NAME : WANT_VALUE;
	return OK;
}

static enum err
take_next(struct check *check)
{
	switch (check->want) {
	case WANT_FIRST_ELEMENT:
	case WANT_FIRST_NAME:
		if (peek(check) == (check->want == WANT_FIRST_NAME ? '}' : ']')) {
			close_container(check);
			return OK;
		}
		return check->want == WANT_FIRST_NAME ? take_name(check) : take_value(check);
	case WANT_VALUE:
		return take_value(check);
	case WANT_NAME:
		return take_name(check);
	case WANT_REST:
		break;
	}
	return take_rest(check);
}

static enum err
check_all(struct check *check)
{
	size_t good = utf8_good_len(check->text);

	if (str_starts(check->text, STR("\xef\xbb\xbf")))
		return fault(check, "a byte order mark is not accepted", 0);
	if (good < check->text.len)
		return fault(check, "the text is not UTF-8", good);
	for (;;) {
		skip_blanks(check);
		if (check->want == WANT_REST && check->depth == 0)
			break;
		if (check->at == check->text.len)
			return malformed(check);
		TRY(take_next(check));
	}
	if (check->at < check->text.len)
		return fault(check, "something follows the value", check->at);
	return OK;
}

enum err
json_check_watched(struct str text, size_t bytes_max, const struct json_watch *watch, struct arena *arena,
                   struct str *why_out)
{
	struct level levels[LEVELS_MAX]; /* set when a container opens, not before: most texts need two or three */
	struct check check = { .text = text,
		               .want = WANT_VALUE,
		               .levels = levels,
		               .watch = watch,
		               .what = "the JSON is too long; it goes on",
		               .fault_at = bytes_max };
	enum err     err = ERR_TOO_LARGE;

	buf_open(&check.names, NAMES_MAX * sizeof(struct name));
	if (text.len <= bytes_max)
		err = check_all(&check);
	buf_close(&check.names);
	arena_close(&check.meant);
	if (err != OK && why_out)
		*why_out = arena_printf(arena, "%s at byte %zu", check.what, check.fault_at + 1);
	return err;
}

enum err
json_check(struct str text, size_t bytes_max, struct arena *arena, struct str *why_out)
{
	return json_check_watched(text, bytes_max, NULL, arena, why_out);
}

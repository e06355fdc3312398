/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/issuer_conf.h"

#include "cli/console.h"
#include "fetch/jwks_fetch.h"
#include "text/uri.h"

#define AUDIENCES_MAX 16

_Static_assert(CONF_ISSUERS_MAX <= AUTH_EXTERNAL_MAX, "every issuer of the file has a row in the gate");

static int
complain(const struct conf_part *issuer, const char *what)
{
	return console_fail(EXIT_CONFIG, "%.*s: [issuer \"%.*s\"]: %s; see `tidemark help tidemark.conf`",
	                    STR_ARG(issuer->from), STR_ARG(issuer->name), what);
}

static bool
is_https(struct str url)
{
	struct uri_parts parts;

	return uri_split(url, &parts) && str_eq(parts.scheme, STR("https"));
}

static const char *
read_tenant(const struct conf_part *issuer, const struct guid *own, struct auth_external *row)
{
	bool has_hole = str_find_text(issuer->values[CONF_ISSUER_ISSUER], STR("{tid}")) <
	                issuer->values[CONF_ISSUER_ISSUER].len;

	if (str_eq(issuer->values[CONF_ISSUER_TENANT], STR("claim:tid")))
		return NULL;
	if (str_eq(issuer->values[CONF_ISSUER_TENANT], STR("own")))
		row->tenant = *own;
	else if (!guid_parse(issuer->values[CONF_ISSUER_TENANT], &row->tenant) || guid_is_zero(&row->tenant))
		return "tenant is not claim:tid, own, or a GUID";
	return has_hole ? "an issuer with {tid} in it speaks for many tenants: tenant must be claim:tid" : NULL;
}

static const char *
read_keys(const struct conf_part *issuer, struct auth_external *row)
{
	if (issuer->values[CONF_ISSUER_JWKS].len > 0 && issuer->values[CONF_ISSUER_DISCOVERY].len > 0)
		return "jwks and discovery exclude each other";
	if (issuer->values[CONF_ISSUER_DISCOVERY].len > 0 && !is_https(issuer->values[CONF_ISSUER_DISCOVERY]))
		return "discovery is not an https URL";
	if (issuer->values[CONF_ISSUER_JWKS].len > 0 && !is_https(issuer->values[CONF_ISSUER_JWKS]) &&
	    !(str_starts(issuer->values[CONF_ISSUER_JWKS], STR("file:")) && issuer->values[CONF_ISSUER_JWKS].len > 5))
		return "jwks is neither an https URL nor file:PATH";
	row->jwks = issuer->values[CONF_ISSUER_JWKS];
	row->discovery = issuer->values[CONF_ISSUER_DISCOVERY];
	row->jwks_ca = issuer->values[CONF_ISSUER_JWKS_CA];
	return NULL;
}

static const char *
read_audiences(const struct conf_part *issuer, struct arena *arena, struct auth_external *row)
{
	struct str *list = arena_take(arena, AUDIENCES_MAX * sizeof(*list));
	struct str  rest = issuer->values[CONF_ISSUER_AUDIENCE], one;

	while (str_take_until(&rest, ' ', &one)) {
		if (one.len == 0)
			continue;
		if (row->audience_count == AUDIENCES_MAX)
			return "more than 16 audiences";
		list[row->audience_count++] = one;
	}
	row->audiences = list;
	return NULL;
}

static const char *
read_not_before(const struct conf_part *issuer, struct auth_external *row)
{
	row->iat_for_nbf = str_eq(issuer->values[CONF_ISSUER_NOT_BEFORE], STR("iat"));
	if (issuer->values[CONF_ISSUER_NOT_BEFORE].len > 0 && !row->iat_for_nbf &&
	    !str_eq(issuer->values[CONF_ISSUER_NOT_BEFORE], STR("nbf")))
		return "not-before is neither nbf nor iat";
	return NULL;
}

static void
log_failure(void *ctx, const struct auth_external *row, const char *what)
{
	LOG_EVENT((const struct log *)ctx, LOG_WARN, "keys of an issuer not renewed", { "issuer", row->name },
	          { "why", str_from_c(what) });
}

int
issuer_conf_read(const struct conf *conf, const struct guid *own, const struct log *log, struct arena *arena,
                 struct issuer_conf *external_out)
{
	*external_out = (struct issuer_conf){ .count = 0 };
	external_out->source =
		(struct auth_source){ .ctx = (void *)(uintptr_t)log, .fetch = jwks_fetch, .report = log_failure };
	for (const struct conf_part *issuer = conf->issuers; issuer; issuer = issuer->next) {
		struct auth_external *row = &external_out->rows[external_out->count++];
		const char           *why;

		row->name = issuer->name;
		row->iss = issuer->values[CONF_ISSUER_ISSUER];
		why = read_tenant(issuer, own, row);
		if (!why)
			why = read_keys(issuer, row);
		if (!why)
			why = read_audiences(issuer, arena, row);
		if (!why)
			why = read_not_before(issuer, row);
		if (why)
			return complain(issuer, why);
	}
	return EXIT_DONE;
}

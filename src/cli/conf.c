/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/conf.h"

#include <unistd.h>

#include "cli/store_url.h"

#define SYSTEM_FILE "/etc/tidemark/tidemark.conf"

const char *
conf_origin_name(enum conf_origin origin)
{
	static const char *const names[] = { "default", "file", "environment", "flag" };

	return names[origin];
}

struct str
conf_get(const struct conf *conf, enum conf_id id)
{
	return conf->values[id].text;
}

struct str
conf_store_url(const struct conf *conf)
{
	const struct conf_value *value = &conf->values[CONF_STORE];

	return store_url_is_postgresql(value->text) ? value->whole : value->text;
}

bool
conf_is_on(const struct conf_part *part, int key)
{
	return str_eq(part->values[key], STR("on"));
}

static const char *
env_of(const struct conf_source *source, const char *name)
{
	const char *value = source->env(source->env_ctx, name);

	return value && value[0] ? value : NULL;
}

/* $XDG_…_HOME when it is set and absolute, else $HOME and the usual folder; empty when there is no home. */
static struct str
xdg_path(const struct conf_source *source, const char *variable, const char *under_home, const char *file,
         struct arena *arena)
{
	const char *base = env_of(source, variable);
	const char *home = env_of(source, "HOME");

	if (base && base[0] == '/')
		return arena_printf(arena, "%s/%s", base, file);
	if (home && home[0] == '/')
		return arena_printf(arena, "%s/%s/%s", home, under_home, file);
	return STR_EMPTY;
}

/* The file to read: NULL when none was named and none is at the usual places. */
static const char *
file_of(const struct conf_source *source, struct arena *arena)
{
	const char *named = source->config ? source->config : env_of(source, "TIDEMARK_CONFIG");
	const char *path;

	if (named)
		return named;
	path = arena_c(arena, xdg_path(source, "XDG_CONFIG_HOME", ".config", "tidemark/tidemark.conf", arena));
	if (path[0] && access(path, F_OK) == 0)
		return path;
	return access(SYSTEM_FILE, F_OK) == 0 ? SYSTEM_FILE : NULL;
}

static struct str
fallback_of(const struct conf_source *source, enum conf_id id, struct arena *arena)
{
	struct str path;

	if (id != CONF_STORE)
		return str_from_c(conf_setting(id)->fallback);
	path = xdg_path(source, "XDG_DATA_HOME", ".local/share", "tidemark/tidemark.db", arena);
	return path.len ? arena_printf(arena, "sqlite:%.*s", STR_ARG(path)) : STR("sqlite:tidemark.db");
}

static enum exit_code
read_setting(const struct conf_source *source, enum conf_id id, struct arena *arena, struct conf *conf,
             struct str *why_out)
{
	struct conf_value *value = &conf->values[id];
	const char        *flag = source->flags[id];
	const char        *env = env_of(source, conf_setting(id)->env);
	const char        *fault;

	if (flag)
		*value = (struct conf_value){ str_from_c(flag), CONF_FROM_FLAG,
			                      arena_printf(arena, "--%s", conf_setting(id)->name), STR_EMPTY };
	else if (env)
		*value = (struct conf_value){ str_from_c(env), CONF_FROM_ENVIRONMENT, str_from_c(conf_setting(id)->env),
			                      STR_EMPTY };
	else if (value->origin != CONF_FROM_FILE)
		*value = (struct conf_value){ fallback_of(source, id, arena), CONF_FROM_DEFAULT, STR_EMPTY, STR_EMPTY };

	if (value->origin == CONF_FROM_FLAG || value->origin == CONF_FROM_ENVIRONMENT) {
		fault = conf_fault(conf_setting(id), value->text);
		if (fault) {
			*why_out = arena_printf(arena, "%.*s: \"%.*s\" is not %s", STR_ARG(value->from),
			                        STR_ARG(conf_quotable(conf_setting(id), value->text)), fault);
			return EXIT_USAGE;
		}
	}
	value->whole = value->text;
	if (id == CONF_STORE && store_url_is_postgresql(value->text))
		value->text = store_url_shown(value->text, arena);
	return EXIT_DONE;
}

enum exit_code
conf_read(const struct conf_source *source, struct arena *arena, struct conf *conf_out, struct str *why_out)
{
	struct conf   *conf = arena_take(arena, sizeof(*conf));
	const char    *file = file_of(source, arena);
	enum exit_code code;

	if (file) {
		code = conf_read_file(conf, file, arena, why_out);
		if (code != EXIT_DONE)
			return code;
	}
	for (int id = 0; id < CONF_COUNT; id++) {
		code = read_setting(source, (enum conf_id)id, arena, conf, why_out);
		if (code != EXIT_DONE)
			return code;
	}
	*conf_out = *conf;
	return EXIT_DONE;
}

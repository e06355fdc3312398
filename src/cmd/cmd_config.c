/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "text/json_write.h"

/* Each [issuer] has all of its keys, each [scope] those that are set. */
static void
put_parts(struct json_out *json, struct str name, const struct conf_part *part, const struct conf_section *section)
{
	json_put_name(json, name);
	json_put_array(json);
	for (; part; part = part->next) {
		json_put_object(json);
		json_put_member(json, STR("name"), part->name);
		for (int i = 0; section->keys[i].name; i++)
			if (part->has[i] || section == &conf_sections[CONF_ISSUERS])
				json_put_member(json, str_from_c(section->keys[i].name), part->values[i]);
		json_put_member(json, STR("from"), part->from);
		json_end_object(json);
	}
	json_end_array(json);
}

static void
put_json(struct cmd_run *run)
{
	struct json_out json = json_out_object(out_buf(run->out));

	json_put_member(&json, STR("file"), run->conf.file);
	json_put_name(&json, STR("settings"));
	json_put_array(&json);
	for (int id = 0; id < CONF_COUNT; id++) {
		const struct conf_value *value = &run->conf.values[id];

		json_put_object(&json);
		json_put_member(&json, STR("name"), str_from_c(conf_setting((enum conf_id)id)->name));
		json_put_member(&json, STR("value"), value->text);
		json_put_member(&json, STR("origin"), str_from_c(conf_origin_name(value->origin)));
		json_put_member(&json, STR("from"), value->from);
		json_end_object(&json);
	}
	json_end_array(&json);
	put_parts(&json, STR("issuers"), run->conf.issuers, &conf_sections[CONF_ISSUERS]);
	json_put_name(&json, STR("recordings"));
	json_put_object(&json);
	for (int i = 0; i < CONF_RECORDINGS_KEYS; i++)
		json_put_member_bool(&json, str_from_c(conf_recordings_keys[i].name),
		                     conf_is_on(&run->conf.recordings, i));
	json_end_object(&json);
	put_parts(&json, STR("scopes"), run->conf.scopes, &conf_sections[CONF_SCOPES]);
	put_parts(&json, STR("serves"), run->conf.serves, &conf_sections[CONF_SERVES]);
	out_end_object(run->out, &json);
}

static void
put_parts_text(struct out *out, const char *name, const struct conf_part *part)
{
	for (; part; part = part->next) /* the first key of most is the URL */
		out_printf(out, "%s \"%.*s\"  %.*s  file %.*s\n", name, STR_ARG(part->name), STR_ARG(part->values[0]),
		           STR_ARG(part->from));
}

static void
put_text(struct cmd_run *run)
{
	for (int id = 0; id < CONF_COUNT; id++) {
		const struct conf_value *value = &run->conf.values[id];

		out_printf(run->out, "%-12s  %-36.*s  %s%s%.*s\n", conf_setting((enum conf_id)id)->name,
		           STR_ARG(value->text), conf_origin_name(value->origin), value->from.len ? " " : "",
		           STR_ARG(value->from));
	}
	put_parts_text(run->out, "issuer", run->conf.issuers);
	put_parts_text(run->out, "scope", run->conf.scopes);
	put_parts_text(run->out, "serve", run->conf.serves);
	out_printf(run->out, "recordings    delegated %s, policy-organizer-wide %s\n",
	           conf_is_on(&run->conf.recordings, CONF_RECORDINGS_DELEGATED) ? "on" : "off",
	           conf_is_on(&run->conf.recordings, CONF_RECORDINGS_ORGANIZER_WIDE) ? "on" : "off");
}

static int
run_config_show(struct cmd_run *run)
{
	if (cmd_has(run, "json"))
		put_json(run);
	else
		put_text(run);
	return EXIT_DONE;
}

const struct cmd cmd_config_show = {
	.name = "config show",
	.summary = "print the settings and where each comes from",
	.settings = SETTINGS(CONF_STORE, CONF_LISTEN, CONF_TLS, CONF_TLS_CERT, CONF_TLS_KEY, CONF_TLS_NAME,
	                     CONF_PUBLIC_URL, CONF_ISSUER, CONF_LINK_STYLE, CONF_MAX_CONTENT, CONF_MIN_FREE,
	                     CONF_RETENTION, CONF_SERVE_SCOPE, CONF_LOG_LEVEL, CONF_AUDIT),
	.options = OPTIONS(
		{ "json", NULL,
	          "one JSON object: `file`, `settings` (name, value, origin, from), `issuers`, `recordings`, `scopes`, "
	          "`serves`",
	          false }),
	.about = ABOUT(
		"Prints each setting, its value, and where the value comes from: a flag, an environment variable, a "
		"line of the configuration file, or the default.",
		"It accepts the setting flags of the other commands and shows what a command with those flags would "
		"use."),
	.examples = EXAMPLES(
		{ "tidemark config show --config /etc/tidemark/tidemark.conf", "Check a configuration file" }),
	.run = run_config_show,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "text/json_write.h"

static const struct cmd_option options[] = {
	{ "json", NULL, "one JSON object: `file`, `settings` (name, value, origin, from), `issuers`, `recordings`",
	  false },
	{ 0 },
};

static const enum conf_id all_settings[] = {
	CONF_STORE,    CONF_LISTEN,     CONF_TLS,       CONF_TLS_CERT,   CONF_TLS_KEY,
	CONF_TLS_NAME, CONF_PUBLIC_URL, CONF_ISSUER,    CONF_LINK_STYLE, CONF_MAX_CONTENT,
	CONF_MIN_FREE, CONF_RETENTION,  CONF_LOG_LEVEL, CONF_AUDIT,      CONF_COUNT,
};

static const char *const about[] = {
	"Prints each setting, its value, and where the value comes from: a flag, an environment variable, a line of "
	"the configuration file, or the default.",
	"It accepts the setting flags of the other commands and shows what a command with those flags would use.",
	NULL,
};

static const struct cmd_example examples[] = {
	{ "tidemark config show --config /etc/tidemark/tidemark.conf", "Check a configuration file" },
	{ 0 },
};

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
	json_put_name(&json, STR("issuers"));
	json_put_array(&json);
	for (size_t i = 0; i < run->conf.issuer_count; i++) {
		struct conf_issuer *issuer = &run->conf.issuers[i];

		json_put_object(&json);
		json_put_member(&json, STR("name"), issuer->name);
		for (const struct conf_issuer_key *key = conf_issuer_keys; key->name; key++)
			json_put_member(&json, str_from_c(key->name), *conf_issuer_value(issuer, key));
		json_put_member(&json, STR("from"), issuer->from);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_put_name(&json, STR("recordings"));
	json_put_object(&json);
	json_put_member_bool(&json, STR("delegated"), run->conf.recordings_delegated);
	json_put_member_bool(&json, STR("policy-organizer-wide"), run->conf.policy_organizer_wide);
	json_end_object(&json);
	out_end_object(run->out, &json);
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
	for (size_t i = 0; i < run->conf.issuer_count; i++) {
		const struct conf_issuer *issuer = &run->conf.issuers[i];

		out_printf(run->out, "issuer \"%.*s\"  %.*s  file %.*s\n", STR_ARG(issuer->name),
		           STR_ARG(issuer->issuer), STR_ARG(issuer->from));
	}
	out_printf(run->out, "recordings    delegated %s, policy-organizer-wide %s\n",
	           run->conf.recordings_delegated ? "on" : "off", run->conf.policy_organizer_wide ? "on" : "off");
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
	.settings = all_settings,
	.options = options,
	.about = about,
	.examples = examples,
	.run = run_config_show,
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "cmd/cmd.h"

static const struct cmd *const commands[] = {
	&cmd_serve,
	&cmd_token,
	&cmd_import,
	&cmd_export,
	&cmd_user_add,
	&cmd_user_list,
	&cmd_user_remove,
	&cmd_client_add,
	&cmd_client_list,
	&cmd_client_remove,
	&cmd_explain_access,
	&cmd_policy_allow,
	&cmd_policy_add,
	&cmd_policy_list,
	&cmd_policy_remove,
	&cmd_store_check,
	&cmd_store_gc,
	&cmd_store_info,
	&cmd_store_backup,
	&cmd_store_restore,
	&cmd_sync,
	&cmd_changes,
	&cmd_status,
	&cmd_verify,
	&cmd_retry,
	&cmd_scope_rename,
	&cmd_scope_forget,
	&cmd_scope_grant,
	&cmd_doctor,
	&cmd_follow_now,
	&cmd_follow_pause,
	&cmd_follow_resume,
	&cmd_follow_status,
	&cmd_config_show,
	&cmd_version,
	&cmd_help,
	NULL,
};

static const struct cmd_group groups[] = {
	{ "user", "manage users" },
	{ "client", "manage the clients of the store's own issuer" },
	{ "policy", "manage which applications may access whose meetings" },
	{ "store", "check, copy and clean a store" },
	{ "scope", "rename, forget or open a followed URL" },
	{ "follow", "ask a server that follows" },
	{ "config", "show the configuration" },
	{ 0 },
};

int
main(int argc, char **argv)
{
	static const struct cmd_table table = { commands, groups };

	return run_command_line(&table, argc, argv);
}

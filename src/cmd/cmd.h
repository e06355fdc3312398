/* SPDX-License-Identifier: Apache-2.0 */
/* cmd — the rows of all commands, each from its own file; main.c puts them into the table. */
#pragma once

#include "cli/command.h"

extern const struct cmd cmd_serve, cmd_token, cmd_import, cmd_export;
extern const struct cmd cmd_user_add, cmd_user_list, cmd_user_remove;
extern const struct cmd cmd_client_add, cmd_client_list, cmd_client_remove, cmd_explain_access;
extern const struct cmd cmd_policy_allow, cmd_policy_add, cmd_policy_list, cmd_policy_remove;
extern const struct cmd cmd_store_check, cmd_store_gc, cmd_store_info, cmd_store_backup, cmd_store_restore;
extern const struct cmd cmd_sync, cmd_changes, cmd_status, cmd_verify, cmd_retry, cmd_doctor;
extern const struct cmd cmd_follow_now, cmd_follow_pause, cmd_follow_resume, cmd_follow_status;
/* With *is_known_out false no server follows what the argument names, and nothing has been printed. */
int                     follow_now(struct cmd_run *run, bool *is_known_out);
extern const struct cmd cmd_scope_rename, cmd_scope_forget, cmd_scope_grant;
extern const struct cmd cmd_config_show, cmd_version, cmd_help;

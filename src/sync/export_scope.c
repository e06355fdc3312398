/* SPDX-License-Identifier: Apache-2.0 */

#include "store/replica_relation.h"
#include "sync/following.h"
#include "text/json_write.h"

#define PREFIX    STR("scope/")
#define ARENA_MAX ((size_t)256 << 10)

bool
names_a_scope(const char *feed)
{
	return str_starts(str_from_c(feed), PREFIX);
}

static void
put_line(struct out *out, struct str feed, struct str value)
{
	struct json_out json = json_out_object(out_buf(out));

	json_put_member(&json, STR("op"), STR("put"));
	json_put_member(&json, STR("feed"), feed);
	json_put_member_raw(&json, STR("value"), value);
	out_end_object(out, &json);
	out_flush_some(out);
}

/* As the remote told them, an item's members after all items. */
static enum err
put_relations(struct cmd_run *run, struct replica *replica, int64_t sid, struct str feed)
{
	struct replica_member member = { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
	struct json_out       json;
	enum err              err = OK;

	while (!run->out->failed && (err = replica_next_member(replica, sid, &member, &member)) == OK) {
		json = json_out_object(out_buf(run->out));
		json_put_member(&json, STR("op"), STR("relate"));
		json_put_member(&json, STR("feed"), feed);
		json_put_member(&json, STR("id"), member.id);
		json_put_member(&json, STR("relation"), member.relation);
		json_put_member_raw(&json, STR("value"), member.value);
		out_end_object(run->out, &json);
		out_flush_some(run->out);
	}
	return run->out->failed || err == ERR_NOT_FOUND ? OK : err;
}

/* In one snapshot: the view of one moment. */
static enum err
put_items(struct cmd_run *run, struct replica *replica, int64_t sid, struct str feed)
{
	struct str id = STR_EMPTY, body;
	enum err   err = replica_begin_read(replica);

	while (err == OK && !run->out->failed && (err = replica_next_item(replica, sid, id, &id, &body)) == OK)
		put_line(run->out, feed, body);
	if (err == ERR_NOT_FOUND)
		err = put_relations(run, replica, sid, feed);
	replica_end_read(replica);
	return err;
}

int
export_scope(struct cmd_run *run, const char *feed)
{
	AUTO(arena_close) struct arena     *arena = arena_open(ARENA_MAX);
	AUTO(replica_close) struct replica *replica = NULL;
	struct replica_scope                scope;
	enum err                            err;

	TRY_CODE(following_look(run, &replica));
	TRY_CODE(following_scope_named(run, replica, feed + PREFIX.len, arena, &scope));
	err = put_items(run, replica, scope.sid, str_from_c(feed));
	return err == OK ? EXIT_DONE : following_failed(run, replica, err);
}

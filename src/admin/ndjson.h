/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines — the JSON Lines of import, export and the control socket: one object a line, each an op.
 *
 *   {"op":"user","value":{"id":…,"userPrincipalName":…,"displayName":…,"mail":…,"tenantId":…}}
 *   {"op":"put","feed":"users/<guid>/calendars","value":{…}}
 *   {"op":"remove","feed":"users/<guid>/calendars","id":…}
 *   {"op":"remove-user","id":…}
 *   {"op":"policy","value":{"app":…,"user":"<guid>"}}          or "global":true instead of a user
 *   {"op":"remove-policy","value":{…the same…}}
 *   {"op":"client","value":{"id":…,"displayName":…,"roles":[…],"secretHash":…,"createdDateTime":…,"tenantId":…}}
 *   {"op":"remove-client","id":…}
 *
 * A recording's put may name a "contentFile".  Whoever reads the lines copies that file to where content is
 * kept, and hands on the line with "content":{"id":…,"sha256":…,"size":…} in its place.
 *
 * A line is parsed strictly: a member that has no meaning here is refused, not passed over.
 */
#pragma once

#include "auth/client.h"
#include "auth/directory.h"
#include "base/buf.h"
#include "content/content.h"
#include "resource/resource.h"
#include "store/store.h"

#define LINE_BYTES_MAX ((size_t)1 << 20)
#define LINE_ARENA_MAX ((size_t)64 << 20) /* for an arena that is reset after each line */

#define LINE_CLIENT_GONE "this client was removed; a createdDateTime is needed to bring the id back"

enum line_kind {
	LINE_USER,
	LINE_PUT,
	LINE_REMOVE,
	LINE_REMOVE_USER,
	LINE_CLIENT,
	LINE_REMOVE_CLIENT,
	LINE_POLICY,
	LINE_REMOVE_POLICY
};

struct line_op {
	enum line_kind         kind;
	struct user            user;   /* LINE_USER; LINE_REMOVE_USER has the id alone */
	struct client          client; /* LINE_CLIENT; LINE_REMOVE_CLIENT has the id alone */
	bool                   has_tenant;
	struct guid            owner; /* LINE_PUT, LINE_REMOVE: whose feed */
	const struct resource *resource;
	struct str             value;        /* LINE_PUT: the very bytes */
	struct str             id;           /* LINE_REMOVE */
	struct str             content_file; /* LINE_PUT of a recording; empty if none */
	bool                   has_content;  /* LINE_PUT of a recording: it is there already */
	struct content_ref     content;
	struct str             app; /* LINE_POLICY and its removal; a zeroed owner is the global policy */
};

/* Blank: nothing but blanks; such lines are passed over. */
bool line_is_blank(struct str text);

/* ERR_BAD_REQUEST, ERR_TOO_LARGE; the reason is in *why_out. Views are in `text` and the arena. */
enum err line_parse(struct str text, struct arena *arena, struct line_op *op_out, struct str *why_out) MUST_CHECK;

struct line_counts {
	uint64_t users, stored, removed, absent; /* absent: was not there to be removed */
};

/* Where lines go.  The owner found last is kept for the next line, so `txn_arena` must live as long as the transaction.
 */
struct line_target {
	struct guid           tenant;  /* of users who name none */
	struct content       *content; /* where the lines' content must be; NULL: not looked for */
	const struct entropy *entropy;
	struct arena         *txn_arena;
	struct arena         *line_arena;
	struct user           owner;
	bool                  has_owner;
};

/*
 * Applies one op.  A refusal is set by store_fail() and *why_out has the reason; when the store itself failed
 * *why_out is left alone.
 */
void line_apply(struct store_txn *txn, struct line_target *target, const struct line_op *op, struct line_counts *counts,
                struct str *why_out);

/* The other way round: a line, line end included. `tenant` is the store's own, which is not written. */
void line_put_user(struct buf *buf, const struct user *user, const struct guid *tenant);
void line_put_item(struct buf *buf, const struct store_feed *feed, const struct item *item, struct arena *arena);
void line_put_policy(struct buf *buf, bool removes, const struct guid *user, const struct guid *tenant, struct str app);
/* The put `op` again, with content where a contentFile stood. */
void line_put_with_content(struct buf *buf, const struct line_op *op, const struct content_ref *content);
void line_put_remove_user(struct buf *buf, const struct guid *id);
void line_put_client(struct buf *buf, const struct client *client, const struct guid *tenant);
void line_put_remove_client(struct buf *buf, const struct guid *id);

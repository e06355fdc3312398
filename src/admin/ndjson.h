/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ndjson — the JSON Lines of import, export and the control socket: one object a line, each an operation.
 *
 *   {"op":"user","value":{"id":…,"userPrincipalName":…,"displayName":…,"mail":…,"tenantId":…}}
 *   {"op":"put","feed":"users/<guid>/calendars","value":{…}}
 *   {"op":"remove","feed":"users/<guid>/calendars","id":…}
 *   {"op":"remove-user","id":…}
 *   {"op":"policy","value":{"app":…,"user":"<guid>"}}          or "global":true instead of a user
 *   {"op":"remove-policy","value":{…the same…}}
 *   {"op":"grant","value":{"scope":…,"to":…}}                  of a followed scope, to a client or a user
 *   {"op":"remove-grant","value":{…the same…}}
 *   {"op":"client","value":{"id":…,"displayName":…,"roles":[…],"secretHash":…,"createdDateTime":…,"tenantId":…}}
 *   {"op":"remove-client","id":…}
 *
 * The put of a recording may name a "contentFile". The program that reads the lines copies the file to the folder of
 * content and replaces the member by "content":{"id":…,"sha256":…,"size":…}.
 *
 * Parsing is strict: an unknown member is an error.
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

#define LINE_CLIENT_MOVES "this client belongs to another tenant; remove it first"
#define LINE_CLIENT_GONE  "this client was removed; a createdDateTime is needed to bring the id back"

enum line_kind {
	LINE_USER,
	LINE_PUT,
	LINE_REMOVE,
	LINE_REMOVE_USER,
	LINE_CLIENT,
	LINE_REMOVE_CLIENT,
	LINE_POLICY,
	LINE_REMOVE_POLICY,
	LINE_GRANT,
	LINE_REMOVE_GRANT
};

struct line_op {
	enum line_kind         kind;
	struct user            user;   /* LINE_USER; LINE_REMOVE_USER has the id alone */
	struct client          client; /* LINE_CLIENT; LINE_REMOVE_CLIENT has the id alone */
	bool                   has_tenant;
	struct guid            owner; /* LINE_PUT, LINE_REMOVE: whose feed */
	const struct resource *resource;
	struct str             value;        /* LINE_PUT: the bytes as given */
	struct str             id;           /* LINE_REMOVE; LINE_GRANT, LINE_REMOVE_GRANT: the scope */
	struct str             content_file; /* LINE_PUT of a recording; empty if none */
	bool                   has_content;  /* LINE_PUT of a recording: the content is stored */
	struct content_ref     content;
	struct str app; /* LINE_POLICY, LINE_REMOVE_POLICY; a zeroed owner: the global policy.  A grant: to whom */
};

/* Only blanks; such lines are skipped. */
bool line_is_blank(struct str text);

/* ERR_BAD_REQUEST, ERR_TOO_LARGE; the reason is in *why_out. Views are in `text` and the arena. */
enum err line_parse(struct str text, struct arena *arena, struct line_op *op_out, struct str *why_out) MUST_CHECK;

struct line_counts {
	uint64_t users, stored, removed, absent; /* absent: to be removed, but not there */
};

/* The other direction: each writes one line with its line end. `tenant` is the store's own, which is left out. */
void line_put_user(struct buf *buf, const struct user *user, const struct guid *tenant);
void line_put_item(struct buf *buf, const struct store_feed *feed, const struct item *item, struct arena *arena);
void line_put_policy(struct buf *buf, bool removes, const struct guid *user, const struct guid *tenant, struct str app);
void line_put_grant(struct buf *buf, bool removes, struct str scope, struct str to);
/* The put `op`, with content in place of contentFile. */
void line_put_with_content(struct buf *buf, const struct line_op *op, const struct content_ref *content);
/* `op` is "remove-user" or "remove-client". */
void line_put_removal(struct buf *buf, const char *op, const struct guid *id);
void line_put_client(struct buf *buf, const struct client *client, const struct guid *tenant);

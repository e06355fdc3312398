/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource — what the program knows of a kind of thing: one descriptor per resource, data first.
 *
 * The server derives $metadata, property look-up, checks of bodies, import, responses and the tables in docs/ from it.
 * The follower derives identity, removal and update rules, and the store its SQL views.  Code that handles pages,
 * cursors and feeds knows no resource by name.
 *
 * Descriptors are constant and shared by all threads.  docs/adding-a-resource.md says how to add one.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "content/content.h"
#include "resource/property.h"
#include "store/store.h"

/* ---- rights ---------------------------------------------------------------------------------------------- */

enum right {
	RIGHT_CALENDARS_READ,  /* list, get, delta */
	RIGHT_CALENDARS_WRITE, /* create, update, delete */
	RIGHT_RECORDINGS_READ,
	RIGHT_RECORDINGS_WRITE,
	RIGHT_MEETING_RECORDINGS_READ, /* of one meeting: list, get, delta, content */
	RIGHT_OWN_RECORDINGS_READ,     /* by the organizer, where delegated use is switched on */
	RIGHT_ME_READ,                 /* the signed-in user */
	RIGHT_USERS_READ,
	RIGHT_COUNT
};

/* Microsoft's own names, so that tokens and consent pages look alike. */
struct right_row {
	enum right         right;
	const char        *calls;     /* what it allows, for documents */
	const char *const *delegated; /* permission names, each of them suffices; ended by NULL */
	const char *const *application;
	const char *const *everyone; /* delegated names that reach other users of the tenant, too; NULL: none does */
};

/* Stands for every permission. */
#define RIGHT_ANY "any"

/* ---- paths --------------------------------------------------------------------------------------------- */

/* What a path names. */
enum route_kind {
	ROUTE_UNKNOWN,
	ROUTE_SERVICE,  /* / , /v1.0, /beta */
	ROUTE_METADATA, /* /v1.0/$metadata */
	ROUTE_BATCH,    /* /v1.0/$batch */
	/* Of any resource with the functions for it. */
	ROUTE_COLLECTION,
	ROUTE_DELTA,
	ROUTE_ITEM,
	ROUTE_DEFAULT_ITEM,
	ROUTE_PERMANENT_DELETE,
	/* Of one resource alone. */
	ROUTE_ALL_RECORDINGS,
	ROUTE_ALL_RECORDINGS_DELTA,
	ROUTE_RECORDINGS,
	ROUTE_RECORDINGS_DELTA,
	ROUTE_RECORDING,
	ROUTE_CONTENT,
	ROUTE_USER,
	ROUTE_USERS,
	ROUTE_MEMBERS,         /* of an item of a followed feed, in one of its relations */
	ROUTE_FOLLOWED_CONTENT /* of an item of a followed feed */
};

/*
 * A path behind the user; with a slash before it, behind the version.  A {word} is the key of the noun before it, as a
 * segment of its own or in brackets.  name() is a function without parameters, name(*) one with parameters.  The first
 * row that matches counts.
 */
struct resource_path {
	const char     *pattern;
	enum route_kind kind;
	enum right      read, write; /* for GET, for the other methods */
};

/* Names in a descriptor, ended by NULL. */
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NONE       ((const char *const[]){ NULL })

/* ---- the descriptor -------------------------------------------------------------------------------------- */

/* "@removed" · removals are not reported · also by the facet `deleted` */
enum removal { REMOVAL_ANNOTATION, REMOVAL_NONE, REMOVAL_FACET };
enum updates { UPDATES_PARTIAL, UPDATES_COMPLETE }; /* missing members stay · the item is replaced */

struct navigation { /* what is reached from an item: name and type, as $metadata writes them */
	const char *name, *type;
};

struct refused_member { /* a member that a body must not have, and why */
	const char *name, *why;
};

/* How a stored body is sent. */
struct resource_sending {
	bool       beta;        /* else /v1.0 */
	struct str content_url; /* as JSON: the URL of the item's content on this server, if it can have any */
};

#define RESOURCE_PIECES_MAX 8

struct values;

/* What a write needs. */
struct resource_ctx {
	const struct resource *resource;
	struct store_feed      feed;
	struct str             owner_name, owner_address; /* of the owner, for a new item */
	struct str             group;                     /* the item is in it; empty: in any */
	bool                   beta;                      /* else /v1.0: for bodies of clients */
	const struct entropy  *entropy;
	struct arena          *arena;
};

struct resource {
	uint8_t     number;     /* of its feeds in the store; never changes.  0: it is not served */
	const char *name;       /* "calendar" */
	const char *article;    /* "a" or "an": for messages */
	const char *odata_type; /* "#microsoft.graph.calendar"; NULL: the generic descriptor */

	/* How it is followed. */
	const char        *collection; /* the last noun of its URLs, its scopes, feeds and SQL view: "calendars" */
	const char *const *functions;  /* functions that list it too; ended by NULL */
	const char *const *identity;   /* the members that identify an item; ended by NULL */
	enum removal       removal;
	enum updates       updates;
	const char *const *relations; /* members that come in parts as X@delta; ended by NULL */
	bool               lists;     /* an initial round lists all items */
	unsigned           page_size; /* to ask for */
	const char        *content;   /* the member that points to content; NULL */
	/* The columns of its SQL view if it has no properties; ended by a NULL name. */
	const struct store_column *columns;
	/* The permissions, delegated or application, each of which lets one read a feed of it that is served onward. */
	const char *const *reads; /* ended by NULL; NULL: `rights` say it, or nothing does */

	/* How it is served; empty if it is not. */
	const struct resource_path  *paths;  /* ended by a NULL pattern */
	const struct right_row      *rights; /* ended by a NULL in `calls` */
	const struct property       *properties;
	size_t                       property_count;
	const struct refused_member *refused; /* in an import, a POST and a PATCH; NULL name ends */
	size_t                       key; /* the row whose text, folded, is the item's second key, by which it sorts */
	/* Its URL behind the version, with {owner}, {tenant}, {key} and {id}; between ' it is a key in brackets. */
	const char              *item_path;
	const struct navigation *links;       /* ended by a NULL name; NULL: none */
	bool                     is_bare;     /* answers name its URL only with full metadata */
	bool                     is_followed; /* bodies are JSON as the source sent them (resource_followed()) */
	/*
	 * A stored body in the pieces to send, which begin with '{' and end with '}'.  0: read() must take it apart,
	 * because it is damaged or older than the newest row.
	 */
	size_t (*pieces)(const struct resource *resource, struct str body, const struct resource_sending *sending,
	                 struct str pieces_out[RESOURCE_PIECES_MAX]);
	/* A stored body's values, as views into it and the arena.  `sending` NULL: as stored.  False: it is damaged. */
	bool (*read)(const struct resource *resource, struct str body, const struct resource_sending *sending,
	             struct arena *arena, struct values *values_out);
	/* Bound into its state tokens; never changes.  0: it has no delta function of its own. */
	uint8_t delta_function;
	bool    has_extended;                /* its items can have single-value extended properties (extended.h) */
	size_t  version_row;                 /* whose text is the ETag; 0: it has none */
	bool (*id_is_shaped)(struct str id); /* can the text be an id?  NULL: any can */
	/* Its items stand in groups, which are items of this resource.  NULL: they do not. */
	const struct resource *groups;
	bool (*is_in)(const struct guid *owner, struct str body, struct str group, struct arena *arena);
	/*
	 * What a call does in a transaction; NULL: there is no such call.  ensure(): creates what every owner has.
	 * require_default(): creates the default item if there is none.  create() and the others: as in calendar.h.
	 */
	void (*ensure)(struct store_txn *txn, const struct resource_ctx *ctx);
	void (*require_default)(struct store_txn *txn, const struct resource_ctx *ctx);
	void (*create)(struct store_txn *txn, const struct resource_ctx *ctx, struct str value, struct item *item_out,
	               struct str *why_out);
	void (*update)(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
	               struct str value, struct item *item_out, struct str *why_out);
	void (*remove)(struct store_txn *txn, const struct resource_ctx *ctx, struct str id, struct str if_match,
	               struct str *why_out);
	bool removal_is_checked; /* an import removes an item by remove(), too */
	/* The content of a stored body.  ERR_NOT_FOUND it has none · ERR_CORRUPT.  NULL: no item has content. */
	enum err (*content_of)(struct str body, struct content_ref *ref_out);
	/* Puts an imported item and links content to it (NULL: keeps what is linked); errors as in calendar.h. */
	void (*put_import)(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
	                   struct str value, const struct content_ref *content, struct str *why_out);
};

extern const struct resource resource_calendar, resource_calendar_group, resource_recording, resource_user,
	resource_generic;

/* All but the generic one; NULL ends. */
extern const struct resource *const resources[];

/* Their SQL views, named as their collections; a view without a name ends them.  All in the arena. */
const struct store_view *resource_views(struct arena *arena);

/* By the last noun of a followed URL ("calendars", "getAllRecordings"), letter case ignored.  Never NULL. */
const struct resource *resource_of_collection(struct str noun);
/* By an item's @odata.type.  Never NULL. */
const struct resource *resource_of_type(struct str odata_type);
/* By the collection of its scope ("calendars"), else by its own @odata.type.  Never NULL. */
const struct resource *resource_of_item(struct str collection, struct str json, struct arena *arena);
/* By the number of a feed; the generic one if no resource has it. */
const struct resource *resource_of_feed(const struct store_feed *feed);

/* "users/<guid>/calendars": how JSON Lines name a feed. */
bool       feed_name_parse(struct str name, struct guid *owner_out, const struct resource **resource_out);
struct str feed_name(const struct store_feed *feed, struct arena *arena);

/* The ETag's text, as a view into the body; empty if there is none. */
struct str resource_version(const struct resource *resource, struct str body, struct arena *arena);

/* A stored body as JSON, with the properties of /beta; "{}": it is damaged. */
struct str resource_json(const struct resource *resource, struct str body, struct arena *arena);
/* Is the stored body undamaged and that of `id`?  For `store check`. */
bool resource_body_is_sound(const struct resource *resource, struct str body, struct str id, struct arena *arena);

/*
 * For a resource whose stored body needs no format of its own: a byte, the number of rows, the JSON.  Row 0 is the id,
 * which every item must have.
 */
size_t resource_plain_pieces(const struct resource *resource, struct str body, const struct resource_sending *sending,
                             struct str pieces_out[RESOURCE_PIECES_MAX]);
bool   resource_plain_read(const struct resource *resource, struct str body, const struct resource_sending *sending,
                           struct arena *arena, struct values *values_out);
/* Empty: it is too large. */
struct str resource_plain_body(const struct resource *resource, const struct values *values, struct arena *arena);
void resource_plain_put_import(const struct resource *resource, struct store_txn *txn, const struct resource_ctx *ctx,
                               struct str value, const struct content_ref *content, struct str *why_out);

/* The property's row, letter case ignored; property_count: there is none in that version. */
size_t resource_find_property(const struct resource *resource, struct str name, bool beta);

/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/control.h"

#include "admin/apply.h"
#include "admin/gc.h"
#include "text/uri.h"

#define GC_STEP 20000

/* ---- answers ------------------------------------------------------------------------------------------- */

static struct json_out
begin_json(struct http_resp *resp)
{
	http_resp_field(resp, "Content-Type", STR("application/json"));
	return json_out_object(http_resp_body(resp));
}

static void
end_json(struct http_resp *resp, struct json_out *json)
{
	json_end_object(json);
	buf_put_char(http_resp_body(resp), '\n');
}

static void
answer_error(struct http_resp *resp, unsigned status, const char *code, const char *message, uint64_t line)
{
	struct json_out json;

	http_resp_clear(resp);
	http_resp_status(resp, status);
	json = begin_json(resp);
	json_put_name(&json, STR("error"));
	json_put_object(&json);
	json_put_member(&json, STR("code"), str_from_c(code));
	json_put_member(&json, STR("message"), str_from_c(message));
	if (line > 0)
		json_put_member_int(&json, STR("line"), (int64_t)line);
	json_end_object(&json);
	end_json(resp, &json);
}

static void
answer_err(struct http_resp *resp, enum err err, const char *why, uint64_t line)
{
	static const struct {
		unsigned    status;
		const char *code;
	} answers[] = {
		[ERR_BAD_REQUEST] = { 400, "refused" }, [ERR_BAD_TOKEN] = { 400, "refused" },
		[ERR_NOT_FOUND] = { 400, "refused" },   [ERR_CONFLICT] = { 400, "refused" },
		[ERR_STALE] = { 400, "refused" },       [ERR_GONE] = { 400, "refused" },
		[ERR_TOO_LARGE] = { 413, "tooLarge" },  [ERR_BUSY] = { 503, "tryAgain" },
		[ERR_LOCKED] = { 503, "tryAgain" },     [ERR_UNSURE] = { 503, "tryAgain" },
		[ERR_FULL] = { 507, "full" },
	};

	if ((size_t)err < COUNT_OF(answers) && answers[err].status != 0)
		answer_error(resp, answers[err].status, answers[err].code, why, line);
	else
		answer_error(resp, 500, "failed", why, line);
}

/* ---- health, ready, metrics ------------------------------------------------------------------------------ */

static void
answer_health(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct json_out json = begin_json(resp);

	(void)control;
	(void)req;
	json_put_member(&json, STR("status"), STR("alive"));
	end_json(resp, &json);
}

static bool
store_answers(struct control *control)
{
	struct store_feed none = { 0 }, feed;
	struct feed_state mark;
	enum err          err = store_next_feed(control->store, &none, &feed, &mark);

	return err == OK || err == ERR_NOT_FOUND;
}

static void
answer_ready(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct json_out json;

	(void)req;
	if (atomic_load(&control->draining)) {
		answer_error(resp, 503, "draining", "the process is about to end", 0);
		return;
	}
	if (!store_answers(control)) {
		answer_error(resp, 503, "store", "the store does not answer", 0);
		return;
	}
	if (store_is_moved(control->store)) {
		answer_error(resp, 503, "store", "the store's file was renamed, replaced or deleted", 0);
		return;
	}
	json = begin_json(resp);
	json_put_member(&json, STR("status"), STR("ready"));
	end_json(resp, &json);
}

static void
metric(struct buf *buf, const char *name, const char *type, const char *help, uint64_t value)
{
	buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name,
	           (unsigned long long)value);
}

static void
put_http_metrics(struct buf *buf, const struct http_stats *stats)
{
	metric(buf, "tidemark_connections_accepted_total", "counter", "Connections accepted.", stats->accepted);
	metric(buf, "tidemark_connections_refused_total", "counter", "Connections refused by a limit.",
	       stats->refused_connections);
	metric(buf, "tidemark_connections_open", "gauge", "Connections open now.", stats->open);
	metric(buf, "tidemark_requests_total", "counter", "Requests read.", stats->requests);
	metric(buf, "tidemark_workers_busy", "gauge", "Worker threads at work.", stats->workers_busy);
	metric(buf, "tidemark_requests_waiting", "gauge", "Requests that wait for a worker.", stats->waiting);
	metric(buf, "tidemark_requests_throttled_total", "counter",
	       "Requests refused because their caller has too many.", stats->throttled);
	metric(buf, "tidemark_uploads", "gauge", "Uploads under way.", stats->uploads);
	metric(buf, "tidemark_answers_waiting", "gauge",
	       "Answers that wait for a change: held polls and event streams.", stats->waits);
	metric(buf, "tidemark_held_bytes", "gauge", "Memory that requests hold.", stats->held);
	metric(buf, "tidemark_timeouts_total", "counter", "Connections ended by a deadline.", stats->timeouts);
	metric(buf, "tidemark_protocol_errors_total", "counter", "Requests refused by the parser.",
	       stats->protocol_errors);
	metric(buf, "tidemark_received_bytes_total", "counter", "Bytes received.", stats->bytes_in);
	metric(buf, "tidemark_sent_bytes_total", "counter", "Bytes sent.", stats->bytes_out);
	buf_printf(buf, "# HELP tidemark_responses_total Responses by class of status.\n"
	                "# TYPE tidemark_responses_total counter\n");
	for (unsigned i = 1; i < 6; i++)
		buf_printf(buf, "tidemark_responses_total{class=\"%uxx\"} %llu\n", i,
		           (unsigned long long)stats->by_class[i]);
}

static void
put_auth_metrics(struct buf *buf, struct auth_stats stats)
{
	metric(buf, "tidemark_signature_checks_total", "counter", "Signatures of access tokens checked.",
	       stats.signature_checks);
	metric(buf, "tidemark_known_tokens_total", "counter", "Access tokens that were known, so not checked again.",
	       stats.cache_hits);
	metric(buf, "tidemark_tokens_cached", "gauge", "Checked access tokens held now.", stats.cached);
	metric(buf, "tidemark_key_fetches_total", "counter", "Times the keys of an external issuer were fetched.",
	       stats.key_fetches);
	metric(buf, "tidemark_sign_ins_refused_total", "counter", "Sign-ins refused.", stats.issuer.refused);
	metric(buf, "tidemark_secret_checks", "gauge", "Checks by argon2id, run or wait.", stats.issuer.checking);
	metric(buf, "tidemark_secret_checks_refused_total", "counter", "Without a place.", stats.issuer.checks_refused);
}

static void
answer_metrics(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct buf       *buf = http_resp_body(resp);
	struct http_stats stats;
	struct store_info info;

	(void)req;
	http_resp_field(resp, "Content-Type", STR("text/plain; version=0.0.4; charset=utf-8"));
	http_get_stats(control->server, &stats);
	put_http_metrics(buf, &stats);
	put_auth_metrics(buf, auth_gate_stats(control->gate));
	if (control->followers.ctx)
		control->followers.put_metrics(control->followers.ctx, buf);
	metric(buf, "tidemark_store_epoch", "gauge", "The store's epoch.", store_epoch(control->store));
	metric(buf, "tidemark_store_file_moved", "gauge", "1: the store's file is no longer at its path.",
	       store_is_moved(control->store));
	if (store_get_info(control->store, &info) != OK)
		return;
	metric(buf, "tidemark_store_commits_total", "counter", "Transactions committed.", info.commits);
	metric(buf, "tidemark_store_syncs_total", "counter", "Times the log was made durable.", info.syncs);
	metric(buf, "tidemark_store_feeds", "gauge", "Feeds in the store.", info.feeds);
	metric(buf, "tidemark_store_items", "gauge", "Live items in the store.", info.items);
	metric(buf, "tidemark_store_tombstones", "gauge", "Removals the store still remembers.", info.tombstones);
	metric(buf, "tidemark_store_file_bytes", "gauge", "Size of the store's file.", info.file_bytes);
	metric(buf, "tidemark_store_wal_bytes", "gauge", "Size of its write-ahead log.", info.wal_bytes);
}

/* ---- where a memory: store is ------------------------------------------------------------------------------ */

static void
answer_store(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct json_out json = begin_json(resp);

	(void)req;
	json_put_member(&json, STR("store"), control->store_url);
	json_put_member(&json, STR("content"), str_from_c(content_path(control->content)));
	end_json(resp, &json);
}

/* ---- apply ------------------------------------------------------------------------------------------------- */

static void
answer_apply(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct str          key = http_req_field(req, "Idempotency-Key");
	struct store_op     op;
	struct apply_result result;
	struct json_out     json;
	enum err            err;

	if (key.at && !guid_parse(key, &op.id)) {
		answer_error(resp, 400, "badKey", "Idempotency-Key is not a GUID", 0);
		return;
	}
	err = apply_lines(control->store, control->content, control->entropy, key.at ? &op : NULL, req->body, &result);
	if (err != OK) {
		answer_err(resp, err, result.why, result.bad_line);
		return;
	}
	json = begin_json(resp);
	json_put_member_int(&json, STR("lines"), (int64_t)result.lines);
	json_put_member_int(&json, STR("users"), (int64_t)result.counts.users);
	json_put_member_int(&json, STR("stored"), (int64_t)result.counts.stored);
	json_put_member_int(&json, STR("removed"), (int64_t)result.counts.removed);
	json_put_member_int(&json, STR("absent"), (int64_t)result.counts.absent);
	json_put_member_bool(&json, STR("again"), result.again);
	end_json(resp, &json);
}

/* ---- gc ------------------------------------------------------------------------------------------------------ */

/* The cursor of a job: tenant and owner as GUIDs, then the collection's number. */
static bool
read_after(struct str text, struct store_feed *feed_out)
{
	struct store_feed feed;
	struct str        tenant, owner;
	uint64_t          collection;

	if (!str_take_until(&text, '.', &tenant) || !str_take_until(&text, '.', &owner) ||
	    !guid_parse(tenant, &feed.tenant) || !guid_parse(owner, &feed.owner) || !str_to_u64(text, &collection) ||
	    collection > UINT8_MAX)
		return false;
	feed.collection = (uint8_t)collection;
	*feed_out = feed;
	return true;
}

static const char *
read_gc_query(const struct http_req *req, struct gc *gc)
{
	struct str      rest = req->query;
	struct uri_pair pair;
	bool            more = true, has_retention = false;
	uint64_t        seconds;

	while (more) {
		if (uri_take_pair(&rest, req->arena, &pair, &more) != OK)
			return "the query is malformed";
		if (!more)
			break;
		if (str_eq(pair.name, STR("retention")) && str_to_u64(pair.value, &seconds) && seconds < 4000000000U) {
			gc->until_ms = clock_wall_ms(gc->clock) - (int64_t)seconds * 1000;
			has_retention = true;
		} else if (str_eq(pair.name, STR("dry-run")) && str_eq(pair.value, STR("1"))) {
			gc->dry_run = true;
		} else if (!str_eq(pair.name, STR("after")) || !read_after(pair.value, &gc->after)) {
			return "unknown option or bad value in the query";
		}
	}
	return has_retention ? NULL : "retention=SECONDS is needed";
}

static void
answer_gc(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	struct gc       gc = { .store = control->store, .clock = control->clock };
	const char     *fault = read_gc_query(req, &gc);
	char            tenant[GUID_TEXT_LEN], owner[GUID_TEXT_LEN];
	struct json_out json;
	enum err        err;

	if (fault) {
		answer_error(resp, 400, "badQuery", fault, 0);
		return;
	}
	err = gc_step(&gc, GC_STEP);
	if (err != OK) {
		answer_err(resp, err, err_text(err), 0);
		return;
	}
	guid_format(&gc.after.tenant, tenant);
	guid_format(&gc.after.owner, owner);
	json = begin_json(resp);
	json_put_member_int(&json, STR("purged"), (int64_t)gc.purged);
	json_put_member_int(&json, STR("feeds"), (int64_t)gc.feeds);
	json_put_member_bool(&json, STR("done"), gc.done);
	json_put_member(&json, STR("after"),
	                arena_printf(req->arena, "%.*s.%.*s.%u", GUID_TEXT_LEN, tenant, GUID_TEXT_LEN, owner,
	                             (unsigned)gc.after.collection));
	end_json(resp, &json);
}

/* ---- followers ------------------------------------------------------------------------------------------------ */

#define FOLLOW_PATH "/-/follow"

static bool
read_follow_query(const struct http_req *req, struct str *name, uint64_t *ticket)
{
	struct str      rest = req->query;
	struct uri_pair pair;
	bool            more = true;

	while (uri_take_pair(&rest, req->arena, &pair, &more) == OK) {
		if (!more)
			return true;
		if (str_eq(pair.name, STR("name")))
			*name = pair.value;
		else if (!str_eq(pair.name, STR("ticket")) || !str_to_u64(pair.value, ticket))
			return false;
	}
	return false;
}

static void
answer_follow(struct control *control, const struct http_req *req, struct http_resp *resp)
{
	const struct control_followers *followers = &control->followers;
	struct str                      verb = str_skip(req->path, sizeof(FOLLOW_PATH) - 1), name = STR_EMPTY;
	uint64_t                        ticket = 0;
	struct json_out                 json;
	enum err                        err;

	if (!followers->ctx) {
		answer_error(resp, 404, "followsNothing", "this server follows nothing; start it with --follow", 0);
		return;
	}
	if (!read_follow_query(req, &name, &ticket)) {
		answer_error(resp, 400, "badQuery", "unknown option or bad value in the query", 0);
		return;
	}
	json = begin_json(resp);
	err = followers->order(followers->ctx, str_skip(verb, verb.len > 0), name, ticket, &json);
	if (err == OK)
		end_json(resp, &json);
	else if (err == ERR_NOT_FOUND)
		answer_error(resp, 404, "notFound", "the server follows nothing of that name", 0);
	else if (err == ERR_NOT_ALLOWED)
		answer_error(resp, 409, "paused", "it is paused; `tidemark follow resume` ends that", 0);
	else
		answer_err(resp, err, err_text(err), 0);
}

/* ---- the app ---------------------------------------------------------------------------------------------------- */

static const struct control_route {
	struct str       path;
	enum http_method method;
	size_t           body_max;
	void (*answer)(struct control *control, const struct http_req *req, struct http_resp *resp);
} routes[] = {
	{ { "/-/health", 9 }, HTTP_GET, 0, answer_health },
	{ { "/-/ready", 8 }, HTTP_GET, 0, answer_ready },
	{ { "/-/metrics", 10 }, HTTP_GET, 0, answer_metrics },
	{ { "/-/store", 8 }, HTTP_GET, 0, answer_store },
	{ { "/-/apply", 8 }, HTTP_POST, CONTROL_BODY_MAX, answer_apply },
	{ { "/-/gc", 5 }, HTTP_POST, 0, answer_gc },
	{ { FOLLOW_PATH, 9 }, HTTP_GET, 0, answer_follow },
	{ { FOLLOW_PATH "/now", 13 }, HTTP_POST, 0, answer_follow },
	{ { FOLLOW_PATH "/pause", 15 }, HTTP_POST, 0, answer_follow },
	{ { FOLLOW_PATH "/resume", 16 }, HTTP_POST, 0, answer_follow },
};

static const struct control_route *
find_route(struct str path)
{
	for (size_t i = 0; i < COUNT_OF(routes); i++)
		if (str_eq(path, routes[i].path))
			return &routes[i];
	return NULL;
}

static void
plan(void *ctx, const struct http_req *req, struct http_plan *plan_out)
{
	const struct control_route *route = find_route(req->path);

	(void)ctx;
	plan_out->body_max = route ? route->body_max : 0;
	plan_out->blocks = true;
}

static enum http_verdict
answer(void *ctx, const struct http_req *req, struct http_resp *resp)
{
	const struct control_route *route = find_route(req->path);

	if (!route)
		answer_error(resp, 404, "notFound", "there is no such path here", 0);
	else if (req->method != route->method)
		answer_error(resp, 405, "notAllowed", "this path has another method", 0);
	else
		route->answer(ctx, req, resp);
	return HTTP_DONE;
}

static void
refuse(void *ctx, const struct http_req *req, unsigned status, const char *reason, struct http_resp *resp)
{
	(void)ctx;
	(void)req;
	answer_error(resp, status, "refused", reason, 0);
}

struct http_app
control_app(struct control *control)
{
	return (struct http_app){ .ctx = control, .plan = plan, .answer = answer, .refuse = refuse };
}

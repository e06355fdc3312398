/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_wait.h"

#include "http/http_thread.h"

#define CHECK_EVERY_MS 500

static uint64_t
bit_of(uint32_t topic)
{
	return (uint64_t)1 << topic % 64;
}

static struct http_exchange *
owner_of(struct http_link *link)
{
	return HTTP_LIST_OWNER(link, struct http_exchange, waiter.link);
}

/* ---- the limits ------------------------------------------------------------------------------------------------- */

void
http_waiting_open(struct http_waiting *waiting, const struct http_limits *limits)
{
	const struct http_limits callers = { .connections_max = limits->waits_max,
		                             .connections_per_peer_max = limits->waits_per_caller_max };

	waiting->callers = http_peers_open(&callers);
	waiting->count_max = limits->waits_max;
}

/* A caller whom the application does not name is the peer. */
static struct http_peer_key
caller_of(const struct http_exchange *exchange)
{
	struct http_peer_key key = { .b = { 0 } };

	if (exchange->work.caller == 0)
		return exchange->req.pending->peer->key;
	memcpy(key.b, &exchange->work.caller, sizeof(exchange->work.caller));
	return key;
}

enum http_admission
http_waiting_admit(struct http_waiting *waiting, struct http_exchange *exchange)
{
	enum http_admission admission = HTTP_ADMITTED;

	if (exchange->waiter.counted)
		return HTTP_ADMITTED;
	exchange->waiter.caller = caller_of(exchange);
	if (atomic_fetch_add(&waiting->count, 1) >= waiting->count_max)
		admission = HTTP_FULL;
	else if (!http_peers_enter(waiting->callers, &exchange->waiter.caller))
		admission = HTTP_THROTTLED;
	exchange->waiter.counted = admission == HTTP_ADMITTED;
	if (admission != HTTP_ADMITTED)
		atomic_fetch_sub(&waiting->count, 1);
	if (admission == HTTP_THROTTLED)
		atomic_fetch_add(&waiting->throttled, 1);
	return admission;
}

/* ---- changes, by any thread ------------------------------------------------------------------------------------- */

uint32_t
http_topic_moment(const struct http_req *req, uint32_t topic)
{
	const struct http_pending *pending = req->pending;

	return pending ? atomic_load(&pending->peer->thread->waits.waiting->moments[topic % HTTP_TOPICS]) : 0;
}

void
http_waiting_changed(struct http_waiting *waiting, uint32_t topic)
{
	atomic_fetch_add(&waiting->moments[topic % HTTP_TOPICS], 1);
}

bool
http_waits_changed(struct http_waits *waits, uint32_t topic)
{
	topic %= HTTP_TOPICS;
	if (!(atomic_load(&waits->wanted[topic / 64]) & bit_of(topic)))
		return false;
	atomic_fetch_or(&waits->changed[topic / 64], bit_of(topic));
	atomic_store(&waits->any_changed, true);
	return true;
}

/* ---- the loop's ------------------------------------------------------------------------------------------------- */

void
http_waits_open(struct http_waits *waits, struct http_waiting *waiting, int64_t now_ms)
{
	waits->waiting = waiting;
	for (size_t i = 0; i < HTTP_WAIT_LISTS; i++)
		http_list_open(&waits->lists[i]);
	http_list_open(&waits->ready);
	http_wheel_open(&waits->wheel, now_ms);
}

void
http_waits_put(struct http_waits *waits, struct http_exchange *exchange, bool at_once)
{
	const struct http_wait *wait = &exchange->work.wait;
	uint32_t                topic = wait->topic % HTTP_TOPICS;

	waits->count++;
	waits->stale |= wait->generation != waits->generation;
	http_list_append(&waits->lists[topic % HTTP_WAIT_LISTS], &exchange->waiter.link);
	atomic_fetch_or(&waits->wanted[topic / 64], bit_of(topic));
	if (at_once || atomic_load(&waits->waiting->moments[topic]) != wait->moment)
		http_waits_ask(waits, exchange);
	else
		http_wheel_put(&waits->wheel, &exchange->waiter.timer, wait->until_ms);
}

static void
stop_waiting(struct http_waits *waits, struct http_exchange *exchange)
{
	http_wheel_remove(&waits->wheel, &exchange->waiter.timer);
	http_list_remove(&exchange->waiter.link);
	waits->count--;
}

void
http_waits_end(struct http_waits *waits, struct http_exchange *exchange)
{
	if (http_link_is_listed(&exchange->waiter.link))
		stop_waiting(waits, exchange);
	if (!exchange->waiter.counted)
		return;
	exchange->waiter.counted = false;
	http_peers_leave(waits->waiting->callers, &exchange->waiter.caller);
	atomic_fetch_sub(&waits->waiting->count, 1);
}

void
http_waits_ask(struct http_waits *waits, struct http_exchange *exchange)
{
	http_wheel_remove(&waits->wheel, &exchange->waiter.timer);
	http_list_append(&waits->ready, &exchange->waiter.link);
}

/* Those of one list that `picks`, all without it. */
static void
ask_some(struct http_waits *waits, struct http_link *list, bool (*picks)(const struct http_wait *wait, uint64_t number),
         uint64_t number)
{
	struct http_link *link = list->next, *next;

	for (; link != list; link = next) {
		next = link->next;
		if (picks(&owner_of(link)->work.wait, number))
			http_waits_ask(waits, owner_of(link));
	}
}

static bool
is_of_topic(const struct http_wait *wait, uint64_t topic)
{
	return wait->topic % HTTP_TOPICS == topic;
}

static bool
is_of_other_generation(const struct http_wait *wait, uint64_t generation)
{
	return wait->generation != generation;
}

static bool
is_any(const struct http_wait *wait, uint64_t number)
{
	(void)wait;
	(void)number;
	return true;
}

void
http_waits_ask_all(struct http_waits *waits)
{
	for (size_t i = 0; i < HTTP_WAIT_LISTS; i++)
		ask_some(waits, &waits->lists[i], is_any, 0);
}

static void
look_at_topics(struct http_waits *waits, uint32_t word)
{
	uint64_t bits = atomic_exchange(&waits->changed[word], 0);

	atomic_fetch_and(&waits->wanted[word], ~bits);
	for (; bits; bits &= bits - 1) {
		uint32_t topic = word * 64 + (uint32_t)__builtin_ctzll(bits);

		ask_some(waits, &waits->lists[topic % HTTP_WAIT_LISTS], is_of_topic, topic);
	}
}

void
http_waits_look(struct http_waits *waits, int64_t now_ms)
{
	struct http_timer *timer;

	if (atomic_exchange(&waits->any_changed, false))
		for (uint32_t word = 0; word < HTTP_TOPICS / 64; word++)
			if (atomic_load(&waits->changed[word]))
				look_at_topics(waits, word);
	while ((timer = http_wheel_take(&waits->wheel, now_ms)) != NULL)
		http_waits_ask(waits, HTTP_LIST_OWNER(timer, struct http_exchange, waiter.timer));
}

bool
http_waits_check_is_due(struct http_waits *waits, int64_t now_ms)
{
	if (waits->count == 0 || now_ms < waits->checked_ms + CHECK_EVERY_MS)
		return false;
	waits->checked_ms = now_ms;
	return true;
}

void
http_waits_check(struct http_waits *waits, uint64_t generation)
{
	if (generation == waits->generation && !waits->stale)
		return;
	waits->generation = generation;
	waits->stale = false;
	for (size_t i = 0; i < HTTP_WAIT_LISTS; i++)
		ask_some(waits, &waits->lists[i], is_of_other_generation, generation);
}

struct http_exchange *
http_waits_take(struct http_waits *waits)
{
	struct http_exchange *exchange;

	if (http_list_is_empty(&waits->ready))
		return NULL;
	exchange = owner_of(waits->ready.next);
	stop_waiting(waits, exchange);
	return exchange;
}

int
http_waits_wait_ms(const struct http_waits *waits, int64_t now_ms)
{
	int     wheel_ms = http_wheel_wait_ms(&waits->wheel, now_ms);
	int64_t check_ms = waits->checked_ms + CHECK_EVERY_MS - now_ms;

	if (waits->count == 0)
		return -1;
	if (!http_list_is_empty(&waits->ready))
		return 0;
	check_ms = check_ms > 0 ? check_ms : 0;
	return wheel_ms < 0 || check_ms < wheel_ms ? (int)check_ms : wheel_ms;
}

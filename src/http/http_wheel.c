/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_wheel.h"

static unsigned
slot_of(int64_t tick)
{
	return (unsigned)(tick % HTTP_WHEEL_SLOTS);
}

/* The first tick that begins at or after the deadline. */
static int64_t
tick_of(int64_t deadline_ms)
{
	return deadline_ms / HTTP_WHEEL_TICK_MS + (deadline_ms % HTTP_WHEEL_TICK_MS != 0);
}

void
http_wheel_open(struct http_wheel *wheel, int64_t now_ms)
{
	*wheel = (struct http_wheel){ .tick = now_ms / HTTP_WHEEL_TICK_MS };
	http_list_open(&wheel->due);
	for (unsigned i = 0; i < HTTP_WHEEL_SLOTS; i++)
		http_list_open(&wheel->slots[i]);
}

void
http_wheel_remove(struct http_wheel *wheel, struct http_timer *timer)
{
	unsigned slot = slot_of(timer->tick);

	if (!http_link_is_listed(&timer->link))
		return;
	http_list_remove(&timer->link);
	if (http_list_is_empty(&wheel->slots[slot]))
		wheel->used[slot / 64] &= ~((uint64_t)1 << slot % 64);
}

static void
put_in_slot(struct http_wheel *wheel, struct http_timer *timer)
{
	int64_t  tick = tick_of(timer->deadline_ms);
	unsigned slot;

	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick > wheel->tick + HTTP_WHEEL_SLOTS - 1)
		tick = wheel->tick + HTTP_WHEEL_SLOTS - 1;
	slot = slot_of(tick);
	timer->tick = tick;
	http_list_append(&wheel->slots[slot], &timer->link);
	wheel->used[slot / 64] |= (uint64_t)1 << slot % 64;
}

void
http_wheel_put(struct http_wheel *wheel, struct http_timer *timer, int64_t deadline_ms)
{
	timer->deadline_ms = deadline_ms;
	if (http_link_is_listed(&timer->link)) {
		if (timer->tick <= tick_of(deadline_ms))
			return;
		http_wheel_remove(wheel, timer);
	}
	if (deadline_ms != HTTP_WHEEL_NEVER)
		put_in_slot(wheel, timer);
}

/* Takes the timers of this tick; a timer that is put from now on gets a later slot. */
static void
advance(struct http_wheel *wheel)
{
	unsigned          slot = slot_of(wheel->tick++);
	struct http_link *link;

	wheel->used[slot / 64] &= ~((uint64_t)1 << slot % 64);
	while ((link = http_list_take(&wheel->slots[slot])) != NULL)
		http_list_append(&wheel->due, link);
}

struct http_timer *
http_wheel_take(struct http_wheel *wheel, int64_t now_ms)
{
	int64_t           now_tick = now_ms / HTTP_WHEEL_TICK_MS;
	struct http_link *link;

	if (now_tick - wheel->tick > HTTP_WHEEL_SLOTS)
		wheel->tick = now_tick - HTTP_WHEEL_SLOTS;
	for (;;) {
		while ((link = http_list_take(&wheel->due)) != NULL) {
			struct http_timer *timer = HTTP_LIST_OWNER(link, struct http_timer, link);

			if (timer->deadline_ms <= now_ms)
				return timer;
			if (timer->deadline_ms != HTTP_WHEEL_NEVER)
				put_in_slot(wheel, timer);
		}
		if (wheel->tick > now_tick)
			return NULL;
		advance(wheel);
	}
}

int
http_wheel_wait_ms(const struct http_wheel *wheel, int64_t now_ms)
{
	for (unsigned offset = 0; offset < HTTP_WHEEL_SLOTS;) {
		unsigned slot = slot_of(wheel->tick + offset);
		uint64_t word = wheel->used[slot / 64] >> slot % 64;

		if (word) {
			int64_t tick = wheel->tick + offset + __builtin_ctzll(word);
			int64_t wait_ms = tick * HTTP_WHEEL_TICK_MS - now_ms;

			return wait_ms > 0 ? (int)wait_ms : 0;
		}
		offset += 64 - slot % 64;
	}
	return -1;
}

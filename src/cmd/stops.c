/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/stops.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/err.h"
#include "cmd/say.h"

static void
make_set(sigset_t *set)
{
	MUST(sigemptyset(set) == 0 && sigaddset(set, SIGTERM) == 0 && sigaddset(set, SIGINT) == 0);
}

void
stops_open(struct stops *stops)
{
	sigset_t set;

	make_set(&set);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	*stops = (struct stops){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
	MUST(stops->fd >= 0);
}

void
stops_close(struct stops *stops)
{
	sigset_t set;

	make_set(&set);
	(void)close(stops->fd);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

bool
stops_came(void *ctx)
{
	struct stops           *stops = ctx;
	struct signalfd_siginfo info;

	if (stops->signal == 0 && read(stops->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		stops->signal = (int)info.ssi_signo;
	return stops->signal != 0;
}

void
stops_sleep(struct stops *stops, const struct clock *clock, int64_t ms)
{
	int64_t end_ms = clock_mono_ms(clock) + ms;

	while (!stops_came(stops)) {
		struct pollfd wait = { .fd = stops->fd, .events = POLLIN };
		int64_t       left_ms = end_ms - clock_mono_ms(clock);

		if (left_ms <= 0)
			return;
		(void)poll(&wait, 1, left_ms < 60000 ? (int)left_ms : 60000);
	}
}

int
stops_code(const struct stops *stops)
{
	return stops->signal == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED;
}

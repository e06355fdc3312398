/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/console.h"

static void
make_set(sigset_t *set)
{
	MUST(sigemptyset(set) == 0 && sigaddset(set, SIGTERM) == 0 && sigaddset(set, SIGINT) == 0);
}

void
signals_open(struct signals *signals)
{
	sigset_t set;

	make_set(&set);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	*signals = (struct signals){ .fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC) };
	MUST(signals->fd >= 0);
}

void
signals_open_inner(struct signals *signals)
{
	*signals = (struct signals){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .is_inner = true };
	MUST(signals->fd >= 0);
}

void
signals_raise(struct signals *signals)
{
	atomic_store(&signals->signal, SIGTERM);
	MUST(eventfd_write(signals->fd, 1) == 0);
}

void
signals_close(struct signals *signals)
{
	sigset_t                set;
	struct signalfd_siginfo info;

	if (signals->is_inner) {
		(void)close(signals->fd);
		return;
	}
	make_set(&set);
	while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	(void)close(signals->fd);
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

bool
signals_came(void *ctx)
{
	struct signals *signals = ctx;
	struct pollfd   ready = { .fd = signals->fd, .events = POLLIN };
	sigset_t        pending;
	int             none = 0;

	/* The signal is not taken, so that it also wakes the other threads. */
	if (atomic_load(&signals->signal) == 0 && poll(&ready, 1, 0) == 1) {
		MUST(sigpending(&pending) == 0);
		(void)atomic_compare_exchange_strong(&signals->signal, &none,
		                                     sigismember(&pending, SIGINT) == 1 ? SIGINT : SIGTERM);
	}
	return atomic_load(&signals->signal) != 0;
}

void
signals_sleep(struct signals *signals, const struct clock *clock, int64_t ms)
{
	int64_t end_ms = clock_mono_ms(clock) + ms;

	while (!signals_came(signals)) {
		struct pollfd wait = { .fd = signals->fd, .events = POLLIN };
		int64_t       left_ms = end_ms - clock_mono_ms(clock);

		if (left_ms <= 0)
			return;
		(void)poll(&wait, 1, left_ms < 60000 ? (int)left_ms : 60000);
	}
}

int
signals_code(const struct signals *signals)
{
	return atomic_load(&signals->signal) == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED;
}

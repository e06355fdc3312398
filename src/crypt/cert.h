/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert — a local certificate authority and a server certificate, made once (--tls auto).
 *
 * In `dir` (mode 0755, so that other accounts can read the first file): ca.pem (the file to trust), ca.key, server.pem
 * (server certificate, then CA), server.key; keys have mode 0600. ECDSA P-256. Subject alternative names: the given
 * hosts, localhost, 127.0.0.1, ::1, and those of the certificate that is replaced. A server certificate that has
 * expired, will within 30 days, or lacks a host is made anew under the same CA, so what clients trust stays valid.
 * Files appear whole (write, fsync, rename).
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define CERT_HOSTS_MAX 64

struct cert_conf {
	const char           *dir;
	const struct str     *hosts;
	size_t                host_count;
	const struct clock   *clock;
	const struct entropy *entropy;
};

/*
 * ERR_IO, or ERR_BAD_REQUEST for a host that can be no name, with a sentence in why_out (size 256).
 * A wildcard host (0.0.0.0, ::, *, empty) adds no name.  ca.key may be taken away: it is needed only
 * when the server certificate must be made anew.  An authority that has itself expired is replaced.
 * A private key or folder that everybody can use is refused.
 */
enum err cert_ensure(const struct cert_conf *conf, char why_out[256]) MUST_CHECK;

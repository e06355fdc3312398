/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_link — which links may be requested, and which networks a redirect may lead to.
 *
 * An origin is a scheme, a host and a port.  A link is requested only if its origin is the expected one.  No link is
 * repaired or rewritten: the bytes that were received are the bytes that are sent.
 */
#pragma once

#include <sys/socket.h>

#include "base/arena.h"
#include "base/str.h"
#include "text/uri.h"

#define FETCH_LINK_MAX ((size_t)32 << 10)

struct fetch_origin { /* views into the URL */
	struct str scheme, host;
	uint16_t   port;
};

bool fetch_is_visible(struct str text); /* it holds visible ASCII only, no blank */
/* True for https, and for http on a loopback host.  False: *why_out ends the sentence "the URL …". */
bool fetch_origin_of(struct str url, struct fetch_origin *origin_out, const char **why_out);
/* False: *why_out ends the sentence "the link …". */
bool fetch_link_is_good(const struct fetch_origin *origin, struct str link, const char **why_out);
bool fetch_link_is_beside(struct str link, struct str other); /* they differ in the query only */
bool fetch_link_is_local(struct str link);                    /* on a loopback host */
/*
 * The URL as people copy it: blanks around it are dropped, and behind its host blanks, quotes and other bytes that no
 * URL may hold are encoded, but for those in `keep`.  A control byte and a backslash stay, and are refused later.
 */
struct str fetch_link_encode(struct str url, const char *keep, struct arena *arena);
size_t     fetch_link_find_bad(struct str link); /* the first byte that no link may hold; link.len: none */
/* What a reference means in an answer to the good link `base`: an absolute URL stays as it is.  It is not checked. */
struct str fetch_link_resolve(struct str base, struct str reference, struct arena *arena);
/* Of a good link.  Reads the variables that libcurl reads: https_proxy, all_proxy, in small or capital letters. */
bool       fetch_link_goes_by_proxy(struct str link);
struct str fetch_link_host(struct str link);
/* "https://host:port", the beginning of a good URL. */
struct str fetch_origin_text(struct str url);

/*
 * The kind of network an address belongs to.  A remote may redirect to the public network and to its own kind: a server
 * in a private network may redirect within private networks, but not to loopback.
 */
enum fetch_net {
	FETCH_NET_PUBLIC,
	FETCH_NET_LOOPBACK,
	FETCH_NET_PRIVATE,
	FETCH_NET_LINK, /* 169.254.169.254 gives cloud machines their secrets */
	FETCH_NET_NONE  /* unspecified, multicast, reserved, tunnels: no redirect may lead there */
};

/* An IPv6 address that wraps an IPv4 address has that one's kind. */
enum fetch_net fetch_net_of(const struct sockaddr *addr);
/* Of an address in any spelling, or localhost.  Other names are not resolved: they are PUBLIC. */
enum fetch_net fetch_net_of_host(struct str host);
bool           fetch_net_may_lead(enum fetch_net from, enum fetch_net to);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow_link — where links may lead.  Private to the follow module.
 *
 * The first URL of a scope pins scheme, host and port.  A link is followed only if it leads there;
 * it is never mended, completed or written anew: what is sent is what was told, byte for byte.
 */
#pragma once

#include <sys/socket.h>

#include "base/arena.h"
#include "base/str.h"
#include "text/uri.h"

#define FOLLOW_LINK_MAX ((size_t)32 << 10)

struct follow_origin { /* views into the URL */
	struct str scheme, host;
	uint16_t   port;
};

/* https, or http on a loopback host.  False: *why_out ends the sentence "the URL …". */
bool follow_origin_of(struct str url, struct follow_origin *origin_out, const char **why_out);
/* False: *why_out ends the sentence "the link …". */
bool follow_link_is_good(const struct follow_origin *origin, struct str link, const char **why_out);
/* The same but for what stands in the query? */
bool follow_link_is_beside(struct str link, struct str other);
bool follow_link_is_local(struct str link); /* on a loopback host */
/* Of a link that is good.  A proxy is looked for as libcurl does: in https_proxy, all_proxy and their likes. */
bool       follow_link_goes_by_proxy(struct str link);
struct str follow_link_host(struct str link);
/* "https://host:port" as it stands at the front of a URL that is good. */
struct str follow_origin_text(struct str url);
/* The last noun of a delta URL's path: "calendars", "messages"; getAllRecordings is "recordings". */
struct str follow_resource_of(struct str url);

/*
 * The kind of network an address is of.  A remote may send us on to the public network, or to the kind it is of itself:
 * who follows a server in a private network lets it redirect there, but nowhere else.
 */
enum follow_net {
	FOLLOW_NET_PUBLIC,
	FOLLOW_NET_LOOPBACK,
	FOLLOW_NET_PRIVATE,
	FOLLOW_NET_LINK, /* 169.254.169.254 tells machines in a cloud their secrets */
	FOLLOW_NET_NONE  /* unspecified, multicast, reserved, tunnels: nobody may send us there */
};

/* IPv6 that wraps an IPv4 address is judged as that. */
enum follow_net follow_net_of(const struct sockaddr *addr);
/* Of a host that is an address in any spelling, or localhost.  No name is looked up: they are PUBLIC. */
enum follow_net follow_net_of_host(struct str host);
bool            follow_net_may_lead(enum follow_net from, enum follow_net to);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cert_make — the X.509 of the local authority: making and checking certificates.
 * Private to the crypt module; cert.c has the files.
 */
#pragma once

#include "base/clock.h"
#include "base/str.h"
#include "crypt/cert.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY and X509: its headers stay in the .c files */
struct x509_st;

#define CERT_NAME_MAX 253
#define CERT_DAY_S    ((int64_t)86400)
#define CERT_RENEW_S  (30 * CERT_DAY_S) /* renewed this long before it ends */

enum cert_host_kind { CERT_HOST_ANY, CERT_HOST_NAME, CERT_HOST_ADDRESS };

/* The name that the server certificate must have, beside localhost and the loopback addresses. */
struct cert_host {
	enum cert_host_kind kind; /* ANY: a wildcard listen address, nothing to add */
	char                text[CERT_NAME_MAX + 1];
	unsigned char       address[16];
	size_t              address_len; /* 4 or 16 */
};

struct cert_hosts {
	struct cert_host at[CERT_HOSTS_MAX];
	size_t           count;
};

/* Adds a host that is not there yet. False if there are too many. */
bool cert_hosts_add(struct cert_hosts *hosts, const struct cert_host *host);
/* Adds the names and addresses of a certificate. */
bool cert_hosts_add_from(struct cert_hosts *hosts, struct x509_st *cert);

/* False if the text is neither an address nor a host name. */
bool cert_host_parse(struct str text, struct cert_host *host_out);

struct x509_st *cert_make_ca(struct evp_pkey_st *key, int64_t now_s, const struct entropy *entropy);
struct x509_st *cert_make_server(struct evp_pkey_st *key, const struct cert_hosts *hosts, struct x509_st *ca,
                                 struct evp_pkey_st *ca_key, int64_t now_s, const struct entropy *entropy);

bool cert_is_live(const struct x509_st *cert, int64_t now_s); /* ends later than that */
/* Made by that authority, for that key and those hosts, begun, and good for CERT_RENEW_S more. */
bool cert_is_fit(struct x509_st *cert, struct evp_pkey_st *key, const struct cert_hosts *hosts, struct x509_st *ca,
                 int64_t now_s);

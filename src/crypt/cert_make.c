/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/cert_make.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/err.h"

#define CA_DAYS      3652
#define SERVER_DAYS  398 /* the most that browsers take from public authorities */
#define SERIAL_BYTES ((size_t)16)

CLOSER(close_gens, GENERAL_NAMES, GENERAL_NAMES_free)

/* ---- hosts ---- */

/* RFC 1123, and '_' because container networks use it.  A dot at the end is no part of a certificate's name. */
static bool
is_host_name(struct str text)
{
	struct str label;

	if (text.len == 0 || text.len > CERT_NAME_MAX || text.at[text.len - 1] == '.')
		return false;
	while (str_take_until(&text, '.', &label)) {
		if (label.len == 0 || label.len > 63 || label.at[0] == '-' || label.at[label.len - 1] == '-' ||
		    str_span(label, STR(STR_LETTERS_DIGITS "-_")) < label.len)
			return false;
	}
	return true;
}

bool
cert_host_parse(struct str text, struct cert_host *host_out)
{
	static const unsigned char any[16];
	struct cert_host           host = { .kind = CERT_HOST_NAME };

	if (text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
		text = str_of(text.at + 1, text.len - 2);
	if (str_find(text, ':') < text.len)
		text = str_first(text, str_find(text, '%')); /* a zone is local to this machine */
	if (text.len > CERT_NAME_MAX)
		return false;
	if (text.len > 0)
		memcpy(host.text, text.at, text.len);
	if (inet_pton(AF_INET, host.text, host.address) == 1)
		host.address_len = 4;
	else if (inet_pton(AF_INET6, host.text, host.address) == 1)
		host.address_len = 16;

	if (host.address_len > 0)
		host.kind = memcmp(host.address, any, host.address_len) == 0 ? CERT_HOST_ANY : CERT_HOST_ADDRESS;
	else if (text.len == 0 || str_eq(text, STR("*")))
		host.kind = CERT_HOST_ANY;
	else if (!is_host_name(text))
		return false;
	*host_out = host;
	return true;
}

static bool
is_same(const struct cert_host *a, const struct cert_host *b)
{
	if (a->kind == CERT_HOST_ADDRESS && b->kind == CERT_HOST_ADDRESS)
		return a->address_len == b->address_len && memcmp(a->address, b->address, a->address_len) == 0;
	return a->kind == b->kind && str_eq_nocase(str_from_c(a->text), str_from_c(b->text));
}

bool
cert_hosts_add(struct cert_hosts *hosts, const struct cert_host *host)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (is_same(&hosts->at[i], host))
			return true;
	if (hosts->count == CERT_HOSTS_MAX)
		return false;
	hosts->at[hosts->count++] = *host;
	return true;
}

/* False for a name of another kind, such as a mail address. */
static bool
read_name(const GENERAL_NAME *name, struct cert_host *host_out)
{
	int                kind;
	const ASN1_STRING *text = GENERAL_NAME_get0_value(name, &kind);
	const char *bytes = kind == GEN_DNS || kind == GEN_IPADD ? (const char *)ASN1_STRING_get0_data(text) : NULL;
	int         family = bytes && ASN1_STRING_length(text) == 4 ? AF_INET : AF_INET6;
	char        address[INET6_ADDRSTRLEN];

	if (!bytes)
		return false;
	if (kind == GEN_DNS)
		return cert_host_parse(str_of(bytes, (size_t)ASN1_STRING_length(text)), host_out);
	return (ASN1_STRING_length(text) == 4 || ASN1_STRING_length(text) == 16) &&
	       inet_ntop(family, bytes, address, sizeof(address)) && cert_host_parse(str_from_c(address), host_out);
}

bool
cert_hosts_add_from(struct cert_hosts *hosts, X509 *cert)
{
	AUTO(close_gens) GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct cert_host                host;
	bool                            fits = true;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
		if (read_name(sk_GENERAL_NAME_value(names, i), &host))
			fits = cert_hosts_add(hosts, &host) && fits;
	return fits;
}

/* ---- making ---- */

/* `type`: GEN_DNS or GEN_IPADD. */
static void
add_name(GENERAL_NAMES *names, int type, const void *bytes, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING  *string = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

	MUST(name != NULL && string != NULL && ASN1_STRING_set(string, bytes, (int)len) == 1);
	GENERAL_NAME_set0_value(name, type, string);
	MUST(sk_GENERAL_NAME_push(names, name) > 0);
}

static void
add_hosts(X509 *cert, const struct cert_hosts *hosts)
{
	AUTO(close_gens) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	MUST(names != NULL);
	for (size_t i = 0; i < hosts->count; i++) {
		if (hosts->at[i].kind == CERT_HOST_NAME)
			add_name(names, GEN_DNS, hosts->at[i].text, strlen(hosts->at[i].text));
		if (hosts->at[i].kind == CERT_HOST_ADDRESS)
			add_name(names, GEN_IPADD, hosts->at[i].address, hosts->at[i].address_len);
	}
	MUST(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1);
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX      ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	MUST(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static void
add_name_part(X509_NAME *name, const char *field, const char *text)
{
	MUST(X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1);
}

/* Random, positive, without leading zeros: 126 free bits. */
static void
set_serial(X509 *cert, const struct entropy *entropy)
{
	unsigned char serial[SERIAL_BYTES];
	BIGNUM       *bn;

	entropy_fill(entropy, serial, sizeof(serial));
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40);
	bn = BN_bin2bn(serial, (int)sizeof(serial), NULL);
	MUST(bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL);
	BN_free(bn);
}

/* Begins a day early, because clocks of other machines may be behind; that day counts. */
static X509 *
begin_cert(EVP_PKEY *key, int64_t now_s, int64_t days, const struct entropy *entropy)
{
	X509   *cert = X509_new();
	int64_t begin_s = now_s - CERT_DAY_S;

	MUST(cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && X509_set_pubkey(cert, key) == 1);
	MUST(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)begin_s) != NULL);
	MUST(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(begin_s + days * CERT_DAY_S)) != NULL);
	set_serial(cert, entropy);
	return cert;
}

X509 *
cert_make_ca(EVP_PKEY *key, int64_t now_s, const struct entropy *entropy)
{
	X509         *cert = begin_cert(key, now_s, CA_DAYS, entropy);
	X509_NAME    *name = X509_get_subject_name(cert);
	unsigned char tag[4];
	char          text[64];

	/* Clients look issuers up by name: two authorities on one machine must not share it. */
	entropy_fill(entropy, tag, sizeof(tag));
	str_printf(text, sizeof(text), "Tidemark local CA %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
	add_name_part(name, "O", "Tidemark");
	add_name_part(name, "CN", text);
	MUST(X509_set_issuer_name(cert, name) == 1);
	add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
	add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(cert, cert, NID_subject_key_identifier, "hash");
	MUST(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

X509 *
cert_make_server(EVP_PKEY *key, const struct cert_hosts *hosts, X509 *ca, EVP_PKEY *ca_key, int64_t now_s,
                 const struct entropy *entropy)
{
	X509      *cert = begin_cert(key, now_s, SERVER_DAYS, entropy);
	X509_NAME *name = X509_get_subject_name(cert);

	if (ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(ca)) > 0)
		MUST(X509_set1_notAfter(cert, X509_get0_notAfter(ca)) == 1);
	add_name_part(name, "O", "Tidemark");
	add_name_part(name, "CN", "Tidemark server");
	MUST(X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1);
	add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(cert, ca, NID_key_usage, "critical,digitalSignature");
	add_extension(cert, ca, NID_ext_key_usage, "serverAuth");
	add_extension(cert, ca, NID_subject_key_identifier, "hash");
	add_extension(cert, ca, NID_authority_key_identifier, "keyid:always");
	add_hosts(cert, hosts);
	MUST(X509_sign(cert, ca_key, EVP_sha256()) > 0);
	return cert;
}

/* ---- judging ---- */

bool
cert_is_live(const X509 *cert, int64_t now_s)
{
	return ASN1_TIME_cmp_time_t(X509_get0_notAfter(cert), (time_t)now_s) > 0;
}

static bool
speaks_for(X509 *cert, const struct cert_host *host)
{
	unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;

	if (host->kind == CERT_HOST_NAME && X509_check_host(cert, host->text, 0, flags, NULL) != 1)
		return false;
	return host->kind != CERT_HOST_ADDRESS || X509_check_ip(cert, host->address, host->address_len, 0) == 1;
}

bool
cert_is_fit(X509 *cert, EVP_PKEY *key, const struct cert_hosts *hosts, X509 *ca, int64_t now_s)
{
	bool fit = X509_check_private_key(cert, key) == 1 && X509_check_issued(ca, cert) == X509_V_OK &&
	           X509_verify(cert, X509_get0_pubkey(ca)) == 1 &&
	           ASN1_TIME_cmp_time_t(X509_get0_notBefore(cert), (time_t)now_s) <= 0 &&
	           cert_is_live(cert, now_s + CERT_RENEW_S);

	for (size_t i = 0; fit && i < hosts->count; i++)
		fit = speaks_for(cert, &hosts->at[i]);
	ERR_clear_error();
	return fit;
}

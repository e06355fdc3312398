/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of the local authority.  The holder of its lock may change it.  Files appear whole, keys
 * before the certificates that name them, so a crash leaves either the old state or a key that
 * no certificate names yet.  The server's key is kept when its certificate is renewed: a process that
 * reads both at that time always gets two that fit.
 */
#include "crypt/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "crypt/cert_make.h"
#include "crypt/pkey.h"
#include "crypt/seal.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)
#define WHY_BYTES      256

struct folder {
	const char *path;
	int         fd;
	char       *why;
};

struct pair { /* a certificate and its key; NULL where there is none to use */
	X509     *cert;
	X509     *above; /* the certificate after it in the file */
	EVP_PKEY *key;
};

static void
close_pair(struct pair *pair)
{
	X509_free(pair->cert);
	X509_free(pair->above);
	pkey_close(&pair->key);
	*pair = (struct pair){ 0 };
}

static void
close_folder(struct folder *folder)
{
	file_close(&folder->fd); /* this also releases the lock */
}

static void
wipe_buf(struct buf *buf)
{
	if (buf->at)
		crypt_wipe(buf->at, buf->size);
	buf_close(buf);
}

PRINTF_LIKE(2, 3)
static enum err
fail(const struct folder *folder, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)str_vprintf(folder->why, WHY_BYTES, fmt, args);
	va_end(args);
	return ERR_IO;
}

/* The system's message for the last failure. */
static enum err
fail_errno(const struct folder *folder, const char *what, const char *name)
{
	const char *words = file_fault_text(errno);

	return fail(folder, "cannot %s %.*s%s%s: %s", what, STR_CUT_ARG(folder->path, 150), *name ? "/" : "", name,
	            words ? words : "unknown error");
}

/* ---- the folder ---- */

static enum err
open_folder(struct folder *folder)
{
	struct stat info;

	folder->fd = file_open_folder(folder->path, true);
	if (folder->fd < 0)
		return fail_errno(folder, "open", "");
	if (!file_sync_folder_of(AT_FDCWD, folder->path))
		return fail_errno(folder, "sync the folder of", "");
	if (fstat(folder->fd, &info) != 0)
		return fail_errno(folder, "look at", "");
	/* 0700 is the mode of a new one, and the mode that earlier versions gave it. */
	if ((info.st_mode & 07777) == 0700 && fchmod(folder->fd, 0755) != 0)
		return fail_errno(folder, "open to other accounts", "");
	if (info.st_mode & (S_IWGRP | S_IWOTH))
		return fail(folder, "%.*s can be written by others: it is no place for keys",
		            STR_CUT_ARG(folder->path, 150));
	if (TEMP_FAILURE_RETRY(flock(folder->fd, LOCK_EX)) != 0)
		return fail_errno(folder, "lock", "");
	return OK;
}

static enum err
read_all(const struct folder *folder, const char *name, int fd, struct buf *text)
{
	size_t len;

	/* At once: growing would leave copies of a key behind. */
	if (!file_read(fd, buf_reserve(text, FILE_BYTES_MAX), FILE_BYTES_MAX, &len))
		return fail_errno(folder, "read", name);
	buf_grew(text, len);
	if (len == FILE_BYTES_MAX)
		return fail(folder, "%.*s/%s is too long to be what it should be", STR_CUT_ARG(folder->path, 150),
		            name);
	return OK;
}

/* ERR_NOT_FOUND sets no message. */
static enum err
read_file(const struct folder *folder, const char *name, bool secret, struct buf *text)
{
	AUTO(file_close) int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat          info;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (fd < 0 || fstat(fd, &info) != 0)
		return fail_errno(folder, "read", name);
	if (!S_ISREG(info.st_mode))
		return fail(folder, "%.*s/%s is not a file", STR_CUT_ARG(folder->path, 150), name);
	if (secret && (info.st_mode & S_IRWXO))
		return fail(folder, "%.*s/%s is open to everybody: remove it or chmod it",
		            STR_CUT_ARG(folder->path, 150), name);
	return read_all(folder, name, fd, text);
}

static enum err
write_file(const struct folder *folder, const char *name, struct str text, mode_t mode)
{
	AUTO(file_close) int fd = -1;
	char                 new_name[32];

	str_printf(new_name, sizeof(new_name), ".%s.new", name);
	if (unlinkat(folder->fd, new_name, 0) != 0 && errno != ENOENT) /* of a run that was killed */
		return fail_errno(folder, "remove", new_name);
	fd = openat(folder->fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(folder, "make", new_name);
	if (!file_write(fd, text) || fchmod(fd, mode) != 0 || !file_publish(fd, folder->fd, new_name, name))
		return fail_errno(folder, "write", name);
	return OK;
}

/* ---- PEM ---- */

static struct str
bio_text(BIO *bio)
{
	char *at = NULL;
	long  len = BIO_get_mem_data(bio, &at);

	MUST(at != NULL && len > 0);
	return str_of(at, (size_t)len);
}

/* A certificate or key that is missing or not PEM stays NULL; the caller decides what that means. */
static enum err
read_pair(const struct folder *folder, const char *cert_name, const char *key_name, struct pair *pair)
{
	AUTO(wipe_buf) struct buf cert_text = { .limit = FILE_BYTES_MAX };
	AUTO(wipe_buf) struct buf key_text = { .limit = FILE_BYTES_MAX };
	AUTO(pkey_bio_close) BIO *cert_bio = NULL;
	AUTO(pkey_bio_close) BIO *key_bio = NULL;
	char                      no_password[] = ""; /* else OpenSSL asks the terminal about a protected key */
	enum err                  err = read_file(folder, cert_name, false, &cert_text);

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	err = read_file(folder, key_name, true, &key_text);
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	cert_bio = pkey_bio(buf_str(&cert_text));
	key_bio = pkey_bio(buf_str(&key_text));
	pair->cert = PEM_read_bio_X509(cert_bio, NULL, NULL, no_password);
	pair->above = pair->cert ? PEM_read_bio_X509(cert_bio, NULL, NULL, no_password) : NULL;
	pair->key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, no_password);
	if (pair->key && !pkey_is_p256(pair->key))
		pkey_close(&pair->key);
	ERR_clear_error();
	return OK;
}

static enum err
write_key(const struct folder *folder, const char *name, EVP_PKEY *key)
{
	AUTO(pkey_bio_close) BIO *bio = BIO_new(BIO_s_mem());

	MUST(bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	return write_file(folder, name, bio_text(bio), 0600);
}

static enum err
write_certs(const struct folder *folder, const char *name, X509 *cert, X509 *above)
{
	AUTO(pkey_bio_close) BIO *bio = BIO_new(BIO_s_mem());

	MUST(bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
	MUST(!above || PEM_write_bio_X509(bio, above) == 1);
	return write_file(folder, name, bio_text(bio), 0644);
}

/* ---- the two pairs ---- */

static enum err
make_authority(const struct folder *folder, int64_t now_s, const struct entropy *entropy, struct pair *ca)
{
	close_pair(ca);
	ca->key = EVP_EC_gen("P-256");
	MUST(ca->key != NULL);
	ca->cert = cert_make_ca(ca->key, now_s, entropy);
	TRY(write_key(folder, "ca.key", ca->key));
	return write_certs(folder, "ca.pem", ca->cert, NULL);
}

/*
 * People trust ca.pem, so it is replaced only when it is missing or has expired. A file that cannot be understood is
 * left for its owner.
 */
static enum err
ensure_authority(const struct folder *folder, int64_t now_s, const struct entropy *entropy, struct pair *ca)
{
	bool has_cert = faccessat(folder->fd, "ca.pem", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	bool has_key = faccessat(folder->fd, "ca.key", F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	if (!has_cert)
		return make_authority(folder, now_s, entropy, ca);
	TRY(read_pair(folder, "ca.pem", "ca.key", ca));
	if (!ca->cert)
		return fail(folder, "%.*s/ca.pem is not a certificate: remove it to start over",
		            STR_CUT_ARG(folder->path, 150));
	if (!cert_is_live(ca->cert, now_s))
		return make_authority(folder, now_s, entropy, ca);
	if (has_key && (!ca->key || X509_check_private_key(ca->cert, ca->key) != 1)) {
		ERR_clear_error();
		return fail(folder, "%.*s/ca.key is not the key of ca.pem", STR_CUT_ARG(folder->path, 150));
	}
	return OK;
}

/* `hosts` gets the names of the certificate that is replaced: clients may still use them. */
static enum err
ensure_server(const struct folder *folder, struct cert_hosts *hosts, const struct pair *ca, int64_t now_s,
              const struct entropy *entropy)
{
	AUTO(close_pair) struct pair server = { 0 };
	AUTO(close_pair) struct pair renewed = { 0 };

	TRY(read_pair(folder, "server.pem", "server.key", &server));
	if (server.cert && server.key && server.above && X509_cmp(server.above, ca->cert) == 0 &&
	    cert_is_fit(server.cert, server.key, hosts, ca->cert, now_s))
		return OK;
	if (!ca->key)
		return fail(folder, "the server certificate must be made anew, and %.*s/ca.key is not there",
		            STR_CUT_ARG(folder->path, 150));
	if (!X509_get0_subject_key_id(ca->cert))
		return fail(folder, "%.*s/ca.pem has no subject key identifier: nothing can be issued in its name",
		            STR_CUT_ARG(folder->path, 150));
	if (server.cert && !cert_hosts_add_from(hosts, server.cert))
		return fail(folder, "more than %d names; remove %.*s/server.pem to begin with the names of now",
		            CERT_HOSTS_MAX, STR_CUT_ARG(folder->path, 150));
	if (!server.key) {
		server.key = EVP_EC_gen("P-256");
		MUST(server.key != NULL);
		TRY(write_key(folder, "server.key", server.key));
	}
	renewed.cert = cert_make_server(server.key, hosts, ca->cert, ca->key, now_s, entropy);
	return write_certs(folder, "server.pem", renewed.cert, ca->cert);
}

static enum err
read_hosts(const struct folder *folder, const struct cert_conf *conf, struct cert_hosts *hosts)
{
	static const struct str own[] = { { "localhost", 9 }, { "127.0.0.1", 9 }, { "::1", 3 } };
	struct cert_host        host;
	bool                    fits = true;

	for (size_t i = 0; i < conf->host_count; i++) {
		if (!cert_host_parse(conf->hosts[i], &host)) {
			(void)fail(folder, "the host \"%.*s\" is neither an address nor a host name",
			           STR_ARG(str_cut(conf->hosts[i], 100)));
			return ERR_BAD_REQUEST;
		}
		if (host.kind != CERT_HOST_ANY)
			fits = cert_hosts_add(hosts, &host) && fits;
	}
	for (size_t i = 0; i < COUNT_OF(own); i++)
		fits = cert_host_parse(own[i], &host) && cert_hosts_add(hosts, &host) && fits;
	if (fits)
		return OK;
	(void)fail(folder, "a certificate can have %d names", CERT_HOSTS_MAX);
	return ERR_BAD_REQUEST;
}

enum err
cert_ensure(const struct cert_conf *conf, char why_out[256])
{
	AUTO(close_folder) struct folder folder = { .path = conf->dir, .fd = -1 };
	AUTO(close_pair) struct pair     ca = { 0 };
	struct cert_hosts                hosts = { .count = 0 };
	int64_t                          now_s = clock_wall_s(conf->clock);

	folder.why = why_out;
	TRY(read_hosts(&folder, conf, &hosts));
	TRY(open_folder(&folder));
	TRY(ensure_authority(&folder, now_s, conf->entropy, &ca));
	return ensure_server(&folder, &hosts, &ca, now_s, conf->entropy);
}

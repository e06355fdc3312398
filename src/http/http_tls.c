/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_MAX ((size_t)16384)
/* What is read of a file at a time: eight full records. */
#define FILE_PIECE (8 * RECORD_MAX)
/* How much of a file one call of the kernel sends. */
#define KERNEL_CHUNK_MAX ((size_t)1 << 20)

/* What is spoken inside, best first. */
static const unsigned char protocols[] = "\x02h2\x08http/1.1";

struct http_tls {
	pthread_mutex_t mutex; /* of ctx */
	SSL_CTX        *ctx;   /* a connection keeps the one it began with */
	BIO_METHOD     *method;
	bool in_kernel; /* the kernel can do the records (kTLS); OpenSSL then needs a socket BIO of its own */
};

struct http_tls_link {
	SSL *ssl;
	int  fd;
	bool in_kernel;
	bool drained; /* the last receive took all there was */
	bool failed;  /* OpenSSL forbids any further call */
};

/* Our own socket BIO: it says when the socket is drained, and a dead peer raises no signal. */
static int
bio_read(BIO *bio, char *bytes, int size)
{
	struct http_tls_link *link = BIO_get_data(bio);
	ssize_t               got = TEMP_FAILURE_RETRY(recv(link->fd, bytes, (size_t)size, 0));

	BIO_clear_retry_flags(bio);
	link->drained = got < size && got != 0;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	return (int)got;
}

static int
bio_write(BIO *bio, const char *bytes, int size)
{
	struct http_tls_link *link = BIO_get_data(bio);
	ssize_t               put = TEMP_FAILURE_RETRY(send(link->fd, bytes, (size_t)size, MSG_NOSIGNAL));

	BIO_clear_retry_flags(bio);
	if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_write(bio);
	return (int)put;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *
bio_method_make(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tidemark socket");

	if (!method)
		return NULL;
	if (BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_write(method, bio_write) != 1 ||
	    BIO_meth_set_ctrl(method, bio_control) != 1) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}

static int
choose_protocol(SSL *ssl, const unsigned char **chosen_out, unsigned char *chosen_len_out, const unsigned char *offered,
                unsigned int offered_len, void *ctx)
{
	unsigned char *chosen = NULL;

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto(&chosen, chosen_len_out, protocols, sizeof(protocols) - 1, offered, offered_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen_out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static enum err
fail(const char *what, const char *path, char why_out[256])
{
	unsigned long first = ERR_peek_error();
	const char   *reason = ERR_SYSTEM_ERROR(first) ? strerrordesc_np(ERR_GET_REASON(first))
	                                               : ERR_reason_error_string(ERR_peek_last_error());

	str_printf(why_out, 256, "%s %s: %s", what, path, reason ? reason : "not usable");
	ERR_clear_error();
	return ERR_IO;
}

/* A kernel that has the module refuses it only because this socket is not connected. */
static bool
kernel_does_records(void)
{
	int  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can = fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) != 0 && errno == ENOTCONN;

	if (fd >= 0)
		(void)close(fd);
	return can;
}

static bool
set_up(SSL_CTX *ctx)
{
	static const unsigned char session_context[] = "tidemark";

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

CLOSER(ctx_close, SSL_CTX, SSL_CTX_free)

enum err
http_tls_renew(struct http_tls *tls, const char *cert_path, const char *key_path, char why_out[256])
{
	AUTO(ctx_close) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX                 *old;

	ERR_clear_error();
	if (ctx && tls->in_kernel)
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	if (!ctx || !set_up(ctx))
		return fail("TLS", "cannot be set up", why_out);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
		return fail("certificate", cert_path, why_out);
	if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return fail("private key", key_path, why_out);
	MUST(pthread_mutex_lock(&tls->mutex) == 0);
	old = tls->ctx;
	tls->ctx = ctx;
	MUST(pthread_mutex_unlock(&tls->mutex) == 0);
	ctx = old;
	return OK;
}

enum err
http_tls_open(const char *cert_path, const char *key_path, struct http_tls **tls_out, char why_out[256])
{
	AUTO(http_tls_close) struct http_tls *tls = handle_new(sizeof(*tls));

	MUST(pthread_mutex_init(&tls->mutex, NULL) == 0);
	tls->method = bio_method_make();
	tls->in_kernel = kernel_does_records();
	if (!tls->method)
		return fail("TLS", "cannot be set up", why_out);
	TRY(http_tls_renew(tls, cert_path, key_path, why_out));
	*tls_out = tls;
	tls = NULL;
	return OK;
}

void
http_tls_close(struct http_tls **tls)
{
	if (!*tls)
		return;
	SSL_CTX_free((*tls)->ctx);
	BIO_meth_free((*tls)->method);
	pthread_mutex_destroy(&(*tls)->mutex);
	free(*tls);
	*tls = NULL;
}

static bool
use_own_bio(struct http_tls *tls, struct http_tls_link *link)
{
	BIO *bio = BIO_new(tls->method);

	if (!bio)
		return false;
	BIO_set_data(bio, link);
	BIO_set_init(bio, 1);
	SSL_set_bio(link->ssl, bio, bio);
	return true;
}

struct http_tls_link *
http_tls_link_open(struct http_tls *tls, int fd)
{
	AUTO(http_tls_link_close) struct http_tls_link *link = handle_new(sizeof(*link));
	struct http_tls_link                           *opened;

	link->fd = fd;
	link->in_kernel = tls->in_kernel;
	MUST(pthread_mutex_lock(&tls->mutex) == 0);
	link->ssl = SSL_new(tls->ctx);
	MUST(pthread_mutex_unlock(&tls->mutex) == 0);
	if (!link->ssl || !(link->in_kernel ? SSL_set_fd(link->ssl, fd) == 1 : use_own_bio(tls, link)))
		return NULL;
	SSL_set_accept_state(link->ssl);
	opened = link;
	link = NULL;
	return opened;
}

static enum http_io
io_from_ssl(struct http_tls_link *link, int result)
{
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return HTTP_IO_WAIT;
	case SSL_ERROR_ZERO_RETURN:
		return HTTP_IO_END;
	default:
		link->failed = true;
		ERR_clear_error();
		return HTTP_IO_BROKEN;
	}
}

enum http_io
http_tls_link_handshake(struct http_tls_link *link)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(link->ssl);
	return result == 1 ? HTTP_IO_DONE : io_from_ssl(link, result);
}

enum http_io
http_tls_link_read(struct http_tls_link *link, void *bytes, size_t size, size_t *len_out)
{
	int result;

	ERR_clear_error();
	link->drained = false;
	result = SSL_read_ex(link->ssl, bytes, size, len_out);
	if (result == 1)
		return HTTP_IO_DONE;
	if (link->in_kernel)
		link->drained = SSL_want_read(link->ssl);
	return io_from_ssl(link, result);
}

/* Small parts go into one record: a head and a short body are one packet. */
static struct str
gather(const struct str *parts, unsigned count, char record[RECORD_MAX])
{
	size_t len = 0;

	if (count == 1 || parts[0].len >= RECORD_MAX)
		return parts[0];
	for (unsigned i = 0; i < count; i++) {
		struct str part = str_first(parts[i], RECORD_MAX - len);

		if (part.len)
			memcpy(record + len, part.at, part.len);
		len += part.len;
	}
	return str_of(record, len);
}

enum http_io
http_tls_link_write(struct http_tls_link *link, const struct str *parts, unsigned count, size_t *len_out)
{
	char       record[RECORD_MAX];
	struct str bytes = gather(parts, count, record);
	int        result;

	ERR_clear_error();
	result = SSL_write_ex(link->ssl, bytes.at, bytes.len, len_out);
	return result == 1 ? HTTP_IO_DONE : io_from_ssl(link, result);
}

/* The kernel makes the records: the file's bytes never come up here. */
static enum http_io
send_in_kernel(struct http_tls_link *link, int file, uint64_t from, uint64_t left, size_t *len_out)
{
	size_t  chunk = left < KERNEL_CHUNK_MAX ? (size_t)left : KERNEL_CHUNK_MAX;
	ssize_t put;

	ERR_clear_error();
	put = SSL_sendfile(link->ssl, file, (off_t)from, chunk, 0);
	if (put <= 0)
		return put == 0 ? HTTP_IO_BROKEN : io_from_ssl(link, (int)put);
	*len_out = (size_t)put;
	return HTTP_IO_DONE;
}

enum http_io
http_tls_link_send_file(struct http_tls_link *link, int file, uint64_t from, uint64_t left, size_t *len_out)
{
	char    piece[FILE_PIECE];
	size_t  len = 0, put;
	ssize_t got;
	int     result = 1;

	if (link->in_kernel && BIO_get_ktls_send(SSL_get_wbio(link->ssl)))
		return send_in_kernel(link, file, from, left, len_out);
	got = TEMP_FAILURE_RETRY(pread(file, piece, left < FILE_PIECE ? (size_t)left : FILE_PIECE, (off_t)from));
	if (got <= 0)
		return HTTP_IO_BROKEN;
	ERR_clear_error();
	while (len < (size_t)got && result == 1) {
		result = SSL_write_ex(link->ssl, piece + len, (size_t)got - len, &put);
		if (result == 1)
			len += put;
	}
	if (len == 0)
		return io_from_ssl(link, result);
	ERR_clear_error();
	*len_out = len;
	return HTTP_IO_DONE;
}

bool
http_tls_link_is_h2(const struct http_tls_link *link)
{
	const unsigned char *name = NULL;
	unsigned             len = 0;

	SSL_get0_alpn_selected(link->ssl, &name, &len);
	return len == 2 && name[0] == 'h' && name[1] == '2';
}

bool
http_tls_link_is_drained(const struct http_tls_link *link)
{
	return link->drained && !SSL_has_pending(link->ssl);
}

void
http_tls_link_end(struct http_tls_link *link)
{
	if (link->failed || SSL_in_init(link->ssl))
		return;
	ERR_clear_error();
	(void)SSL_shutdown(link->ssl);
	ERR_clear_error();
}

void
http_tls_link_close(struct http_tls_link **link)
{
	if (!*link)
		return;
	SSL_free((*link)->ssl);
	free(*link);
	*link = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "oauth/oauth_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "oauth/oauth_client.h"
#include "oauth/oauth_endpoint.h"
#include "oauth/oauth_file.h"
#include "fetch/fetch_secrets.h"
#include "text/json_read.h"

#define CLAIMS_MAX      ((size_t)8 << 10)
#define CLAIMS_VARIABLE "TIDEMARK_CLAIMS="
#define COMMAND_MS      60000
#define POLL_MS         100
#define AHEAD_S         300 /* a client's token is renewed so long before it expires */
#define USE_MAX_S       ((int64_t)86400)

extern char **environ;

struct oauth_credential {
	struct oauth_credential_conf conf;
	struct oauth_client          client; /* conf.client, if there is one, is this copy */
	struct fetch_secrets        *secrets;
	struct buf                   claims;   /* what the remote demands; empty for nothing */
	struct buf                   token;    /* remembered; empty for none */
	int64_t                      until_ms; /* monotonic; a client's token is renewed then */
};

/* ---- what a token is ------------------------------------------------------------------------ */

/* RFC 6750's b64token: safe in a header as it is. */
static bool
is_token(struct str text)
{
	return text.len > 0 && str_span(text, STR(STR_LETTERS_DIGITS "-._~+/=")) == text.len;
}

static enum err
read_token(struct str text, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   token = str_trim_of(text, STR(" \t\n\v\f\r"));

	if (token.len == 0)
		return oauth_no_identity("it gives nothing", why_out);
	if (token.at[0] == '{') {
		if (json_read(token, arena, &root, NULL) != OK)
			return oauth_no_identity("it gives JSON that cannot be read", why_out);
		if (!json_text(json_member(root, "accessToken"), &token) &&
		    !json_text(json_member(root, "access_token"), &token))
			return oauth_no_identity("it gives JSON without accessToken or access_token", why_out);
	}
	if (!is_token(token))
		return oauth_no_identity("what it gives is no bearer token", why_out);
	*bearer_out = arena_copy(arena, token);
	return OK;
}

/* ---- a file --------------------------------------------------------------------------------- */

static enum err
read_file(const struct oauth_credential_conf *conf, struct buf *text, struct arena *arena, struct str *why_out)
{
	struct oauth_file file = { conf->file, conf->clock, conf->stopped, conf->stopped_ctx };
	char             *space = buf_reserve(text, FETCH_BEARER_MAX);
	size_t            len = 0;
	mode_t            mode;
	int               fault = oauth_file_read(&file, space, FETCH_BEARER_MAX, &len, &mode);
	const char       *why = fault == EFBIG       ? "it is too long"
	                        : fault == ETIMEDOUT ? "nobody has written it whole within a minute"
	                                             : strerrordesc_np(fault);

	buf_grew(text, len);
	if (fault == 0)
		return OK;
	*why_out = fault == ECANCELED ? STR("stopped")
	                              : arena_printf(arena, "the bearer file %.*s: %s",
	                                             STR_ARG(str_cut(str_from_c(conf->file), 300)), why);
	return fault == ECANCELED ? ERR_BUSY : ERR_NO_IDENTITY;
}

/* ---- a command ------------------------------------------------------------------------------ */

/* Ours, with the demanded claims; one that we were started with is no demand of this remote. */
static char **
environment(struct str claims, struct arena *arena)
{
	size_t count = 0, kept = 0;
	char **env, *variable;

	while (environ[count])
		count++;
	env = arena_take(arena, (count + 2) * sizeof(*env));
	for (size_t i = 0; i < count; i++)
		if (!str_starts(str_from_c(environ[i]), STR(CLAIMS_VARIABLE)))
			env[kept++] = environ[i];
	if (claims.len > 0) {
		variable = arena_take_raw(arena, sizeof(CLAIMS_VARIABLE) + claims.len);
		(void)str_printf(variable, sizeof(CLAIMS_VARIABLE) + claims.len, CLAIMS_VARIABLE "%.*s",
		                 STR_ARG(claims));
		env[kept++] = variable;
	}
	env[kept] = NULL;
	return env;
}

/* There a command may ask its user, so it stays among the programs that may read; Ctrl-C reaches all of them. */
static bool
is_at_terminal(void)
{
	AUTO(file_close) int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
}

/* own_group: the command and all that it starts can be ended together. */
static bool
spawn(const char *command, int out_fd, bool own_group, char **env, struct arena *arena, pid_t *pid_out)
{
	char                       sh[] = "sh", dash_c[] = "-c";
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t          attributes;
	sigset_t                   none, ignored;
	bool                       done;
	size_t                     len = strlen(command) + 1;
	char                      *argv[] = { sh, dash_c, arena_take_raw(arena, len), NULL };

	memcpy(argv[2], command, len);
	/* This thread may block signals, and the program ignores two; the command must not inherit that. */
	MUST(sigemptyset(&none) == 0 && sigemptyset(&ignored) == 0 && posix_spawnattr_init(&attributes) == 0);
	MUST(sigaddset(&ignored, SIGPIPE) == 0 && sigaddset(&ignored, SIGXFSZ) == 0);
	MUST(posix_spawnattr_setsigmask(&attributes, &none) == 0);
	MUST(posix_spawnattr_setsigdefault(&attributes, &ignored) == 0);
	MUST(posix_spawnattr_setflags(&attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
	                                                   (own_group ? POSIX_SPAWN_SETPGROUP : 0))) == 0);
	MUST(posix_spawn_file_actions_init(&actions) == 0);
	MUST(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0);
	MUST(posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO) == 0);
	MUST(posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1) == 0); /* libcurl's sockets, too */
	done = posix_spawn(pid_out, "/bin/sh", &actions, &attributes, argv, env) == 0;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	return done;
}

static bool
is_stopped(const struct oauth_credential_conf *conf)
{
	return conf->stopped && conf->stopped(conf->stopped_ctx);
}

/* False: the time is over, the output is too long, or the program is stopped. */
static bool
read_output(int fd, const struct oauth_credential_conf *conf, struct buf *text)
{
	int64_t end_ms = clock_mono_ms(conf->clock) + COMMAND_MS;

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int64_t       left_ms = end_ms - clock_mono_ms(conf->clock);
		char         *space = buf_reserve(text, 4096);
		ssize_t       got;

		if (left_ms <= 0 || !space || is_stopped(conf))
			return false;
		if (poll(&wait, 1, left_ms < POLL_MS ? (int)left_ms : POLL_MS) <= 0)
			continue;
		got = read(fd, space, 4096);
		if (got <= 0)
			return got == 0;
		buf_grew(text, (size_t)got);
	}
}

static enum err
run_command(const struct oauth_credential_conf *conf, struct str claims, struct buf *text, struct arena *arena,
            struct str *why_out)
{
	int   ends[2], status = 0;
	pid_t pid;
	bool  is_read, own_group = !is_at_terminal();

	/* With SIGCHLD ignored, inherited from the parent, waitpid() would get no exit status. */
	(void)signal(SIGCHLD, SIG_DFL);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return oauth_no_identity("no pipe for the bearer command", why_out);
	if (!spawn(conf->command, ends[1], own_group, environment(claims, arena), arena, &pid)) {
		file_close(&ends[0]);
		file_close(&ends[1]);
		return oauth_no_identity("the bearer command cannot be started", why_out);
	}
	file_close(&ends[1]);
	is_read = read_output(ends[0], conf, text);
	file_close(&ends[0]);
	if (!is_read)
		(void)kill(own_group ? -pid : pid, SIGKILL);
	(void)TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	if (!is_read && is_stopped(conf)) {
		*why_out = STR("stopped");
		return ERR_BUSY;
	}
	if (!is_read)
		return oauth_no_identity("the bearer command took longer than a minute or said too much", why_out);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return OK;
	*why_out = arena_printf(arena, "the bearer command ended with %s %d",
	                        WIFEXITED(status) ? "exit code" : "signal",
	                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return ERR_NO_IDENTITY;
}

/* ---- the credential ------------------------------------------------------------------------- */

static enum err
gather(struct oauth_credential *credential, struct buf *text, struct arena *arena, struct str *why_out)
{
	const struct oauth_credential_conf *conf = &credential->conf;

	if (conf->file)
		return read_file(conf, text, arena, why_out);
	if (conf->command)
		return run_command(conf, buf_str(&credential->claims), text, arena, why_out);
	if (conf->client) {
		struct str answer;

		TRY(oauth_client_request(conf->client, conf->fetch, arena, &answer, why_out));
		buf_put(text, answer);
		return OK;
	}
	buf_put(text, str_from_c(conf->value));
	return OK;
}

static const char *
origin_of(const struct oauth_credential_conf *conf)
{
	if (conf->file)
		return "the bearer file";
	if (conf->client)
		return "the token endpoint";
	return conf->command ? "the bearer command" : "the variable TIDEMARK_BEARER";
}

/* How long a token is used, if it lives for so many seconds: not to the very end. */
static int64_t
use_ms(int64_t seconds)
{
	seconds = seconds > 2 * AHEAD_S ? seconds - AHEAD_S : seconds / 2;
	return seconds < 0 || seconds > USE_MAX_S ? USE_MAX_S * 1000 : seconds * 1000;
}

/* A token endpoint also reports the token's life, and may add a refresh token. */
static void
read_answer(struct oauth_credential *credential, struct str answer, struct arena *arena)
{
	AUTO(json_drop) struct json *root = NULL;
	struct str                   refresh;
	int64_t                      seconds, wait_ms = INT64_MAX / 2;

	if (json_read(answer, arena, &root, NULL) != OK)
		return;
	if (json_int(json_member(root, "expires_in"), &seconds))
		wait_ms = use_ms(seconds);
	credential->until_ms = clock_mono_ms(credential->conf.clock) + wait_ms;
	if (json_text(json_member(root, "refresh_token"), &refresh))
		fetch_secrets_note(credential->secrets, refresh);
}

enum err
oauth_credential_remember(struct oauth_credential *credential, struct str answer, struct arena *arena,
                          struct str *why_out)
{
	const struct oauth_credential_conf *conf = &credential->conf;
	struct str                          token;

	if (read_token(answer, arena, &token, why_out) != OK) {
		*why_out = arena_printf(arena, "%s: %.*s", origin_of(conf), STR_ARG(*why_out));
		return ERR_NO_IDENTITY;
	}
	fetch_secrets_note(credential->secrets, token);
	credential->until_ms = INT64_MAX;
	if (conf->client)
		read_answer(credential, answer, arena);
	buf_cut(&credential->token, 0);
	buf_put(&credential->token, token);
	return OK;
}

static enum err
get(void *ctx, bool again, struct arena *arena, struct str *bearer_out, struct str *why_out)
{
	struct oauth_credential   *credential = ctx;
	AUTO(buf_close) struct buf text = { 0 };

	if (again || credential->token.len == 0 || clock_mono_ms(credential->conf.clock) >= credential->until_ms) {
		buf_open(&text, FETCH_BEARER_MAX);
		TRY(gather(credential, &text, arena, why_out));
		TRY(oauth_credential_remember(credential, buf_str(&text), arena, why_out));
	}
	*bearer_out = buf_str(&credential->token);
	return OK;
}

static void
demand(void *ctx, struct str claims)
{
	struct oauth_credential *credential = ctx;

	buf_cut(&credential->claims, 0);
	buf_put(&credential->claims, str_first(claims, CLAIMS_MAX));
	credential->client.claims = buf_str(&credential->claims);
}

struct oauth_credential *
oauth_credential_open(const struct oauth_credential_conf *conf)
{
	struct oauth_credential *credential = handle_new(sizeof(*credential));

	MUST(conf->clock && (conf->file || conf->command || conf->value || (conf->client && conf->fetch)));
	credential->conf = *conf;
	credential->secrets = fetch_secrets_open();
	if (conf->client) {
		credential->client = *conf->client;
		credential->client.secrets = credential->secrets;
		credential->conf.client = &credential->client;
	}
	buf_open(&credential->token, FETCH_BEARER_MAX);
	buf_open(&credential->claims, CLAIMS_MAX);
	return credential;
}

void
oauth_credential_close(struct oauth_credential **credential)
{
	if (!*credential)
		return;
	buf_close(&(*credential)->token);
	buf_close(&(*credential)->claims);
	fetch_secrets_close(&(*credential)->secrets);
	free(*credential);
	*credential = NULL;
}

struct fetch_bearer
oauth_credential_bearer(struct oauth_credential *credential)
{
	return (struct fetch_bearer){ credential, get, demand, credential->secrets };
}

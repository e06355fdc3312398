/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential — the credential of `sync` and its kind, from the options and the environment: a file, a command, a
 * variable, a client with its secret or its certificate, or a person who signs in by device code.
 */
#pragma once

#include "cli/command.h"
#include "cli/signals.h"
#include "oauth/oauth_credential.h"

/* Rows for a command's table of options. */
#define CREDENTIAL_OPTIONS \
	{ "bearer-file", "FILE", "a file with the access token, or JSON that holds one", false }, \
		{ "bearer-command", "COMMAND", "a shell command that prints the access token, or JSON that holds one", \
		  false }, \
		{ "client-credentials", NULL, "get the token as a client, by its secret or its certificate", false }, \
	{ \
		"device-code", NULL, "get the token of a person, who signs in with a browser the first time", false \
	}

/* A paragraph for every page with them. */
#define FOLLOWING_ABOUT_CREDENTIALS \
	"The access token comes from --bearer-file, from --bearer-command, from the variable " \
	"TIDEMARK_BEARER, or from a token endpoint: Entra ID's, or that of AZURE_AUTHORITY_HOST. With none " \
	"of them requests go without. It is read again once when it is refused. Only the scheme, host and " \
	"port of the URL ever get it, redirects are not followed, and http is only spoken on this machine.", \
		"--client-credentials signs in as the application AZURE_CLIENT_ID of AZURE_TENANT_ID, with " \
		"AZURE_CLIENT_SECRET, or without that with AZURE_CLIENT_CERTIFICATE_PATH: a PEM file that holds " \
		"the certificate and its private key, RSA of 2048 to 4096 bits (AZURE_CLIENT_CERTIFICATE_PASSWORD " \
		"opens an encrypted key).", \
		"--device-code signs in a person: standard error says which page to open and which code to type " \
		"there. It needs AZURE_CLIENT_ID, and takes AZURE_TENANT_ID (default: organizations). The refresh " \
		"token is kept beside the store, in a file of its name with .sign-in behind it that only its owner " \
		"may read; later runs use it. Remove that file to sign out."

struct credential;

/* The HTTP client of a run, with its --ca.  An exit code; the message has been printed. */
int credential_fetch(const struct cmd_run *run, bool (*stopped)(void *ctx), void *ctx, struct fetch **fetch_out);

/*
 * *credential_out is NULL if neither the options nor the environment give a credential.  Returns an exit code; the
 * message has been printed.  The credential has its own connection to the token endpoint.  `signals` must outlive it.
 */
int                 credential_open(struct cmd_run *run, struct signals *signals, struct credential **credential_out);
void                credential_close(struct credential **credential);
struct fetch_bearer credential_bearer(struct credential *credential);

/* With --device-code, if nobody has signed in yet: shows the code and waits for the person.  Returns an exit code. */
int credential_sign_in(struct credential *credential);

/* For `doctor`. */
const struct rsa_cert *credential_cert(const struct credential *credential); /* NULL: no certificate is used */

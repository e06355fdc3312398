// SPDX-License-Identifier: Apache-2.0
// Microsoft's own sign-in libraries with a client certificate, against the store's own issuer.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";

let server, env, other;

function makeCertificate(name) {
	const key = `${server.folder}/${name}.key`, pem = `${server.folder}/${name}.pem`;
	execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
		"-subj", "/CN=report"], { stdio: "ignore" });
	appendFileSync(pem, readFileSync(key));
	return pem;
}

before(async () => {
	server = await Server.start();
	const pem = makeCertificate("client");
	const made = JSON.parse(server.run(["client", "add", "--json", "--role", "Calendars.Read", "--certificate", pem]));
	const thumbprint = new X509Certificate(readFileSync(pem)).fingerprint256.replaceAll(":", "");

	assert.equal(Buffer.from(made.certificateThumbprint, "base64url").toString("hex").toUpperCase(), thumbprint);
	other = makeCertificate("other");
	env = { BASE: server.base, TENANT: made.tenantId, CLIENT_ID: made.clientId, CERTIFICATE: pem, THUMBPRINT: thumbprint,
		AZURE_TENANT_ID: made.tenantId, AZURE_CLIENT_ID: made.clientId, AZURE_CLIENT_CERTIFICATE_PATH: pem };
});

after(async () => {
	assert.ok(!server.log.includes("eyJ"), "a token or an assertion is in the log");
	assert.equal(await server.stop(), 0);
});

function claims(token) {
	return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

for (const program of ["msal-certificate.mjs", "identity-certificate.mjs"]) {
	test(`${program} signs in`, () => {
		const told = server.client(program, env);
		assert.equal(told.error, undefined, told.message);
		assert.deepEqual(claims(told.token).roles, ["Calendars.Read"]);
		assert.notEqual(told.fromCache, false);
	});

	test(`${program} is refused with another certificate`, () => {
		const told = server.client(program, { ...env, CERTIFICATE: other, AZURE_CLIENT_CERTIFICATE_PATH: other });
		assert.match(told.message, /AADSTS700027/);
	});
}

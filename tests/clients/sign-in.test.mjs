// SPDX-License-Identifier: Apache-2.0
// Microsoft's own sign-in libraries against the store's own issuer, by configuration alone.
import assert from "node:assert/strict";
import https from "node:https";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";

const ANN = "33333333-0000-4000-8000-000000000001";
const lines = [
	{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com" } },
	{ op: "put", feed: `users/${ANN}/calendars`, value: { name: "Work" } },
];
let server, client, env;

before(async () => {
	server = await Server.start(lines);
	client = server.addClient("Calendars.Read");
	env = { BASE: server.base, TENANT: client.tenantId, CLIENT_ID: client.clientId, CLIENT_SECRET: client.clientSecret,
		USER: ANN };
});

after(async () => {
	assert.ok(!server.log.includes(client.clientSecret), "the secret is in the log");
	assert.ok(!server.log.includes("eyJ"), "a token is in the log");
	assert.equal(await server.stop(), 0);
});

for (const program of ["msal.mjs", "identity.mjs"]) {
	test(`${program} signs in and reads a delta page`, () => {
		const told = server.client(program, env);
		assert.deepEqual(told.error, undefined, told.message);
		assert.ok(told.calendars.includes("Work"));
		assert.ok(told.delta.startsWith(server.base));
	});

	test(`${program} is told that a secret is wrong`, () => {
		const told = server.client(program, { ...env, CLIENT_SECRET: "not-the-secret-at-all" });
		assert.match(told.message, /AADSTS7000215/);
	});

	test(`${program} is told that a client is of another tenant`, () => {
		const told = server.client(program, { ...env, TENANT: "99999999-0000-4000-8000-000000000009" });
		assert.match(told.message, /AADSTS7000215/);
	});
}

test("msal.mjs keeps its token", () => {
	assert.equal(server.client("msal.mjs", env).fromCache, true);
});

function post(body, headers) {
	return new Promise((done, failed) => {
		const request = https.request(`${server.base}/${client.tenantId}/oauth2/v2.0/token`,
			{ method: "POST", headers, ca: readFileSync(server.ca) }, (response) => {
				let text = "";
				response.on("data", (piece) => (text += piece)).on("end", () => done(JSON.parse(text)));
			}).on("error", failed);
		request.end(body);
	});
}

test("jose of npm accepts a token of ours by discovery and keys, and no damaged one", async () => {
	const basic = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString("base64");
	const answer = await post("grant_type=client_credentials&scope=api%3A%2F%2Ftidemark%2F.default",
		{ Authorization: `Basic ${basic}`, "Content-Type": "application/x-www-form-urlencoded" });
	const token = answer.access_token;
	const told = server.client("jose.mjs", { ...env, TOKEN: token });
	assert.deepEqual(told.payload.roles, ["Calendars.Read"]);
	assert.equal(told.payload.appid, client.clientId);
	const [head, body, signature] = token.split(".");
	const other = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
	assert.equal(server.client("jose.mjs", { ...env, TOKEN: `${head}.${body}.${other}` }).error,
		"ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
});

test("a removed client signs in no more", () => {
	const gone = server.addClient("Calendars.Read");
	server.run(["client", "remove", gone.clientId]);
	const told = server.client("msal.mjs", { ...env, CLIENT_ID: gone.clientId, CLIENT_SECRET: gone.clientSecret });
	assert.match(told.message, /AADSTS7000215/);
});

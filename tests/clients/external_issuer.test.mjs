// SPDX-License-Identifier: Apache-2.0
// jose of npm as a second opinion: it makes the keys and the tokens, and whatever we take, it must take too.
import assert from "node:assert/strict";
import http from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { Server } from "./server.mjs";

const ALGS = ["RS256", "PS256", "ES256", "EdDSA"];
const ANN = "33333333-0000-4000-8000-000000000001";
const TENANT = "77777777-0000-4000-8000-000000000007";
const ISSUER = `https://login.example/${TENANT}/v2.0`;
const keys = {};
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let folder, server, set;

before(async () => {
	folder = mkdtempSync(path.join(tmpdir(), "tm-"));
	const published = [];
	for (const alg of ALGS) {
		keys[alg] = await generateKeyPair(alg, { extractable: true });
		published.push({ ...(await exportJWK(keys[alg].publicKey)), kid: alg, alg, use: "sig" });
	}
	set = createLocalJWKSet({ keys: published });
	writeFileSync(`${folder}/keys.json`, JSON.stringify({ keys: published }));
	writeFileSync(`${folder}/t.conf`, `[issuer "npm"]\nissuer = https://login.example/{tid}/v2.0\n` +
		`audience = api://tidemark\ntenant = claim:tid\njwks = file:${folder}/keys.json\n`);
	server = await Server.start([{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com", tenantId: TENANT } }],
		["--tls", "off", "--config", `${folder}/t.conf`]);
});

after(async () => {
	agent.destroy();
	assert.ok(!server.log.includes("eyJ"), "a token is in the log");
	assert.equal(await server.stop(), 0);
	rmSync(folder, { recursive: true, force: true });
});

function make(alg, changes = {}) {
	const now = Math.floor(Date.now() / 1000);
	return new SignJWT({ tid: TENANT, oid: ANN, roles: ["Calendars.Read"], azp: "a-daemon", ...changes })
		.setProtectedHeader({ alg, kid: alg, typ: "JWT" }).setIssuer(ISSUER).setAudience("api://tidemark")
		.setIssuedAt(now).setNotBefore(now).setExpirationTime(now + 600).sign(keys[alg].privateKey);
}

function weTake(token) {
	return new Promise((done, failed) => http.get(`${server.base}/v1.0/users/${ANN}/calendars`,
		{ agent, headers: { Authorization: `Bearer ${token}` } },
		(response) => response.resume().on("end", () => done(response.statusCode === 200))).on("error", failed));
}

function theyTake(token) {
	return jwtVerify(token, set, { issuer: ISSUER, audience: "api://tidemark", requiredClaims: ["nbf", "exp"] })
		.then(() => true, () => false);
}

// A generator whose seed is in the name of the test: a failure can be played again.
function randomBy(seed) {
	return (below) => {
		seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
		return (seed >>> 8) % below;
	};
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";

function mutate(token, random) {
	const at = random(token.length);
	switch (random(4)) {
	case 0: return token.slice(0, at) + letters[random(letters.length)] + token.slice(at + 1);
	case 1: return token.slice(0, at) + token.slice(at + 1);
	case 2: return token.slice(0, at) + letters[random(letters.length)] + token.slice(at);
	default: return token.slice(0, at) + token.slice(at, at + 4).split("").reverse().join("") + token.slice(at + 4);
	}
}

for (const alg of ALGS) {
	test(`${alg}: a token of jose is taken by both`, async () => {
		const token = await make(alg);
		assert.ok(await theyTake(token));
		assert.ok(await weTake(token));
	});

	test(`${alg}: of 300 damaged tokens (seed 6) we take none that jose refuses`, async () => {
		const random = randomBy(6), token = await make(alg);
		for (let i = 0; i < 300; i++) {
			const other = mutate(token, random);
			if (await weTake(other))
				assert.ok(await theyTake(other), other);
		}
	});

	test(`${alg}: a key is good for its own algorithm alone`, async () => {
		for (const other of ALGS.filter((one) => one !== alg)) {
			const [, body, signature] = (await make(alg)).split(".");
			const head = Buffer.from(JSON.stringify({ alg: other, kid: alg, typ: "JWT" })).toString("base64url");
			assert.equal(await weTake(`${head}.${body}.${signature}`), false);
		}
	});
}

// SPDX-License-Identifier: Apache-2.0
// Each client does the whole job of a program that follows a calendar and its recordings. A program of programs/job gets the
// server by its environment, and prints a line a step, `ok STEP` or `FAIL STEP: why`; its last line is `done`.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "./server.mjs";

const here = path.join(path.dirname(fileURLToPath(import.meta.url)), "programs");
const { CLIENTS_PYTHON: python, CLIENTS_GO: go, CLIENTS_JAVA: java } = process.env;
const clients = {
	PnPjs: [process.execPath, `${here}/job-pnp.mjs`],
	"Python: msgraph-sdk": [python, `${here}/job_msgraph_sdk.py`],
	"Python: O365": [python, `${here}/job_o365.py`],
	"Python: Office365-REST-Python-Client": [python, `${here}/job_office365_rest.py`],
	"Go: msgraph-sdk-go": [go],
	"Java: microsoft-graph": [java && "java", "-cp", java, "GraphJob"],
	"Java: Olingo": [java && "java", "-cp", java, "OlingoJob"],
};
const MEETING = "MSoxYzkxNjVmZi1hZTky";
const ROLES = ["--role", "Calendars.ReadWrite", "--role", "OnlineMeetingRecording.Read.All"];
const NAMES = ["Calendar", "Cinema", "Summer plans", "C++ club", "O'Brien & Söhne", "Work"];
const users = Object.keys(clients).map((_, n) => `33333333-0000-4000-8000-00000000000${n}`);

// Each client has a user of its own, so that what one leaves behind is not in the way of the next.
const worlds = users.map((id, n) => [
	{ op: "user", value: { id, userPrincipalName: `user${n}@contoso.com`, mail: `user${n}@contoso.com` } },
	...NAMES.map((name) => ({ op: "put", feed: `users/${id}/calendars`, value: { name, isDefaultCalendar: name === "Calendar" } })),
	...[0, 1, 2, 3, 4].map((hour) => recording(id, hour)),
]);
let server, env, secret, lateLinks;

function recording(id, hour, more = {}) {
	return { op: "put", feed: `users/${id}/recordings`, ...more,
		value: { id: `rec-${hour}`, meetingId: MEETING, createdDateTime: `2024-01-15T0${hour}:00:00.0000000Z` } };
}

function toJsonLines(list) {
	return list.map((line) => JSON.stringify(line) + "\n").join("");
}

function get(url, token) {
	return new Promise((done, failed) => https.get(url, { headers: { Authorization: `Bearer ${token}` }, ca: readFileSync(server.ca) },
		(response) => {
			let text = "";
			response.on("data", (piece) => (text += piece)).on("end", () => done(JSON.parse(text)));
		}).on("error", failed));
}

function makeCertificate() {
	const key = `${server.folder}/client.key`, pem = `${server.folder}/client.pem`;

	execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", pem, "-days", "2",
		"-subj", "/CN=job"], { stdio: "ignore" });
	appendFileSync(pem, readFileSync(key));
	return pem;
}

// For each user a deltaLink whose removals the store has forgotten: it is answered with 410.
async function makeLateLinks(token) {
	const links = await Promise.all(users.map((id) => get(`${server.base}/v1.0/users/${id}/calendars/delta`, token)));
	const gone = users.flatMap((id) => [
		{ op: "put", feed: `users/${id}/calendars`, value: { id: "gone", name: "Gone" } },
		{ op: "remove", feed: `users/${id}/calendars`, id: "gone" },
	]);

	server.run(["import", "-"], toJsonLines(gone));
	await new Promise((done) => setTimeout(done, 1100));
	server.run(["store", "gc", "--retention", "0s"]);
	return links.map((page) => page["@odata.deltaLink"]);
}

before(async () => {
	server = await Server.start(worlds.flat());
	writeFileSync(`${server.folder}/clip.mp4`, "the bytes of a video");
	server.run(["import", "-", "--content-root", server.folder],
		toJsonLines(users.map((id) => recording(id, 0, { contentFile: `${server.folder}/clip.mp4` }))));

	const certificate = makeCertificate();
	const { clientId, clientSecret, tenantId } = JSON.parse(server.run(["client", "add", "--json", ...ROLES]));
	const signing = JSON.parse(server.run(["client", "add", "--json", ...ROLES, "--certificate", certificate]));
	const token = server.run(["token", "--app", clientId, ...ROLES]).trim();

	secret = clientSecret;
	lateLinks = await makeLateLinks(token);
	server.run(["policy", "allow", clientId, "--global"]);
	server.run(["policy", "allow", signing.clientId, "--global"]);
	env = {
		BASE: server.base, HOST: server.host, AUTHORITY: `${server.base}/${tenantId}`, TENANT: tenantId,
		CLIENT_ID: clientId, CLIENT_SECRET: clientSecret,
		CERTIFICATE_CLIENT_ID: signing.clientId, CERTIFICATE: certificate,
		THUMBPRINT: new X509Certificate(readFileSync(certificate)).fingerprint.replaceAll(":", ""),
		MEETING, NAMES: JSON.stringify(NAMES), TOKEN: token,
		LC_ALL: "C.UTF-8", CA: server.ca, NODE_EXTRA_CA_CERTS: server.ca, SSL_CERT_FILE: server.ca, REQUESTS_CA_BUNDLE: server.ca,
	};
});

after(async () => {
	assert.ok(!server.log.includes(secret), "the secret is in the log");
	assert.ok(!server.log.includes("eyJ"), "a token is in the log");
	assert.equal(await server.stop(), 0);
});

// Java trusts what stands in a store of its own.
function javaOptions() {
	const store = `${server.folder}/trust.p12`;

	if (!existsSync(store))
		execFileSync("keytool", ["-importcert", "-noprompt", "-file", server.ca, "-keystore", store, "-storepass", "changeit"],
			{ stdio: "ignore" });
	return [`-Djavax.net.ssl.trustStore=${store}`, "-Djavax.net.ssl.trustStorePassword=changeit"];
}

for (const [n, [name, [program, ...args]]] of Object.entries(clients).entries())
	test(`the whole job with ${name}`, { skip: !program && "only with script/test --clients" }, async (t) => {
		const mine = { USER: users[n], LATE: lateLinks[n],
			ME_TOKEN: server.run(["token", "--user", users[n], "--scope", "Calendars.ReadWrite"]).trim() };
		const options = program === "java" ? javaOptions() : [];
		const { stdout, stderr, status, signal } = spawnSync(program, [...options, ...args],
			{ encoding: "utf8", env: server.env({ ...env, ...mine }), timeout: 180_000 });
		const steps = [...stdout.matchAll(/^(ok|FAIL) ([^:\n]+)(?:: (.*))?$/gm)];

		for (const [, result, step, why] of steps)
			await t.test(step, () => assert.equal(result, "ok", why));
		await t.test("to its end", () => assert.ok(stdout.endsWith("done\n"), `${signal ?? status}: ${stderr}`));
	});

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
	"PnPjs": [process.execPath, `${here}/job-pnp.mjs`],
	"Python: msgraph-sdk": [python, `${here}/job_msgraph_sdk.py`],
	"Python: O365": [python, `${here}/job_o365.py`],
	"Python: Office365-REST-Python-Client": [python, `${here}/job_office365_rest.py`],
	"Go: msgraph-sdk-go": [go],
	"Java: microsoft-graph": [java && "java", "-cp", java, "GraphJob"],
	"Java: Olingo": [java && "java", "-cp", java, "OlingoJob"],
};
const ANN = "33333333-0000-4000-8000-000000000001";
const MEETING = "MSoxYzkxNjVmZi1hZTky";
const ROLES = ["--role", "Calendars.ReadWrite", "--role", "OnlineMeetingRecording.Read.All"];
const NAMES = ["Calendar", "Cinema", "Summer plans", "C++ club", "O'Brien & Söhne", "Work"];
const feed = `users/${ANN}/calendars`;
const lines = [
	{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com", mail: "ann@contoso.com" } },
	...NAMES.map((name) => ({ op: "put", feed, value: { name, isDefaultCalendar: name === "Calendar" } })),
	...[0, 1, 2, 3, 4].map((n) => ({ op: "put", feed: `users/${ANN}/recordings`,
		value: { id: `rec-${n}`, meetingId: MEETING, createdDateTime: `2024-01-15T0${n}:00:00.0000000Z` } })),
];
let server, env, secret;

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

// A deltaLink whose removals the store has forgotten: it is answered with 410.
async function makeLateLink(token) {
	const { "@odata.deltaLink": link } = await get(`${server.base}/v1.0/users/${ANN}/calendars/delta`, token);
	const made = { op: "put", feed, value: { id: "gone", name: "Gone" } };

	server.run(["import", "-"], toJsonLines([made, { op: "remove", feed, id: "gone" }]));
	await new Promise((done) => setTimeout(done, 1100));
	server.run(["store", "gc", "--retention", "0s"]);
	return link;
}

before(async () => {
	server = await Server.start(lines);
	writeFileSync(`${server.folder}/clip.mp4`, "the bytes of a video");
	server.run(["import", "-", "--content-root", server.folder],
		toJsonLines([{ ...lines.at(-5), contentFile: `${server.folder}/clip.mp4` }]));

	const certificate = makeCertificate();
	const { clientId, clientSecret, tenantId } = JSON.parse(server.run(["client", "add", "--json", ...ROLES]));
	const signing = JSON.parse(server.run(["client", "add", "--json", ...ROLES, "--certificate", certificate]));
	const token = server.run(["token", "--app", clientId, ...ROLES]).trim();
	const delegated = server.run(["token", "--user", ANN, "--scope", "Calendars.ReadWrite"]).trim();

	secret = clientSecret;
	server.run(["policy", "allow", clientId, "--global"]);
	server.run(["policy", "allow", signing.clientId, "--global"]);
	env = {
		BASE: server.base, HOST: server.host, AUTHORITY: `${server.base}/${tenantId}`, TENANT: tenantId,
		CLIENT_ID: clientId, CLIENT_SECRET: clientSecret,
		CERTIFICATE_CLIENT_ID: signing.clientId, CERTIFICATE: certificate,
		THUMBPRINT: new X509Certificate(readFileSync(certificate)).fingerprint.replaceAll(":", ""),
		USER: ANN, UPN: "ann@contoso.com", MEETING, NAMES: JSON.stringify(NAMES), TOKEN: token,
		ME_TOKEN: delegated, LATE: await makeLateLink(token),
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

for (const [name, [program, ...args]] of Object.entries(clients))
	test(`the whole job with ${name}`, { skip: !program && "only with script/test --clients" }, async (t) => {
		const options = program === "java" ? javaOptions() : [];
		const { stdout, stderr, status, signal } = spawnSync(program, [...options, ...args],
			{ encoding: "utf8", env: server.env(env), timeout: 180_000 });
		const steps = [...stdout.matchAll(/^(ok|FAIL) ([^:\n]+)(?:: (.*))?$/gm)];

		for (const [, result, step, why] of steps)
			await t.test(step, () => assert.equal(result, "ok", why));
		await t.test("to its end", () => assert.ok(stdout.endsWith("done\n"), `${signal ?? status}: ${stderr}`));
	});

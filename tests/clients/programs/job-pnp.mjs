// SPDX-License-Identifier: Apache-2.0
// The whole job with PnPjs, which signs in by MSAL. It has no builder for a delta of calendars, nor for recordings: its
// GraphCollection takes their URLs.
import { graphfi, GraphCollection, Paged } from "@pnp/graph";
import "@pnp/graph/batching.js";
import "@pnp/graph/calendars/index.js";
import "@pnp/graph/users/index.js";
import { GraphDefault, MSAL } from "@pnp/nodejs";
import { BearerToken, BufferParse, InjectHeaders } from "@pnp/queryable";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const { BASE, HOST, AUTHORITY, CLIENT_ID, CLIENT_SECRET, CERTIFICATE_CLIENT_ID, CERTIFICATE, THUMBPRINT, USER, MEETING, TOKEN,
	LATE } = process.env;
const NAMES = JSON.parse(process.env.NAMES);
const scopes = ["https://graph.microsoft.com/.default"];

function connect(auth) {
	return graphfi().using(GraphDefault({ baseUrl: `${BASE}/v1.0` }), auth);
}

function bySecret(clientSecret) {
	return connect(MSAL({ auth: { clientId: CLIENT_ID, clientSecret, authority: AUTHORITY, knownAuthorities: [HOST] } }, scopes));
}

async function step(name, work) {
	try {
		await work();
		console.log(`ok ${name}`);
	} catch (error) {
		console.log(`FAIL ${name}: ${error.message.replaceAll("\n", " ")}`);
	}
}

async function refusal(request) {
	try {
		await request();
	} catch (error) {
		if (!error.isHttpRequestError)
			throw error;
		return [error.status, (await error.response.json()).error.code];
	}
	assert.fail("it was not refused");
}

const names = (page) => page.map((one) => one.name).sort();

await step("sign in with a secret", async () => {
	assert.equal((await bySecret(CLIENT_SECRET).users.getById(USER).calendars()).length, NAMES.length);
});

const [, x5c, privateKey] = readFileSync(CERTIFICATE, "utf8").match(/([^]*)(-----BEGIN PRIVATE KEY-----[^]*)/);
const certificates = { "a certificate": { thumbprint: THUMBPRINT }, "a certificate that is sent along": { thumbprint: THUMBPRINT, x5c } };

for (const [name, certificate] of Object.entries(certificates))
	await step(`sign in with ${name}`, async () => {
		const graph = connect(MSAL({ auth: { clientId: CERTIFICATE_CLIENT_ID, clientCertificate: { ...certificate, privateKey },
			authority: AUTHORITY, knownAuthorities: [HOST] } }, scopes));

		assert.equal((await graph.users.getById(USER).calendars()).length, NAMES.length);
	});

await step("a wrong secret is refused", () =>
	assert.rejects(() => bySecret("not-the-secret-at-all").users.getById(USER).calendars(), /AADSTS7000215/));

const graph = connect(BearerToken(TOKEN));
const calendars = () => graph.users.getById(USER).calendars;
const collection = (url) => GraphCollection([graph.users, url]).using(Paged(true));
let made, link;

await step("list by pages", async () => {
	const pages = [];

	for await (const page of calendars().select("name").orderBy("name").top(4))
		pages.push(names(page));
	assert.deepEqual(pages.map((page) => page.length), [4, 2]);
	assert.deepEqual(pages.flat().sort(), NAMES.toSorted());
});

await step("count", async () => {
	const counted = calendars().top(1).using(Paged(true));

	counted.query.set("$count", "true");
	assert.equal((await counted()).count, NAMES.length);
});

for (const name of ["Summer plans", "C++ club", "O'Brien & Söhne"])
	await step(`filter for ${name}`, async () => {
		assert.deepEqual(names(await calendars().filter(`name eq '${name.replaceAll("'", "''")}'`)()), [name]);
	});

await step("delta by pages", async () => {
	const told = [];
	let next = `${BASE}/v1.0/users/${USER}/calendars/delta`;

	while (next) {
		const page = await collection(next).using(InjectHeaders({ Prefer: "odata.maxpagesize=4" }))();

		told.push(page.value.length);
		next = page.nextLink;
		link = page.deltaLink;
	}
	assert.deepEqual(told, [4, 2]);
});

await step("create", async () => {
	made = await calendars().add({ name: "Made by PnPjs", color: "lightBlue" });
	assert.equal(made.color, "lightBlue");
});

await step("update", async () => {
	await calendars().getById(made.id).update({ name: "Renamed by PnPjs" });
	assert.equal((await calendars().getById(made.id)()).name, "Renamed by PnPjs");
});

await step("delta with a change", async () => {
	const page = await collection(link)();

	assert.deepEqual(names(page.value), ["Renamed by PnPjs"]);
	link = page.deltaLink;
});

await step("delete", async () => {
	await calendars().getById(made.id).delete();
	assert.deepEqual(await refusal(() => calendars().getById(made.id)()), [404, "ErrorItemNotFound"]);
});

await step("delta with a removal", async () => {
	const page = await collection(link)();

	assert.deepEqual(page.value.map((one) => [one.id, one["@removed"]?.reason]), [[made.id, "deleted"]]);
});

await step("delta too late", async () => {
	assert.deepEqual(await refusal(() => collection(LATE)()), [410, "SyncStateNotFound"]);
});

await step("recordings by URL", async () => {
	const ids = [];
	let next = `${BASE}/v1.0/users/${USER}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='${USER}')/delta?$top=2`;

	while (next) {
		const page = await collection(next)();

		ids.push(...page.value.map((one) => one.id));
		next = page.nextLink;
	}
	assert.deepEqual(ids, ["rec-0", "rec-1", "rec-2", "rec-3", "rec-4"]);
});

await step("content", async () => {
	const bytes = await GraphCollection([graph.users,
		`${BASE}/v1.0/users/${USER}/onlineMeetings/${MEETING}/recordings/rec-0/content`]).using(BufferParse())();

	assert.equal(Buffer.from(bytes).toString(), "the bytes of a video");
});

await step("batch", async () => {
	const [batched, execute] = graph.batched();
	const mine = () => batched.users.getById(USER).calendars;
	const [page, one] = await Promise.all([mine().filter("name eq 'Summer plans'")(), mine().add({ name: "Batched" }), execute()]);

	assert.deepEqual([names(page), one.name], [["Summer plans"], "Batched"]);
	const [{ id }] = await calendars().filter("name eq 'Batched'")();
	await calendars().getById(id).delete();
});

await step("errors", async () => {
	assert.deepEqual(await refusal(() => calendars().add({ name: "cinema" })), [409, "ErrorFolderExists"]);
	assert.deepEqual(await refusal(() => calendars().getById("nonsense")()), [400, "ErrorInvalidIdMalformed"]);
	assert.deepEqual(await refusal(() => calendars().filter("nonsense eq 1")()), [400, "ErrorInvalidUrlQuery"]);
	assert.deepEqual(await refusal(() => connect(BearerToken("nonsense")).users.getById(USER).calendars()),
		[401, "InvalidAuthenticationToken"]);
});

console.log("done");

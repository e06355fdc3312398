// SPDX-License-Identifier: Apache-2.0
// Microsoft's SDKs fetch recordings: by raw paths with the JavaScript SDK, by request builders with a Kiota client.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Server } from "./server.mjs";

const ANN = "33333333-0000-4000-8000-000000000001";
const APP = "44444444-0000-4000-8000-000000000001";
const MEETING = "MSoxYzkxNjVmZi1hZTky";
const recording = (n) => ({ op: "put", feed: `users/${ANN}/recordings`,
	value: { id: `rec-${n}`, meetingId: MEETING, createdDateTime: `2024-01-15T0${n}:00:00.0000000Z` } });
const lines = [
	{ op: "user", value: { id: ANN, userPrincipalName: "ann@contoso.com" } },
	{ op: "policy", value: { app: APP, global: true } },
	...[0, 1, 2, 3, 4].map(recording),
];
let server, env;

before(async () => {
	server = await Server.start(lines);
	writeFileSync(`${server.folder}/clip.mp4`, "the bytes of a video");
	server.run(["import", "-", "--content-root", server.folder], JSON.stringify({ ...recording(0), contentFile: `${server.folder}/clip.mp4` }) + "\n");
	env = { BASE: server.base, USER: ANN, MEETING,
		TOKEN: server.run(["token", "--app", APP, "--role", "OnlineMeetingRecording.Read.All"]).trim() };
});

after(async () => {
	assert.equal(await server.stop(), 0);
});

test("the JavaScript SDK walks a round, the next one, and fetches content", () => {
	assert.deepEqual(server.client("recordings.mjs", env), {
		first: [["rec-0", "rec-1"], ["rec-2", "rec-3"], ["rec-4"]],
		second: [[]],
		plain: [["rec-0", "rec-1"], ["rec-2", "rec-3"], ["rec-4"]],
		iterated: { ids: ["rec-0", "rec-1", "rec-2", "rec-3", "rec-4"], delta: true },
		content: "the bytes of a video",
	});
});

test("a Kiota client's request builders get what they ask for", () => {
	assert.deepEqual(server.client("recordings-kiota.mjs", env), {
		page: ["rec-0", "rec-1"],
		count: 2,
		next: ["rec-2", "rec-3"],
		windowed: ["rec-1", "rec-2"],
		delta: ["rec-0", "rec-1"],
		deltaNext: ["rec-2", "rec-3"],
		item: { id: "rec-1", created: "2024-01-15T01:00:00.000Z", organizer: ANN },
		content: "the bytes of a video",
	});
});

test("both are told when they may not", () => {
	const bare = { ...env, TOKEN: server.run(["token", "--app", APP, "--role", "Calendars.Read"]).trim() };

	assert.equal(server.client("recordings.mjs", bare).status, 403);
	assert.equal(server.client("recordings.mjs", bare).error, "Forbidden");
	assert.equal(server.client("recordings-kiota.mjs", bare).status, 403);
});

// SPDX-License-Identifier: Apache-2.0
// Microsoft's JavaScript SDK reads an organizer's recordings: a round by pages, the next round, a recording's content.
import { Client, PageIterator, ResponseType } from "@microsoft/microsoft-graph-client";

const { BASE, TOKEN, USER, MEETING } = process.env;
const graph = Client.init({
	baseUrl: BASE,
	customHosts: new Set([new URL(BASE).hostname]),
	authProvider: (done) => done(null, TOKEN),
});
const all = `/users/${USER}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='${USER}')`;

async function round(link) {
	const pages = [];

	for (let next = link; next;) {
		const page = await (next.startsWith("http") ? graph.api(next) : graph.api(next).top(2)).get();

		pages.push(page.value.map((one) => one.id));
		if (page["@odata.deltaLink"])
			return { pages, delta: page["@odata.deltaLink"] };
		next = page["@odata.nextLink"];
	}
	return { pages };
}

async function iterate() {
	const ids = [];
	const iterator = new PageIterator(graph, await graph.api(`${all}/delta`).top(2).get(), (one) => ids.push(one.id));

	await iterator.iterate();
	return { ids, delta: iterator.getDeltaLink().includes("$deltatoken=") };
}

try {
	const first = await round(`${all}/delta`);
	const bytes = await graph.api(`/users/${USER}/onlineMeetings/${MEETING}/recordings/rec-0/content`)
		.responseType(ResponseType.ARRAYBUFFER).get();

	console.log(JSON.stringify({
		first: first.pages,
		second: (await round(first.delta)).pages,
		plain: (await round(all)).pages,
		iterated: await iterate(),
		content: Buffer.from(bytes).toString(),
	}));
} catch (error) {
	console.log(JSON.stringify({ error: error.code, status: error.statusCode, message: error.message }));
}

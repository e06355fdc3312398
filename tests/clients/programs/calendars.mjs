// SPDX-License-Identifier: Apache-2.0
// Microsoft's JavaScript SDK and calendars: rounds by PageIterator, changes, errors, batches; only the configuration is ours.
import { BatchRequestContent, BatchResponseContent, Client, GraphError, PageIterator } from "@microsoft/microsoft-graph-client";

const { BASE, TOKEN } = process.env;
const graph = Client.initWithMiddleware({
	baseUrl: BASE,
	customHosts: new Set([new URL(BASE).hostname]),
	authProvider: { getAccessToken: async () => TOKEN },
});

async function round(page) {
	const told = [];
	const iterator = new PageIterator(graph, page, (one) => told.push(one["@removed"] ? `-${one.name ?? "gone"}` : one.name),
		{ headers: { Prefer: "odata.maxpagesize=2" } });

	await iterator.iterate();
	return { told, link: iterator.getDeltaLink() };
}

function delta(link) {
	return graph.api(link).version("beta").header("Prefer", "odata.maxpagesize=2").get();
}

async function refusal(request) {
	try {
		await request();
	} catch (error) {
		return { graph: error instanceof GraphError, status: error.statusCode, code: error.code, id: !!error.requestId };
	}
}

async function batch() {
	const requests = new BatchRequestContent([
		{ id: "list", request: new Request(`${BASE}/me/calendars?$select=name`) },
		{ id: "make", request: new Request(`${BASE}/me/calendars`, { method: "POST", body: JSON.stringify({ name: "Batched" }),
			headers: { "Content-Type": "application/json" } }), dependsOn: ["list"] },
		{ id: "twice", request: new Request(`${BASE}/me/calendars`, { method: "POST", body: JSON.stringify({ name: "Batched" }),
			headers: { "Content-Type": "application/json" } }), dependsOn: ["make"] },
		{ id: "never", request: new Request(`${BASE}/me/calendar`), dependsOn: ["twice"] },
	]);
	const answers = new BatchResponseContent(await graph.api("/$batch").post(await requests.getContent()));
	const { id: batched } = await answers.getResponseById("make").json();

	await graph.api(`/me/calendars/${batched}`).delete();

	return Object.fromEntries([...answers.getResponses()].map(([id, response]) => [id, response.status]));
}

const first = await round(await delta("/me/calendars/delta"));
const made = await graph.api("/me/calendars").post({ name: "Made", color: "lightBlue" });
await graph.api(`/me/calendars/${made.id}`).patch({ name: "Renamed" });
const second = await round(await delta(first.link));
await graph.api(`/me/calendars/${made.id}`).delete();
const third = await round(await delta(second.link));
const page = await graph.api("/me/calendars").filter("startswith(name,'c')").orderby("name desc").select("name").count(true).top(1).get();
const rest = await graph.api(page["@odata.nextLink"]).get();

console.log(JSON.stringify({
	first: first.told.sort(),
	second: second.told,
	third: third.told,
	filtered: [page["@odata.count"], page.value[0].name, rest.value[0].name],
	taken: await refusal(() => graph.api("/me/calendars").post({ name: "calendar" })),
	unknown: await refusal(() => graph.api("/me/calendars/nonsense").get()),
	top: await refusal(() => graph.api("/me/calendars/delta").version("beta").top(2).get()),
	token: await refusal(() => graph.api("/me/calendars/delta?$deltatoken=nonsense").version("beta").get()),
	batch: await batch(),
}));

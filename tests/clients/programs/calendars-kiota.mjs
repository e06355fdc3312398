// SPDX-License-Identifier: Apache-2.0
// The Kiota-generated SDK and calendars: list, create, update, delete by request builders, a delta round by its raw URL.
import { BaseBearerTokenAuthenticationProvider } from "@microsoft/kiota-abstractions";
import { createGraphServiceClient, GraphRequestAdapter } from "@microsoft/msgraph-sdk";
import "@microsoft/msgraph-sdk-users";

const { BASE, TOKEN, USER } = process.env;
const adapter = new GraphRequestAdapter(new BaseBearerTokenAuthenticationProvider({
	getAuthorizationToken: async () => TOKEN,
	getAllowedHostsValidator: () => ({ isUrlHostValid: () => true }),
}));

adapter.baseUrl = `${BASE}/v1.0`;

const calendars = createGraphServiceClient(adapter).users.byUserId(USER).calendars;
const names = (page) => page.value.map((one) => one.name);

async function refusal(request) {
	try {
		await request();
	} catch (error) {
		return [error.responseStatusCode, error.errorEscaped?.code ?? error.error?.code];
	}
}

const list = await calendars.get({ queryParameters: { select: ["name"], orderby: ["name"], top: 2, count: true } });
const next = await calendars.withUrl(list.odataNextLink).get();
const made = await calendars.post({ name: "Made by Kiota" });
const round = await calendars.withUrl(`${BASE}/beta/users/${USER}/calendars/delta`).get();
const link = round.additionalData["@odata.deltaLink"];
await calendars.byCalendarId(made.id).patch({ name: "Renamed by Kiota" });
const changed = await calendars.withUrl(link).get();
const one = await calendars.byCalendarId(made.id).get();
await calendars.byCalendarId(made.id).delete();

console.log(JSON.stringify({
	list: names(list), count: Number(list.odataCount), next: names(next),
	made: made.name, owner: made.owner.address, round: names(round).length, changed: names(changed), one: one.name,
	gone: await refusal(() => calendars.byCalendarId(made.id).get()),
	taken: await refusal(() => calendars.post({ name: "Calendar" })),
}));

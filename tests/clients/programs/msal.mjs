// SPDX-License-Identifier: Apache-2.0
// @azure/msal-node and the Graph client, as their documentation shows them; only the configuration names another server.
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client } from "@microsoft/microsoft-graph-client";

const { BASE, TENANT, CLIENT_ID, CLIENT_SECRET, USER } = process.env;
const app = new ConfidentialClientApplication({
	auth: {
		clientId: CLIENT_ID,
		clientSecret: CLIENT_SECRET,
		authority: `${BASE}/${TENANT}`,
		knownAuthorities: [new URL(BASE).host],
	},
});
const request = { scopes: ["https://graph.microsoft.com/.default"] };

try {
	const token = (await app.acquireTokenByClientCredential(request)).accessToken;
	const again = await app.acquireTokenByClientCredential(request);
	const graph = Client.init({
		baseUrl: BASE,
		customHosts: new Set([new URL(BASE).hostname]),
		authProvider: (done) => done(null, token),
	});
	const page = await graph.api(`/users/${USER}/calendars/delta`).get();

	console.log(JSON.stringify({ calendars: page.value.map((one) => one.name), delta: page["@odata.deltaLink"],
		fromCache: again.fromCache }));
} catch (error) {
	console.log(JSON.stringify({ error: error.errorCode ?? error.name, message: error.message }));
}

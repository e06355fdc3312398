// SPDX-License-Identifier: Apache-2.0
// @azure/identity as the Graph client's authentication provider; only the configuration names another server.
import { ClientSecretCredential } from "@azure/identity";
import { Client } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from
	"@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

const { BASE, TENANT, CLIENT_ID, CLIENT_SECRET, USER } = process.env;
const credential = new ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET,
	{ authorityHost: BASE, disableInstanceDiscovery: true, retryOptions: { maxRetries: 0 } });
const graph = Client.initWithMiddleware({
	baseUrl: BASE,
	customHosts: new Set([new URL(BASE).hostname]),
	authProvider: new TokenCredentialAuthenticationProvider(credential,
		{ scopes: ["https://graph.microsoft.com/.default"] }),
});

try {
	const page = await graph.api(`/users/${USER}/calendars/delta`).get();

	console.log(JSON.stringify({ calendars: page.value.map((one) => one.name), delta: page["@odata.deltaLink"] }));
} catch (error) {
	console.log(JSON.stringify({ error: error.name, status: error.statusCode, message: error.message }));
}

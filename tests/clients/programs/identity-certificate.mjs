// SPDX-License-Identifier: Apache-2.0
// @azure/identity with a certificate, which it reads from the environment alone.
import { EnvironmentCredential } from "@azure/identity";

const credential = new EnvironmentCredential({ authorityHost: process.env.BASE, disableInstanceDiscovery: true,
	retryOptions: { maxRetries: 0 } });

try {
	const { token } = await credential.getToken("https://graph.microsoft.com/.default");

	console.log(JSON.stringify({ token }));
} catch (error) {
	console.log(JSON.stringify({ error: error.name, message: error.message }));
}

// SPDX-License-Identifier: Apache-2.0
// A Kiota client by its request builders: getAllRecordings (with its broken parameter alias), and the one delta it can build.
import { BaseBearerTokenAuthenticationProvider } from "@microsoft/kiota-abstractions";
import { createGraphServiceClient, GraphRequestAdapter } from "@microsoft/msgraph-sdk";
import "@microsoft/msgraph-sdk-users";

const { BASE, TOKEN, USER, MEETING } = process.env;
const adapter = new GraphRequestAdapter(new BaseBearerTokenAuthenticationProvider({
	getAuthorizationToken: async () => TOKEN,
	getAllowedHostsValidator: () => ({ isUrlHostValid: () => true }),
}));

adapter.baseUrl = `${BASE}/v1.0`;

const meetings = createGraphServiceClient(adapter).users.byUserId(USER).onlineMeetings;
const every = meetings.getAllRecordingsmeetingOrganizerUserIdMeetingOrganizerUserIdWithStartDateTimeWithEndDateTime;
const of = meetings.byOnlineMeetingId(MEETING).recordings;

try {
	const parameters = { meetingOrganizerUserId: USER, top: 2 };
	const windowed = { ...parameters, startDateTime: new Date("2024-01-15T01:00:00Z"), endDateTime: new Date("2024-01-15T03:00:00Z") };
	const page = await every.get({ queryParameters: parameters });
	const next = await every.withUrl(page.odataNextLink).get();
	const delta = await of.delta.get({ queryParameters: { top: 2 } });
	const item = await of.byCallRecordingId("rec-1").get();

	console.log(JSON.stringify({
		page: page.value.map((one) => one.id),
		count: Number(page.odataCount),
		next: next.value.map((one) => one.id),
		windowed: (await every.get({ queryParameters: windowed })).value.map((one) => one.id),
		delta: delta.value.map((one) => one.id),
		deltaNext: (await of.delta.withUrl(delta.odataNextLink).get()).value.map((one) => one.id),
		item: { id: item.id, created: item.createdDateTime.toISOString(), organizer: item.meetingOrganizer.user.id },
		content: Buffer.from(await of.byCallRecordingId("rec-0").content.get()).toString(),
	}));
} catch (error) {
	console.log(JSON.stringify({ error: error.name, status: error.responseStatusCode, message: error.message }));
}

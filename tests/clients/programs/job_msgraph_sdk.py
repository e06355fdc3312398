# SPDX-License-Identifier: Apache-2.0
"""The whole job with msgraph-sdk and azure-identity. Of delta it can build the one of a meeting's recordings; the others by URL."""

import asyncio
import logging
import time
from datetime import datetime, timezone

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.calendar import Calendar
from msgraph_core import PageIterator
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem

from job import (ALL_RECORDINGS, BASE, CALENDARS, CERTIFICATE, CERTIFICATE_CLIENT_ID, CLIENT_ID, CLIENT_SECRET, HOST,
                 LATE, MEETING, ME_TOKEN, NAMES, RECORDINGS, SPECIAL, TENANT, TOKEN, USER, named, refused, same, step)

logging.disable(logging.CRITICAL)
SCOPES = ["https://graph.microsoft.com/.default"]
run = asyncio.Runner().run


class Fixed:
    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **options):
        return AccessToken(self.token, int(time.time()) + 3600)


def connect(credential):
    hosts = [HOST, HOST.split(":")[0]]
    adapter = GraphRequestAdapter(AzureIdentityAuthenticationProvider(credential, scopes=SCOPES, allowed_hosts=hosts))
    adapter.base_url = f"{BASE}/v1.0"
    return adapter, GraphServiceClient(request_adapter=adapter).users.by_user_id(USER)


def sign_in(kind, *args, **more):
    user = connect(kind(TENANT, *args, authority=BASE, disable_instance_discovery=True, retry_total=0, **more))[1]
    same(len(run(user.calendars.get()).value), len(NAMES))


def sign_in_by_chain():
    sign_in(CertificateCredential, CERTIFICATE_CLIENT_ID, CERTIFICATE, send_certificate_chain=True)


def as_me():
    same(len(run(GraphServiceClient(request_adapter=connect(Fixed(ME_TOKEN))[0]).me.calendars.get()).value), len(NAMES))


def options(builder, **parameters):
    """The builder's own class of query parameters, filled."""
    kind = getattr(type(builder), type(builder).__name__ + "GetQueryParameters")
    return RequestConfiguration(query_parameters=kind(**parameters))


def names(page):
    return sorted(one.name for one in page.value)


def error_of(request):
    return refused(lambda: run(request), APIError, lambda error: (error.response_status_code, error.error.code))


class Job:
    def __init__(self):
        self.adapter, self.user = connect(Fixed(TOKEN))
        self.calendars = self.user.calendars
        self.meeting = self.user.online_meetings.by_online_meeting_id(MEETING)

    def pages(self):
        first = run(self.calendars.get(options(self.calendars, select=["name"], orderby=["name asc"], top=4, count=True)))
        same((len(first.value), first.odata_count), (4, len(NAMES)))
        reported = []
        run(PageIterator(first, self.adapter).iterate(lambda one: reported.append(one.name) or True))
        same(sorted(reported), sorted(NAMES))

    def count(self):
        same(run(self.calendars.count.get()), len(NAMES))

    def filter(self, name):
        same(names(run(self.calendars.get(options(self.calendars, filter=named(name))))), [name])

    def delta(self):
        reported, request = [], RequestConfiguration()
        request.headers.add("Prefer", "odata.maxpagesize=4")
        url = f"{CALENDARS}/delta"
        while url:
            page = run(self.calendars.with_url(url).get(request))
            reported.append(len(page.value))
            url = page.odata_next_link
        same(reported, [4, 2])
        self.link = page.additional_data["@odata.deltaLink"]

    def create(self):
        self.made = run(self.calendars.post(Calendar(name="Made by msgraph-sdk")))
        same(self.made.name, "Made by msgraph-sdk")

    def update(self):
        one = self.calendars.by_calendar_id(self.made.id)
        run(one.patch(Calendar(name="Renamed by msgraph-sdk")))
        same(run(one.get()).name, "Renamed by msgraph-sdk")

    def change(self):
        page = run(self.calendars.with_url(self.link).get())
        same(names(page), ["Renamed by msgraph-sdk"])
        self.link = page.additional_data["@odata.deltaLink"]

    def delete(self):
        run(self.calendars.by_calendar_id(self.made.id).delete())
        same(error_of(self.calendars.by_calendar_id(self.made.id).get()), (404, "ErrorItemNotFound"))

    def removal(self):
        reported = run(self.calendars.with_url(self.link).get()).value
        same([(one.id, one.additional_data["@removed"]) for one in reported], [(self.made.id, {"reason": "deleted"})])

    def late(self):
        same(error_of(self.calendars.with_url(LATE).get()), (410, "SyncStateNotFound"))

    def recordings_by_url(self):
        reported, url = [], f"{ALL_RECORDINGS}/delta?$top=2"
        while url:
            page = run(self.meeting.recordings.delta.with_url(url).get())
            reported += [one.id for one in page.value]
            url = page.odata_next_link
        same(reported, RECORDINGS)
        assert page.odata_delta_link

    def recordings_by_builder(self):
        meetings = self.user.online_meetings
        every = [getattr(meetings, name) for name in dir(meetings) if name.startswith("get_all_recordings")][0]
        page = run(every.get(options(every, meeting_organizer_user_id=USER, top=2,
                                     start_date_time=datetime(2024, 1, 15, 1, tzinfo=timezone.utc))))
        same([one.id for one in page.value], RECORDINGS[1:3])
        same([one.id for one in run(every.with_url(page.odata_next_link).get()).value], RECORDINGS[3:])

    def meeting_by_builder(self):
        page = run(self.meeting.recordings.delta.get(options(self.meeting.recordings.delta, top=3)))
        same([one.id for one in page.value], RECORDINGS[:3])
        page = run(self.meeting.recordings.delta.with_url(page.odata_next_link).get())
        same([one.id for one in page.value], RECORDINGS[3:])
        one = run(self.meeting.recordings.by_call_recording_id("rec-1").get())
        same((one.id, one.meeting_organizer.user.id), ("rec-1", USER))

    def content(self):
        same(run(self.meeting.recordings.by_call_recording_id("rec-0").content.get()), b"the bytes of a video")

    def batch(self):
        post = self.calendars.to_post_request_information(Calendar(name="Batched"))
        find = self.calendars.to_get_request_information(options(self.calendars, filter=named("Summer plans")))
        content = BatchRequestContent()
        content.add_request("make", BatchRequestItem(post, "make"))
        content.add_request("find", BatchRequestItem(find, "find", ["make"]))
        answers = run(BatchRequestBuilder(self.adapter).post(content))
        same(answers.get_response_status_codes(), {"make": 201, "find": 200})
        # msgraph-core reads no body of an answer that is JSON.
        for one in run(self.calendars.get(options(self.calendars, filter=named("Batched")))).value:
            run(self.calendars.by_calendar_id(one.id).delete())

    def errors(self):
        same(error_of(self.calendars.post(Calendar(name="cinema"))), (409, "ErrorFolderExists"))
        same(error_of(self.calendars.by_calendar_id("nonsense").get()), (400, "ErrorInvalidIdMalformed"))
        same(error_of(self.calendars.get(options(self.calendars, filter="nonsense eq 1"))), (400, "ErrorInvalidUrlQuery"))
        other = connect(Fixed("nonsense"))[1]
        same(error_of(other.calendars.get()), (401, "InvalidAuthenticationToken"))


def wrong_secret():
    reason = refused(lambda: sign_in(ClientSecretCredential, CLIENT_ID, "not-the-secret-at-all"), ClientAuthenticationError, str)
    assert "AADSTS7000215" in reason, reason


job = Job()
step("sign in with a secret", sign_in, ClientSecretCredential, CLIENT_ID, CLIENT_SECRET)
step("sign in with a certificate", sign_in, CertificateCredential, CERTIFICATE_CLIENT_ID, CERTIFICATE)
step("sign in with a certificate that is sent along", sign_in_by_chain)
step("a wrong secret is refused", wrong_secret)
step("list as /me", as_me)
step("list by pages with a count", job.pages)
step("count by builder", job.count)
for special in SPECIAL:
    step(f"filter for {special}", job.filter, special)
step("delta by pages", job.delta)
step("create", job.create)
step("update", job.update)
step("delta with a change", job.change)
step("delete", job.delete)
step("delta with a removal", job.removal)
step("delta too late", job.late)
step("recordings by URL", job.recordings_by_url)
step("recordings by builder", job.recordings_by_builder)
step("recordings of a meeting by builder", job.meeting_by_builder)
step("content", job.content)
step("batch", job.batch)
step("errors", job.errors)
print("done")

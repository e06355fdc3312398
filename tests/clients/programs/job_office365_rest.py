# SPDX-License-Identifier: Apache-2.0
"""The whole job with Office365-REST-Python-Client. It puts filters into the URL as they are, so names with `&` or `+` are left out;
its getAllRecordings is a POST, which Graph does not have. Delta of calendars and recordings go by URL."""

import logging

import msal
from office365 import azure_env
from office365.delta_collection import DeltaCollection
from office365.delta_path import DeltaPath
from office365.graph_client import GraphClient
from office365.outlook.calendar.calendar import Calendar
from office365.runtime.client_request_exception import ClientRequestException
from office365.runtime.http.request_options import RequestOptions

from job import (ALL_RECORDINGS, AUTHORITY, BASE, CALENDARS, CERTIFICATE_CLIENT_ID, CLIENT_ID, CLIENT_SECRET, LATE,
                 MEETING, MEETINGS, NAMES, RECORDINGS, THUMBPRINT, TOKEN, USER, certificate, named, refused, same,
                 step)

logging.disable(logging.CRITICAL)
azure_env._ENDPOINTS[azure_env.AzureEnvironment.Global]["graph"] = BASE


def connect(token):
    return GraphClient(lambda: token)


def sign_in(client, secret):
    app = msal.ConfidentialClientApplication(client, client_credential=secret, authority=AUTHORITY, instance_discovery=False)
    token = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    if "error" in token:
        raise ValueError(token["error_description"])
    same(len(connect(token).users[USER].calendars.get().execute_query()), len(NAMES))


def names(calendars):
    return sorted(one.name for one in calendars)


def error_of(call):
    return refused(call, ClientRequestException, lambda error: (error.response.status_code, error.code))


class Job:
    def __init__(self):
        self.client = connect({"access_token": TOKEN, "token_type": "Bearer"})
        self.meetings = self.client.users[USER].online_meetings

    @property
    def calendars(self):
        return self.client.users[USER].calendars

    def fetch(self, url):
        return self.client.pending_request().execute_request_direct(RequestOptions(url))

    def get(self, url):
        return self.fetch(url).json()

    def pages(self):
        same(names(self.calendars.get_all(page_size=4).execute_query()), sorted(NAMES))
        page = self.calendars.top(4).get().execute_query()
        same((len(page.current_page), page.has_next), (4, True))

    def filter(self, name):
        same(names(self.calendars.filter(named(name)).get().execute_query()), [name])

    def delta(self):
        pages = []
        reported = DeltaCollection(self.client, Calendar, DeltaPath(self.calendars.resource_path))
        reported.get_all(page_loaded=lambda page: pages.append(len(page.current_page)))
        self.client.before_execute(lambda request: request.set_header("Prefer", "odata.maxpagesize=4"))
        same(names(reported.execute_query()), sorted(NAMES))
        same(pages, [4, 2])
        # It reads all pages and drops the deltaLink.
        self.link = self.get(f"{CALENDARS}/delta")["@odata.deltaLink"]

    def create(self):
        self.made = self.calendars.add(name="Made by Office365").execute_query()
        same(self.made.name, "Made by Office365")

    def update(self):
        self.made.update_properties(name="Renamed by Office365").execute_query()
        same(self.calendars[self.made.id].get().execute_query().name, "Renamed by Office365")

    def change(self):
        page = self.get(self.link)
        same([one["name"] for one in page["value"]], ["Renamed by Office365"])
        self.link = page["@odata.deltaLink"]

    def delete(self):
        self.calendars[self.made.id].delete_object().execute_query()
        same(error_of(lambda: self.calendars[self.made.id].get().execute_query()), (404, "ErrorItemNotFound"))

    def removal(self):
        same([(one["id"], one["@removed"]) for one in self.get(self.link)["value"]], [(self.made.id, {"reason": "deleted"})])

    def late(self):
        same(error_of(lambda: self.get(LATE)), (410, "SyncStateNotFound"))

    def recordings_by_url(self):
        reported, page = [], {"@odata.nextLink": f"{ALL_RECORDINGS}/delta?$top=2"}
        while "@odata.nextLink" in page:
            page = self.get(page["@odata.nextLink"])
            reported += [one["id"] for one in page["value"]]
        same(reported, RECORDINGS)

    def recordings_by_builder(self):
        reported = self.meetings[MEETING].recordings.get_all(page_size=2).execute_query()
        same([one.id for one in reported], RECORDINGS)
        same(self.meetings[MEETING].recordings["rec-1"].get().execute_query().meeting_id, MEETING)

    def content(self):
        same(self.fetch(f"{MEETINGS}/{MEETING}/recordings/rec-0/content").content, b"the bytes of a video")

    def batch(self):
        made = self.calendars.add(name="Batched")
        found = self.calendars.filter(named("Summer plans")).get()
        self.client.execute_batch()
        same((made.name, names(found)), ("Batched", ["Summer plans"]))
        made.delete_object().execute_query()

    def errors(self):
        same(error_of(lambda: self.calendars.add(name="cinema").execute_query()), (409, "ErrorFolderExists"))
        same(error_of(lambda: self.calendars["nonsense"].get().execute_query()), (400, "ErrorInvalidIdMalformed"))
        same(error_of(lambda: self.calendars.filter("nonsense eq 1").get().execute_query()), (400, "ErrorInvalidUrlQuery"))
        other = connect({"access_token": "nonsense", "token_type": "Bearer"})
        same(error_of(lambda: other.users[USER].calendars.get().execute_query()), (401, "InvalidAuthenticationToken"))


def wrong_secret():
    assert "AADSTS7000215" in refused(lambda: sign_in(CLIENT_ID, "not-the-secret-at-all"), ValueError, str)


job = Job()
step("sign in with a secret", sign_in, CLIENT_ID, CLIENT_SECRET)
public, key = certificate()
step("sign in with a certificate", sign_in, CERTIFICATE_CLIENT_ID, {"thumbprint": THUMBPRINT, "private_key": key})
step("sign in with a certificate that is sent along", sign_in, CERTIFICATE_CLIENT_ID,
     {"public_certificate": public, "private_key": key})
step("a wrong secret is refused", wrong_secret)
step("list by pages", job.pages)
step("filter for Summer plans", job.filter, "Summer plans")
step("delta by pages", job.delta)
step("create", job.create)
step("update", job.update)
step("delta with a change", job.change)
step("delete", job.delete)
step("delta with a removal", job.removal)
step("delta too late", job.late)
step("recordings by URL", job.recordings_by_url)
step("recordings of a meeting by builder", job.recordings_by_builder)
step("content", job.content)
step("batch", job.batch)
step("errors", job.errors)
print("done")

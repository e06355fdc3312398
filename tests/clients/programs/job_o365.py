# SPDX-License-Identifier: Apache-2.0
"""The whole job with python-o365. It has no delta and no recordings: its connection takes their URLs."""

import logging

import msal
from O365 import Account, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend
from requests.exceptions import HTTPError

from job import (ALL_RECORDINGS, AUTHORITY, BASE, CALENDARS, CERTIFICATE_CLIENT_ID, CLIENT_ID, CLIENT_SECRET, LATE,
                 MEETING, MEETINGS, NAMES, RECORDINGS, SPECIAL, TENANT, THUMBPRINT, TOKEN, USER, certificate, refused,
                 same, step)

logging.disable(logging.CRITICAL)


class Protocol(MSGraphProtocol):
    _protocol_url = BASE + "/"


class Fixed(MemoryTokenBackend):
    has_data = True

    def __init__(self, token):
        super().__init__()
        self.token = token

    def get_access_token(self, **options):
        return {"secret": self.token}


def connect(client, secret, backend):
    account = Account((client, secret), protocol=Protocol(), tenant_id=TENANT, auth_flow_type="credentials", token_backend=backend)
    return account, account.schedule(resource=f"users/{USER}")


def sign_in(client, secret):
    account, schedule = connect(client, secret, MemoryTokenBackend())
    # The one setting that O365 does not pass on.
    account.con._msal_client = msal.ConfidentialClientApplication(client, client_credential=secret, authority=AUTHORITY,
                                                                  token_cache=account.con.token_backend, instance_discovery=False)
    if not account.authenticate():
        scopes = ["https://graph.microsoft.com/.default"]
        raise ValueError(account.con.msal_client.acquire_token_for_client(scopes)["error_description"])
    same(len(list(schedule.list_calendars())), len(NAMES))


def names(calendars):
    return sorted(one.name for one in calendars)


def error_of(call):
    return refused(call, HTTPError, lambda error: (error.response.status_code, error.response.json()["error"]["code"]))


class Job:
    def __init__(self):
        account, self.schedule = connect("client", "secret", Fixed(TOKEN))
        self.con = account.con

    def pages(self):
        pagination = self.schedule.list_calendars(limit=100, batch=4, order_by="name asc")
        same(len(pagination.data), 4)
        same(names(pagination), sorted(NAMES))

    def count(self):
        same(self.con.get(CALENDARS, params={"$count": "true", "$top": 1}).json()["@odata.count"], len(NAMES))

    def filter(self, name):
        # Its query builder leaves it to the caller to double a quote.
        query = self.schedule.new_query().equals("name", name.replace("'", "''"))
        same(names(self.schedule.list_calendars(query=query)), [name])

    def get_by_name(self):
        same(self.schedule.get_calendar(calendar_name="Summer plans").name, "Summer plans")

    def delta(self):
        reported, page = [], {"@odata.nextLink": f"{CALENDARS}/delta"}
        while "@odata.nextLink" in page:
            page = self.con.get(page["@odata.nextLink"], headers={"Prefer": "odata.maxpagesize=4"}).json()
            reported.append(len(page["value"]))
        same(reported, [4, 2])
        self.link = page["@odata.deltaLink"]

    def create(self):
        self.made = self.schedule.new_calendar("Made by O365")
        same(self.made.name, "Made by O365")

    def update(self):
        self.made.name, self.made.color = "Renamed by O365", "light_blue"
        assert self.made.update()
        same(self.schedule.get_calendar(calendar_id=self.made.calendar_id).name, "Renamed by O365")

    def change(self):
        page = self.con.get(self.link).json()
        same([(one["name"], one["color"]) for one in page["value"]], [("Renamed by O365", "lightBlue")])
        self.link = page["@odata.deltaLink"]

    def delete(self):
        self.gone = self.made.calendar_id
        assert self.made.delete()
        same(error_of(lambda: self.schedule.get_calendar(calendar_id=self.gone)), (404, "ErrorItemNotFound"))

    def removal(self):
        reported = self.con.get(self.link).json()["value"]
        same([(one["id"], one["@removed"]) for one in reported], [(self.gone, {"reason": "deleted"})])

    def late(self):
        same(error_of(lambda: self.con.get(LATE)), (410, "SyncStateNotFound"))

    def recordings(self):
        reported, page = [], {"@odata.nextLink": f"{ALL_RECORDINGS}/delta?$top=2"}
        while "@odata.nextLink" in page:
            page = self.con.get(page["@odata.nextLink"]).json()
            reported += [one["id"] for one in page["value"]]
        same(reported, RECORDINGS)

    def content(self):
        same(self.con.get(f"{MEETINGS}/{MEETING}/recordings/rec-0/content").content, b"the bytes of a video")

    def batch(self):
        requests = [{"id": "1", "method": "GET", "url": f"/users/{USER}/calendars?$filter=name eq 'Summer plans'"}]
        answer = self.con.post(f"{BASE}/v1.0/$batch", data={"requests": requests}).json()["responses"][0]
        same((answer["status"], len(answer["body"]["value"])), (200, 1))

    def errors(self):
        same(error_of(lambda: self.schedule.new_calendar("cinema")), (409, "ErrorFolderExists"))
        same(error_of(lambda: self.schedule.get_calendar(calendar_id="nonsense")), (400, "ErrorInvalidIdMalformed"))
        same(error_of(lambda: self.schedule.list_calendars(query="nonsense eq 1")), (400, "ErrorInvalidUrlQuery"))


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
step("count", job.count)
for special in SPECIAL:
    step(f"filter for {special}", job.filter, special)
step("get by a name with a blank", job.get_by_name)
step("delta by pages", job.delta)
step("create", job.create)
step("update", job.update)
step("delta with a change", job.change)
step("delete", job.delete)
step("delta with a removal", job.removal)
step("delta too late", job.late)
step("recordings by URL", job.recordings)
step("content", job.content)
step("batch", job.batch)
step("errors", job.errors)
print("done")

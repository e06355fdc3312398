# SPDX-License-Identifier: Apache-2.0
"""A delta server of many feeds: what `sync --all` follows.

    far = Many()                      listens on 127.0.0.1, ends with far.close()
    far.feed("/v1.0/users/ann/x/delta").put("a", name="A")     a feed comes to be when it is named; far.model(path)
    far.at_once, far.most_at_once     requests that are being answered, and the most there ever were
    far.requests                      (when, path with query, headers) in the order in which they came
    far.fault                         called for each request: fault(request, path) answers it and gives back True, or None
"""
import json
import threading
import time

from misbehave import Listener, Request


class Feed:
    def __init__(self, page_size=3):
        self.items, self.order, self.head, self.page_size = {}, {}, 0, page_size

    def put(self, id, **properties):
        self.head += 1
        self.items[id] = {"id": id, **properties}
        self.order[id] = self.head

    def remove(self, id):
        self.head += 1
        self.items[id] = {"id": id, "@removed": {"reason": "deleted"}}
        self.order[id] = self.head

    def model(self):
        return {id: item for id, item in self.items.items() if "@removed" not in item}

    def report(self, entry, initial):
        """What a page says of an entry, or None."""
        return None if initial and "@removed" in self.items[entry] else self.items[entry]

    def page(self, url, query):
        kind, _, token = query.partition("token=")
        after, until = (int(part) for part in token.split("-")) if token else (0, self.head)
        initial = not token
        if kind.endswith("$delta"):
            until = self.head
        entries = sorted((seq, entry) for entry, seq in self.order.items() if after < seq <= until)
        reported = [(seq, item) for seq, item in ((seq, self.report(entry, initial)) for seq, entry in entries) if item]
        page = {"value": [item for _, item in reported[:self.page_size]]}
        if len(reported) > self.page_size:
            page["@odata.nextLink"] = f"{url}?$skiptoken={reported[self.page_size - 1][0]}-{until}"
        else:
            page["@odata.deltaLink"] = f"{url}?$deltatoken={until}-{until}"
        return page


class Many(Listener):
    def __init__(self):
        super().__init__()
        self.base = f"http://127.0.0.1:{self.port}"
        self.feeds, self.lock = {}, threading.RLock()
        self.fault, self.delay = None, 0
        self.at_once = self.most_at_once = 0

    def feed(self, path):
        with self.lock:
            return self.feeds.setdefault(path, Feed())

    def model(self, path):
        return self.feeds[path].model()

    def paths(self):
        return [path.partition("?")[0] for _, path, _ in self.requests]

    def answer(self, handler):
        path, _, query = handler.path.partition("?")
        request = Request(self, handler, query)
        with self.lock:
            self.requests.append((time.monotonic(), handler.path, dict(handler.headers)))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.delay:
                time.sleep(self.delay)
            if self.fault and self.fault(request, path):
                return
            with self.lock:
                page = self.feeds[path].page(self.base + path, query) if path in self.feeds else None
        finally:
            with self.lock:
                self.at_once -= 1
        if page is None:
            request.error(404, "ResourceNotFound")
        else:
            request.send(200, json.dumps(page).encode())

# SPDX-License-Identifier: Apache-2.0
"""A delta server that misbehaves on demand, and another listener that nobody should ever talk to.

    far = FarEnd()                    listens on 127.0.0.1, ends with far.close()
    far.put("a", name="A")            the model; far.remove("a", "changed"); far.model() is what a follower must hold
    far.do(fault, ...)                the next requests are answered by these faults, one each (None: well)
    far.always(fault)                 every request is
    far.requests                      what was asked: (path, headers)
    far.who = answer                  who /me says the caller is: a fault, or a function of the bearer that gives an id;
                                      far.asked holds the bearers of those who asked (they are not in far.requests)

A fault is a function of a Request; it answers by request.send(...), or gives back changes to the page it is handed.
"""
import gzip
import http.server
import json
import threading
import time


class Request:
    def __init__(self, far, handler, query):
        self.far, self.handler, self.query = far, handler, query

    def send(self, status, body=b"", headers=None, length=None):
        if not isinstance(body, (bytes, bytearray)):
            body = json.dumps(body).encode()
        self.handler.send_response_only(status)
        for name, value in (headers or {}).items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        self.handler.end_headers()
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def error(self, status, code, message="?", headers=None):
        self.send(status, {"error": {"code": code, "message": message, "innerError": {}}}, headers)

    def cut(self):
        self.handler.close_connection = True

    def link(self, kind, token):
        return f"{self.far.url}?${kind}token={token}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.server.far.answer(self)

    def log_message(self, *_):
        pass


class Listener:
    """Counts what comes, and answers 200 with nothing."""

    def __init__(self):
        self.requests = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.far = self
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        Request(self, handler, "").send(200, b"{}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class FarEnd(Listener):
    def __init__(self, path="/v1.0/me/calendars/delta"):
        super().__init__()
        self.path = path
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = self.base + path
        self.items, self.order, self.head = {}, {}, 0
        self.page_size = 3
        self.faults, self.usual = [], None
        self.forgotten = set()
        self.elsewhere = {}             # faults of other paths
        self.caller, self.asked = status(404, "NotFound"), []
        self.lock = threading.RLock()
        self.issued = 0

    # ---- the model

    def put(self, id, **properties):
        with self.lock:
            self.head += 1
            self.items[id] = {"id": id, **properties}
            self.order[id] = self.head

    def remove(self, id, reason="deleted"):
        with self.lock:
            self.head += 1
            self.items[id] = {"id": id, "@removed": {"reason": reason}}
            self.order[id] = self.head

    def model(self):
        return {id: item for id, item in self.items.items() if "@removed" not in item}

    # ---- faults

    def do(self, *faults):
        self.faults += faults

    def always(self, fault):
        self.usual = fault

    # ---- pages

    def cursor(self, query):
        """(after, until, fresh) of a link; the counter behind it only makes links differ."""
        if "token=" not in query:
            return 0, self.head, True
        kind, _, token = query.partition("token=")
        after, until, initial = (int(part) for part in token.split("-")[:3])
        return (until, self.head, False) if kind == "$delta" else (after, until, bool(initial))

    def page(self, request):
        after, until, initial = self.cursor(request.query)
        reported = sorted((seq, id) for id, seq in self.order.items() if after < seq <= until)
        reported = [(seq, id) for seq, id in reported if not initial or "@removed" not in self.items[id]]
        size = request.far.page_size
        items = [self.items[id] for _, id in reported[:size]]
        self.issued += 1
        if len(reported) > size:
            link = {"@odata.nextLink": request.link("skip", f"{reported[size - 1][0]}-{until}-{int(initial)}-{self.issued}")}
        else:
            link = {"@odata.deltaLink": request.link("delta", f"{until}-{until}-0-{self.issued}")}
        return {"@odata.context": f"{self.base}/$metadata#x", "value": items, **link}

    def answer(self, handler):
        path, _, query = handler.path.partition("?")
        request = Request(self, handler, query)
        with self.lock:
            if path.lower().endswith("/me"):
                self.asked.append(handler.headers["Authorization"])
                self.caller(request, None)
                return
            self.requests.append((handler.path, dict(handler.headers)))
            fault = self.faults.pop(0) if self.faults else self.usual
            if path in self.elsewhere:
                self.elsewhere[path](request, None)
                return
            if path != self.path:
                request.error(404, "NotFound")
                return
            page = self.page(request)
        if fault is not None:
            page = fault(request, page)
            if page is None:
                return
        request.send(200, page)


# ---- faults that answer by themselves -----------------------------------------------------------------------

def status(number, code="BadRequest", message="?", **headers):
    def fault(request, _page):
        request.error(number, code, message, {name.replace("_", "-"): value for name, value in headers.items()})
    return fault


def raw(body, number=200, **headers):
    def fault(request, _page):
        request.send(number, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return fault


def gzipped(body):
    def fault(request, _page):
        request.send(200, gzip.compress(body), {"Content-Encoding": "gzip"})
    return fault


def gone(spelling="SyncStateNotFound", number=410, location=None, message="?"):
    def fault(request, page):
        if not request.query:
            return page
        request.error(number, spelling, message, {"Location": location} if location else {})
    return fault


def cut_after(count):
    def fault(request, page):
        body = json.dumps(page).encode()
        request.send(200, body[:count], length=len(body))
        request.cut()
    return fault


def slow(seconds):
    def fault(_request, page):
        time.sleep(seconds)
        return page
    return fault


def dated(seconds):
    """429 with an HTTP date; as it is written in whole seconds, the wait is up to one shorter."""
    def fault(request, _page):
        when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
        request.error(429, "TooManyRequests", headers={"Retry-After": when})
    return fault


# ---- faults in a page ---------------------------------------------------------------------------------------

def changed(change):
    def fault(_request, page):
        change(page)
        return page
    return fault


def link_to(target):
    """Whichever link there is leads elsewhere."""
    def change(page):
        for name in ("@odata.nextLink", "@odata.deltaLink"):
            if name in page:
                page[name] = target
    return changed(change)


def relative(begin):
    """Whichever link there is begins with its path, its query, or the last part of its path."""
    def fault(request, page):
        for name in ("@odata.nextLink", "@odata.deltaLink"):
            if name in page:
                page[name] = page[name].replace(request.far.base, "") if begin == "/" else begin + page[name].partition(begin)[2]
        return page
    return fault


def with_items(*items, front=True):
    return changed(lambda page: page.update(value=list(items) + page["value"] if front else page["value"] + list(items)))


def empty_first(request, page):
    """An empty page with a nextLink that leads to where the request would have led."""
    after, until, initial = request.far.cursor(request.query)
    request.far.issued += 1
    return {"value": [], "@odata.nextLink": request.link("skip", f"{after}-{until}-{int(initial)}-{request.far.issued}")}


def another_next_link(request, page):
    """Before the page's own, and none of the page: it leads to a page of this server that is none of the round."""
    return {"more": {"@odata.nextLink": request.link("skip", "0-2-1-0")}, **page}


def no_links(request, page):
    return {"value": page["value"]}


def both_links(request, page):
    return {"value": page["value"], "@odata.nextLink": request.link("skip", "0-0-0-0"),
            "@odata.deltaLink": request.link("delta", "0-0-0-0")}

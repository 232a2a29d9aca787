"""An inventory that answers only requests that have its token.

`python3 inventory.py FOLDER` makes a token, listens on 127.0.0.1:18453, and keeps running in the background. In the folder it keeps `token`,
`asked` (a line for each request) and `pid`.
"""

import json
import os
import secrets
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

ITEMS = [{"name": "nut", "pieces": 3}, {"name": "bolt", "pieces": 40}]
TOKEN = secrets.token_urlsafe(24)


class Inventory(BaseHTTPRequestHandler):
    server_version, sys_version = "inventory", ""
    wbufsize = -1  # Head and body of an answer are sent together.

    def do_GET(self):
        given = self.headers.get("authorization", "")
        if given != f"Bearer {TOKEN}":
            self.answer(401, {"error": "the token is missing"})
        elif self.path == "/items":
            self.answer(200, ITEMS)
        elif self.path == "/items/echo":
            # Like a careless service, it repeats what it was sent.
            self.answer(200, {"you sent": given})
        else:
            self.answer(404, {"error": "no such thing"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        token = "with a token" if "authorization" in self.headers else "without a token"
        write("asked", f"{self.requestline} {token}: {values[1]}\n")


def write(name, text):
    # Only the owner may read it: one of the files is the token.
    with open(os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="ascii") as file:
        file.write(text)


FOLDER = os.path.abspath(sys.argv[1])
SERVER = HTTPServer(("127.0.0.1", 18453), Inventory)
write("token", TOKEN)
print("inventory: listens on http://127.0.0.1:18453", flush=True)
PID = os.fork()
if PID:
    write("pid", str(PID))
else:
    SERVER.serve_forever()

"""A Roundup tracker for change tickets, on this machine only. It needs `roundup` from the Python Package Index.

`python3 tracker.py FOLDER` makes a tracker in the folder, listens on 127.0.0.1:18462, and keeps running in the background. In the folder it
keeps `tracker.password` (of the login `bot`), `tracker.asked` (a line for each request) and `tracker.pid`.

`python3 tracker.py FOLDER PORT` serves the socket that is its standard input, which listens on that port, until it is ended.
"""

import glob
import os
import pwd
import secrets
import socket
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import roundup.init
import roundup.instance
from roundup.backends import back_sqlite  # noqa: F401 (loaded now: the user that serves may not be able to read it later)
from roundup.cgi.wsgi_handler import RequestDispatcher
from roundup.password import Password

LOGIN = "bot"


def make(home, port):
    """Makes a tracker with the usual classes, and the login. Returns the login's password."""
    [template] = glob.glob(os.path.join(sys.prefix, "share/roundup/templates/classic"))
    web = {"tracker_web": f"http://127.0.0.1:{port}/demo/", "mail_domain": "localhost", "mail_host": "localhost", "admin_email": "admin@localhost"}
    roundup.init.install(home, template, settings={**web, "rdbms_backend": "sqlite"})
    tracker = roundup.instance.open(home)
    tracker.init(Password(secrets.token_urlsafe(24), config=tracker.config))
    password = secrets.token_urlsafe(24)
    db = tracker.open("admin")
    db.user.create(username=LOGIN, password=Password(password, config=db.config), roles="User", address="bot@localhost")
    db.commit()
    db.close()
    return password


def below_demo(inner):
    """Serves the tracker below /demo, as its configuration says."""

    def serve(environ, start):
        path = environ["PATH_INFO"]
        if not path.startswith("/demo/"):
            start("404 Not Found", [("content-type", "text/plain")])
            return [b"not here\n"]
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/demo", path[len("/demo"):]
        return inner(environ, start)

    return serve


class Handler(WSGIRequestHandler):
    def log_request(self, code="-", size="-"):
        path = self.path.split("?")[0]
        os.write(LOG, f"{self.command} {path} {getattr(code, 'value', code)}\n".encode())


def become_nobody():
    """Roundup is not meant to run as root. What it needs becomes nobody's, and nobody may pass through the folder without seeing what is in it."""
    if os.getuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    os.chmod(FOLDER, 0o711)
    os.chown(".", nobody.pw_uid, nobody.pw_gid)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def keep(name, text):
    with open(os.open(os.path.join(FOLDER, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)


FOLDER, STAYS = os.path.abspath(sys.argv[1]), len(sys.argv) > 2
PORT = int(sys.argv[2]) if STAYS else 18462
os.umask(0o077)
LOG = os.open(os.path.join(FOLDER, "tracker.asked"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
SECRET = os.open(os.path.join(FOLDER, "tracker.password"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
LISTENS = socket.socket(fileno=0) if STAYS else socket.create_server(("127.0.0.1", PORT))
os.makedirs(os.path.join(FOLDER, "tracker"))
os.chdir(os.path.join(FOLDER, "tracker"))
PID = 0 if STAYS else os.fork()
if PID:
    keep("tracker.pid", str(PID))
    # The tracker is ready when its password is there.
    os.set_blocking(0, True)
    while not os.path.getsize(os.path.join(FOLDER, "tracker.password")):
        if os.waitpid(PID, os.WNOHANG)[0]:
            sys.exit("tracker: it did not start")
    print(f"tracker: listens on http://127.0.0.1:{PORT}/demo/", flush=True)
    os._exit(0)
become_nobody()
password = make("home", PORT)
if not STAYS:
    # Whoever waits for the end of what this prints does not wait for the end of the tracker.
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
SERVER = WSGIServer(("127.0.0.1", PORT), Handler, bind_and_activate=False)
SERVER.socket.close()
SERVER.socket = LISTENS
SERVER.server_name, SERVER.server_port = "127.0.0.1", PORT
SERVER.setup_environ()
SERVER.set_app(below_demo(RequestDispatcher("home")))
os.write(SECRET, password.encode())
os.close(SECRET)
SERVER.serve_forever()

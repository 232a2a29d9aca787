//! Real servers for probes: nginx with any configuration, and a Flask application on Werkzeug, each on a port of its own, with a log of
//! its requests.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::certs::Certified;
use crate::tools::{may_install, missing, target, tool};

/// A server that belongs to one test. It ends when it is dropped.
pub struct App {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl App {
    /// Serves `files`; `server` is the text within the braces of nginx's `server`. Returns `None` after a message if nginx is missing.
    ///
    /// # Panics
    /// If it does not start; in CI also if it is missing.
    #[must_use]
    pub fn nginx(server: &str, files: &[(&str, &[u8])]) -> Option<Self> {
        Self::nginx_with(server, files, "", &[])
    }

    /// nginx that serves `/public/…` from files, answers POST at `/posted`, redirects `/public/moved` to `/secret`, and has `/secret`.
    ///
    /// # Panics
    /// As [`App::nginx`].
    #[must_use]
    pub fn nginx_public(files: &[(&str, &[u8])]) -> Option<Self> {
        const SERVER: &str = "        location /public/ {}
        location = /posted { return 201 'posted'; }
        location = /public/moved { return 302 http://127.0.0.1:$server_port/secret; }
        location = /secret { return 200 'secret'; }";
        let names: Vec<String> = files.iter().map(|(name, _)| format!("public/{name}")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().zip(files).map(|(name, (_, content))| (name.as_str(), *content)).collect();
        Self::nginx(SERVER, &files)
    }

    /// nginx over TLS.
    ///
    /// # Panics
    /// As [`App::nginx`].
    #[must_use]
    pub fn nginx_tls(server: &str, files: &[(&str, &[u8])], certified: &Certified) -> Option<Self> {
        let server = format!("        ssl_certificate certificate.pem;\n        ssl_certificate_key key.pem;\n{server}");
        Self::nginx_with(&server, files, " ssl", &[("certificate.pem", &certified.certificate), ("key.pem", &certified.key)])
    }

    fn nginx_with(server: &str, files: &[(&str, &[u8])], listens: &str, beside: &[(&str, &str)]) -> Option<Self> {
        let program = tool("nginx")?;
        let (folder, listener, port) = place();
        for (name, content) in files {
            let path = folder.path().join("root").join(name);
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder for files");
            fs::write(path, content).expect("a file");
        }
        for (name, content) in beside {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let text = nginx_conf(&folder.path().display().to_string(), &format!("127.0.0.1:{port}{listens}"), server);
        fs::write(folder.path().join("nginx.conf"), text).expect("its configuration");
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(folder.path()).args(["-c", "nginx.conf"]).env("NGINX", "0;");
        Some(Self::started(command, folder, listener, port))
    }

    /// A Flask application: this Python text, which has to define `app`. Werkzeug's debugger shows its errors if `debugged`.
    /// Returns `None` after a message if Flask is missing.
    ///
    /// # Panics
    /// If it does not start; in CI also if it is missing.
    #[must_use]
    pub fn flask(text: &str, debugged: bool) -> Option<Self> {
        Some(Self::of_python(&python()?, text, debugged))
    }

    /// Serves the WSGI application that this Python text defines as `app`, under Werkzeug.
    pub(crate) fn of_python(python: &Path, text: &str, debugged: bool) -> Self {
        let (folder, listener, port) = place();
        fs::write(folder.path().join("application.py"), text).expect("the application");
        fs::write(folder.path().join("serve.py"), SERVE).expect("what serves it");
        let mut command = Command::new(python);
        command.arg("serve.py").args([port.to_string(), debugged.to_string()]).current_dir(folder.path());
        Self::started(command, folder, listener, port)
    }

    fn started(mut command: Command, folder: TempDir, listener: TcpListener, port: u16) -> Self {
        let errors = File::create(folder.path().join("stderr")).expect("a file");
        // The socket is bound here and passed on. So no other process can take the port, and connections are accepted from this moment on.
        command.stdin(Stdio::from(OwnedFd::from(listener))).stdout(Stdio::null()).stderr(errors);
        Self { child: command.spawn().expect("it starts"), folder, port }
    }

    /// The port on which the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` and the path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The text that the server wrote to standard error.
    #[must_use]
    pub fn said(&self) -> String {
        // nginx names missing files in decoded form, which may contain bytes that are not text.
        String::from_utf8_lossy(&fs::read(self.folder.path().join("stderr")).unwrap_or_default()).into_owned()
    }

    /// Ends the server, and returns the lines of its access log: `METHOD PATH STATUS BYTES`, where the bytes are those of the body.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn stop(self) -> Vec<String> {
        let (log, said) = self.ended();
        assert!(!log.is_empty(), "the server received no request: {said}");
        log
    }

    /// As `stopped`, but the log may be empty.
    #[must_use]
    pub fn stop_unasked(self) -> Vec<String> {
        self.ended().0
    }

    fn ended(mut self) -> (Vec<String>, String) {
        self.end(Signal::QUIT);
        let log = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        (log.lines().map(str::to_owned).collect(), self.said())
    }

    /// Ends the server by a signal that it handles: if nginx were killed, its worker would stay.
    fn end(&mut self, signal: Signal) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
            let _ = self.child.wait();
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

fn place() -> (TempDir, TcpListener, u16) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("root")).expect("a folder for files");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    (folder, listener, port)
}

fn nginx_conf(folder: &str, listen: &str, server: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary.iter().map(|name| format!("    {name}_temp_path {folder}/{name};\n")).collect();
    format!(
        "daemon off;
user root root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{}}
http {{
{temporary}    log_format plain '$request_method $request_uri $status $body_bytes_sent';
    access_log {folder}/access.log plain;
    types {{ text/html html; }}
    default_type application/octet-stream;
    # With chunks the log would count what is put around them.
    chunked_transfer_encoding off;
    server {{
        listen {listen};
        root {folder}/root;
{server}
    }}
}}
"
    )
}

/// Serves `application.app` on the socket that is its standard input, and writes a log in nginx's form.
const SERVE: &str = r#"import os
import signal
import sys

from werkzeug.debug import DebuggedApplication
from werkzeug.serving import WSGIRequestHandler, make_server

from application import app

port, debugged = int(sys.argv[1]), sys.argv[2] == "true"
log = open("access.log", "w", buffering=1)


class Handler(WSGIRequestHandler):
    def log(self, kind, message, *args):
        pass

    def version_string(self):
        return super().version_string() if debugged else "application"


def logged(inner):
    def run(environ, start):
        seen = []

        def begin(status, headers, exc_info=None):
            seen.append(status.split(" ")[0])
            return start(status, headers, exc_info)

        # Whole before any of it is sent: the line is there when the answer is.
        body = b"".join(inner(environ, begin))
        log.write(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']} {seen[-1]} {len(body)}\n")
        return [body]

    return run


if debugged:
    app.debug = True
    app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True)
signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))
make_server("127.0.0.1", port, logged(app), threaded=True, request_handler=Handler, fd=0).serve_forever()
"#;

/// Flask and its dependencies, with digests: for Python 3.10 to 3.14 on Linux and macOS.
const REQUIREMENTS: &str = r"blinker==1.9.0 \
    --hash=sha256:ba0efaa9080b619ff2f3459d1d500c57bddea4a6b424b60a91141db6fd2f08bc
click==8.5.1 \
    --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37
flask==3.1.2 \
    --hash=sha256:ca1d8112ec8a6158cc29ea4858963350011b5c846a414cdb7a954aa9e967d03c
itsdangerous==2.2.0 \
    --hash=sha256:c6242fc49e35958c8b15141343aa660db5fc54d4f13a1db01a3f5891b98700ef
jinja2==3.1.6 \
    --hash=sha256:85ece4451f492d0c13c5dd7c13a64681a86afae63a5f347908daf103ce6d2f67
markupsafe==3.0.4 \
    --hash=sha256:dff05cb7016dff1e9fd68f4122c127b65dfc59de5306cfb7ad92f956f230bee2 \
    --hash=sha256:cf63c214fe879a65e69a386f915e36104fc84254ab141240f8854602d8e0be2a \
    --hash=sha256:d1aca03ede943eb80ab3d63bb082c84b7aab85ea83bd0fd0c200260945fb49d9 \
    --hash=sha256:7d3391b2188d18737cb2fa147028b1096236eaa7e156446c650a489fa2cadc91 \
    --hash=sha256:849dd2bb0e5e4ab2b71c7191726a4a8d5aa8a610daa584728cbee0b710ddc4ef \
    --hash=sha256:6da83a088f8ef93b2d483a8232a4dbf4d69d3d8496b568a03c56becac43e1808 \
    --hash=sha256:0930db9bdc62d22944e10b066448bb65dc9abe9112880c7cab8da54db4284d5f \
    --hash=sha256:6a45c3d514f2436064db00d7fc8778d888f0236ebfed649b53d13a59e69ad51b \
    --hash=sha256:8e124f974786f831d6043728e38296969d3579db8896fe004682f5758e613581 \
    --hash=sha256:73e77980c7207854f00fc4e71fb1626868d5740ab4012623d55c7a99ad122a72 \
    --hash=sha256:7018d4af1cd272e847aa5917983ab5e83e4f6579f9dbfecd4a79c0ca80b144c2 \
    --hash=sha256:434139499bb20b502ed3baa1f169e618f924a97e7a777fea1a49446d80106cf6 \
    --hash=sha256:52704c5d36eb6dda8866493decd61111fff86244c9b1ad225ca01b9e91e5970f \
    --hash=sha256:1caa2fa5a6184fb233153b35f654e6687bd555476f6170f29d8ee9be1a8b0af9 \
    --hash=sha256:a8e9f292fcda89b324f2f5c91d13f1424a153e40fc2756f38ee23b15835ff300
werkzeug==3.1.9 \
    --hash=sha256:6392e50c78460ba618e5b21f08a71f59c99ce99cdc6cf6e3dd7e6ccca8754fab
";

/// Python with Flask; `None` after a message if it is missing.
///
/// # Panics
/// In CI, if it is missing.
#[must_use]
pub fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| python_with("tests-apps", REQUIREMENTS))
        .as_ref()
        .inspect_err(|why| missing(&format!("flask ({why})")))
        .ok()
        .cloned()
}

/// Python with the packages that a list pins, in a separate virtual environment under the target folder, so nothing of the machine changes.
/// The error says why it could not be made.
pub(crate) fn python_with(name: &str, list_of_it: &str) -> Result<PathBuf, String> {
    let folder = target().join(name);
    fs::create_dir_all(&folder).expect("the target folder can be made");
    // BOUND: one process at a time; the lock is released when it is dropped.
    let lock = File::create(folder.join("lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be had");
    let (venv, list) = (folder.join("venv"), folder.join("requirements.txt"));
    let (python, stamp) = (venv.join("bin/python"), venv.join("installed"));
    if python.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == list_of_it) {
        return Ok(python);
    }
    if !may_install() {
        return Err("it is not installed, and the test may not install it".to_owned());
    }
    let _ = fs::remove_dir_all(&venv);
    let written = |err: std::io::Error, path: &Path| format!("`{}` could not be written: {err}", path.display());
    fs::write(&list, list_of_it).map_err(|err| written(err, &list))?;
    went_well("venv", Command::new("python3").args(["-m", "venv"]).arg(&venv).output())?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes", "-r"];
    went_well("pip", Command::new(&python).args(pip).arg(&list).output())?;
    fs::write(&stamp, list_of_it).map_err(|err| written(err, &stamp))?;
    Ok(python)
}

/// Whether a tool succeeded; the error has all of its output, since that contains the reason.
pub(crate) fn went_well(tool: &str, output: std::io::Result<Output>) -> Result<(), String> {
    let output = output.map_err(|err| format!("could not start `{tool}`: {err}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (said, more) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("`{tool}` failed with {}\n{said}{more}", output.status).trim_end().to_owned())
}

//! A real RabbitMQ for one test, with its management API. All of its files are in a temporary folder, and it listens on loopback only.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::tools::tool;

/// The script that Debian's program `rabbitmq-server` calls. That program switches to the user `rabbitmq`, who can't read a test's folder.
const AS_ANYBODY: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// BOUND: how long each of its programs may take to be ready.
const START: Duration = Duration::from_secs(180);

/// The server. It ends when it is dropped.
pub struct RabbitMq {
    server: Child,
    names: Child,
    folder: TempDir,
    management: u16,
}

/// An answer of its management API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl RabbitMq {
    /// Starts the server with one user, who may change users. Returns when its API answers, or `None` after a message if RabbitMQ is
    /// missing.
    ///
    /// # Panics
    /// If it does not start; in CI also if it is missing.
    #[must_use]
    pub fn start(user: &str, password: &str) -> Option<Self> {
        let (found, epmd) = (tool("rabbitmq-server")?, tool("epmd")?);
        let program = Some(PathBuf::from(AS_ANYBODY)).filter(|path| path.is_file()).unwrap_or(found);
        let folder = tempfile::tempdir().expect("a folder");
        let [names_port, amqp, distribution, management] = ports();
        // The test starts the process that keeps the names of nodes: otherwise a node starts one that outlives it.
        let mut names = Command::new(epmd);
        names.args(["-d", "-d", "-address", "127.0.0.1", "-port", &names_port.to_string()]);
        let names =
            ready(names.stdout(Stdio::null()).stderr(Stdio::piped()), "entering the main select() loop", |child| child.stderr.take());
        write(&folder.path().join("enabled"), "[rabbitmq_management].\n");
        write(&folder.path().join("env"), "");
        write(&folder.path().join("rabbitmq.conf"), &configuration(amqp, management, user, password));
        let mut server = Command::new(program);
        server.envs(environment(folder.path())).env("ERL_EPMD_PORT", names_port.to_string());
        server.env("RABBITMQ_NODE_PORT", amqp.to_string()).env("RABBITMQ_DIST_PORT", distribution.to_string());
        server.env("RABBITMQ_NODENAME", format!("test-{}-{management}@localhost", std::process::id()));
        server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(folder.path().join("stderr")).expect("a file"));
        let server = ready(&mut server, "completed with", |child| child.stdout.take());
        let rabbit = Self { server, names, folder, management };
        let said = rabbit.who_am_i(user, password);
        assert_eq!(said.status, 200, "{said:?}\n{}", rabbit.said());
        Some(rabbit)
    }

    /// The port of its management API.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.management
    }

    /// Asks the API who this user is. The answer is 200, or 401: with `Login failed` if the password is wrong, or with `Not management
    /// user` if it is right but the user has no tag that allows the API.
    ///
    /// # Panics
    /// If no answer comes.
    #[must_use]
    pub fn who_am_i(&self, user: &str, password: &str) -> Said {
        self.ask("GET /api/whoami", (user, password), "")
    }

    /// Makes a user, or sets its password and tags.
    ///
    /// # Panics
    /// If no answer comes.
    #[must_use]
    pub fn put_user(&self, name: &str, body: &str, under: (&str, &str)) -> Said {
        self.ask(&format!("PUT /api/users/{name}"), under, body)
    }

    fn ask(&self, what: &str, (user, password): (&str, &str), body: &str) -> Said {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.management)).expect("it listens");
        let secret = STANDARD.encode(format!("{user}:{password}"));
        let head = format!("{what} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Basic {secret}\r\n");
        write!(stream, "{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("it hears");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("it answers");
        let (head, body) = said.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status");
        Said { status, body: body.to_owned() }
    }

    /// The text that the server wrote to standard error.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Kills the process that the script started, whose id is in a file. Nothing has to be kept, so it need not end cleanly.
    fn end(&mut self) {
        let written = fs::read_to_string(self.folder.path().join("pid")).unwrap_or_default();
        match written.trim().parse().ok().and_then(Pid::from_raw) {
            Some(node) if matches!(self.server.try_wait(), Ok(None)) => drop(kill_process(node, Signal::KILL)),
            _ => drop(kill_process(Pid::from_child(&self.server), Signal::TERM)),
        }
        let _ = self.server.wait();
        let _ = self.names.kill();
        let _ = self.names.wait();
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.end();
    }
}

/// Four different free ports.
fn ports() -> [u16; 4] {
    let held: [TcpListener; 4] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    held.map(|listener| listener.local_addr().expect("its address").port())
}

fn configuration(amqp: u16, management: u16, user: &str, password: &str) -> String {
    format!(
        "listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\nlog.console = false\n\
         default_user = {user}\ndefault_pass = {password}\ndefault_user_tags.administrator = true\n"
    )
}

/// Variables that keep all of its files in its folder, and ignore files from outside.
fn environment(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let own = [
        ("HOME", ""),
        ("RABBITMQ_MNESIA_BASE", "mnesia"),
        ("RABBITMQ_LOG_BASE", "log"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_CONF_ENV_FILE", "env"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled"),
        ("RABBITMQ_PID_FILE", "pid"),
    ];
    let loopback = "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}";
    let fixed =
        [("ERL_EPMD_ADDRESS", "127.0.0.1"), ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1"), ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback)];
    let own = own.map(|(name, file)| (name, folder.join(file)));
    own.into_iter().chain(fixed.map(|(name, value)| (name, PathBuf::from(value)))).collect()
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
}

/// Starts a command, and returns once it has printed these words; later output is read and dropped.
fn ready<R: Read + Send + 'static>(command: &mut Command, words: &'static str, from: impl FnOnce(&mut Child) -> Option<R>) -> Child {
    let mut child = command.spawn().expect("it starts");
    let lines = BufReader::new(from(&mut child).expect("it is a pipe")).lines().map_while(Result::ok);
    let (is_ready, waits) = mpsc::channel();
    std::thread::spawn(move || {
        lines.for_each(|line| {
            if line.contains(words) {
                let _ = is_ready.send(());
            }
        });
    });
    if let Err(why) = waits.recv_timeout(START) {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} never said `{words}`: {why}");
    }
    child
}

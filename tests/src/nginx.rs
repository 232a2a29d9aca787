//! A real server: nginx, on a port of its own, with everything it writes in a folder that goes with it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::tools::tool;

/// nginx, serving. Ended when it is dropped.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Nginx {
    /// Serves `/public/…` from files, answers POST at `/posted`, sends away from `/public/moved` to `/secret`, and has `/secret`.
    /// `None` after nginx was named as missing.
    ///
    /// # Panics
    /// Where it does not start; in CI, where it is missing.
    #[must_use]
    pub fn start(files: &[(&str, &[u8])]) -> Option<Self> {
        let program = tool("nginx")?;
        let folder = tempfile::tempdir().expect("a folder");
        let public = folder.path().join("root/public");
        fs::create_dir_all(&public).expect("a folder for files");
        for (name, content) in files {
            fs::write(public.join(name), content).expect("a file");
        }
        // Bound here and handed over: nobody else can have the port, and who connects is heard from this moment on.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let text = config(&folder.path().display().to_string(), port);
        fs::write(folder.path().join("nginx.conf"), text).expect("its configuration");
        let errors = fs::File::create(folder.path().join("stderr")).expect("a file");
        let child = Command::new(program)
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .args(["-c", "nginx.conf"])
            .env("NGINX", "0;")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("nginx starts");
        Some(Self { child, folder, port })
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Lets it finish what it is doing, and gives the lines of its access log: `METHOD PATH STATUS BYTES`, bytes being those of the body.
    ///
    /// # Panics
    /// Where it does not end well.
    pub fn stop(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), Signal::QUIT).expect("nginx is told to end");
        let status = self.child.wait().expect("nginx ends");
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        assert!(status.success(), "nginx: {status}\n{}", read("stderr"));
        read("access.log").lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // By a signal that it hears: killed, it would leave its worker behind.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

fn config(folder: &str, port: u16) -> String {
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
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location /public/ {{}}
        location = /posted {{ return 201 'posted'; }}
        location = /public/moved {{ return 302 http://127.0.0.1:{port}/secret; }}
        location = /secret {{ return 200 'secret'; }}
    }}
}}
"
    )
}

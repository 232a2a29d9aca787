//! Mail, through a program of the machine that understands the options of `sendmail`.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use vocabulary::NoticeEnd;

use super::NoticeOutcome;

/// The mode bits that let the group or everybody write to a file.
const WRITABLE: u32 = 0o022;
/// The mode bits that let everybody write to a folder, and the one with which only the owner of a file may remove it.
const OPEN: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// The exit status of a program that could not do it now (`sysexits.h`).
const TEMPORARY: i32 = 75;

/// A child and its process group. The group is killed if this value is dropped before the child has ended.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // The process id can't be reused before the process was waited for.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Gives the mail to the program. Its words and its output are its own: only its exit status counts.
pub(super) async fn pass_on(program: &str, from: &str, recipients: &[String], text: &Bytes) -> NoticeOutcome {
    let failed = |end, why: String| NoticeOutcome::failed(end, &format!("`{program}`: {why}"));
    let path = PathBuf::from(program);
    let checked = tokio::task::spawn_blocking(move || checked(&path)).await;
    let real = match checked {
        Ok(Ok(real)) => real,
        Ok(Err(err)) => return failed(NoticeEnd::GaveUp, err.to_string()),
        Err(_) => return failed(NoticeEnd::Again, "the host is ending".to_owned()),
    };
    let mut group = match start(&real, from, recipients) {
        Ok(child) => Group(child),
        Err(err) => return failed(NoticeEnd::GaveUp, format!("it could not be started: {err}")),
    };
    if let Some(mut to) = group.0.stdin.take() {
        // A program that has ended before it read says why with its exit status.
        let _ = to.write_all(text).await;
        let _ = to.shutdown().await;
    }
    match group.0.wait().await.map(|status| status.code()) {
        Ok(Some(0)) => NoticeOutcome { end: NoticeEnd::Delivered, ..NoticeOutcome::failed(NoticeEnd::Delivered, "") },
        Ok(Some(TEMPORARY)) => failed(NoticeEnd::Again, "it can't take the mail now".to_owned()),
        Ok(Some(code)) => failed(NoticeEnd::Again, format!("it exited with status {code}")),
        Ok(None) => failed(NoticeEnd::Again, "it was killed".to_owned()),
        Err(err) => failed(NoticeEnd::Again, err.to_string()),
    }
}

/// SECURITY: the recipients come after `--`, and none begins with a hyphen, so none is an option. `-i` keeps a line with a single dot from
/// ending the mail.
#[expect(clippy::disallowed_methods, reason = "door: the operator's program that sends mail")]
fn start(real: &Path, from: &str, recipients: &[String]) -> io::Result<Child> {
    let mut command = Command::new(real);
    command.args(["-i", "-f", from, "--"]).args(recipients).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true).spawn()
}

/// The real path of the program, if only this user or root could have written it.
fn checked(path: &Path) -> io::Result<PathBuf> {
    let denied = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned());
    let real = path.canonicalize()?;
    let ours = |metadata: &Metadata| [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    let found = real.metadata()?;
    if !found.is_file() {
        return Err(denied("it is not a regular file"));
    }
    if !ours(&found) || found.mode() & WRITABLE != 0 {
        return Err(denied("another user could have written it; it must belong to you or to root, without `w` for others"));
    }
    for folder in real.ancestors().skip(1) {
        let mode = folder.metadata()?.mode();
        if mode & OPEN != 0 && mode & STICKY == 0 {
            return Err(denied("everybody can write to a folder on its path; take that away with `chmod o-w`"));
        }
    }
    Ok(real)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn script(folder: &Path, name: &str, text: &str) -> String {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn passed(program: &str) -> (NoticeEnd, String) {
        let done = pass_on(program, "from@a.test", &["to@a.test".to_owned()], &Bytes::from_static(b"Subject: x\n\n.\nbody\n")).await;
        (done.end, done.detail.to_string())
    }

    #[tokio::test]
    async fn a_program_gets_the_mail_and_its_exit_status_counts() {
        let folder = tempfile::tempdir().unwrap();
        let got = folder.path().join("got");
        let good = script(folder.path(), "good", &format!("echo \"$@\" > {0}; cat >> {0}", got.display()));
        assert_eq!(passed(&good).await.0, NoticeEnd::Delivered);
        assert_eq!(std::fs::read_to_string(&got).unwrap(), "-i -f from@a.test -- to@a.test\nSubject: x\n\n.\nbody\n");
        for (text, end, words) in [
            ("exit 75", NoticeEnd::Again, "can't take the mail now"),
            ("cat > /dev/null; exit 3", NoticeEnd::Again, "status 3"),
            ("kill -9 $$", NoticeEnd::Again, "it was killed"),
        ] {
            let (came, detail) = passed(&script(folder.path(), "bad", text)).await;
            assert!(came == end && detail.contains(words), "{text}: {came:?} {detail}");
        }
        let (end, detail) = passed("/nowhere/sendmail").await;
        assert!(end == NoticeEnd::GaveUp && detail.contains("No such file"), "{detail}");
    }

    #[tokio::test]
    async fn a_program_that_others_could_have_written_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let ran = folder.path().join("ran");
        let program = script(folder.path(), "mail", &format!("touch {}", ran.display()));
        std::fs::set_permissions(&program, Permissions::from_mode(0o722)).unwrap();
        let (end, detail) = passed(&program).await;
        assert!(end == NoticeEnd::GaveUp && detail.contains("another user could have written it"), "{detail}");
        std::fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let (_, detail) = passed(&program).await;
        assert!(detail.contains("everybody can write to a folder"), "{detail}");
        assert!(!ran.exists());
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(passed(&program).await.0, NoticeEnd::Delivered, "the control");
    }
}

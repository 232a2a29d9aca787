//! The values of a whole home that could still let somebody in. Each has its credential, the hosts where it could, and the time until which
//! it could.
//!
//! A run looks in answers for the values that could let somebody in at a host that the run can reach. Values that were obtained or made
//! (tokens, signatures), and values that were replaced in the vault, are kept sealed in the home until they expire, so the next process
//! looks for them as well. It also looks for values that are in the vault now. Values from other sources are held in memory only: the home
//! keeps no copy of what its operator keeps elsewhere on purpose.
//!
//! INVARIANT: no value is forgotten before it has expired. If there is no more room, no other value is made.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use effect::HostPattern;

use crate::local::{KeptValue, Local, LocalError, Mark, Reader};
use crate::secret::Secret;

/// BOUND: values of one home that could let somebody in at the same time.
const VALUES_MAX: usize = 16_384;

/// A value that is about to leave the host, or was given out.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The credential that it belongs to.
    pub credential: String,
    /// The hosts where it could let somebody in. If this is empty, nobody knows: it could be any host at which the credential is used.
    pub hosts: Vec<HostPattern>,
    /// When it expires, in seconds since 1970. The home keeps it until then. `None` for a value that its source keeps: it stays in memory
    /// while the home is held.
    pub until_s: Option<u64>,
    /// The value.
    pub secret: Secret,
}

/// One value, with the number that it has in this process.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The number, counted from 1. A value that is noted again for a longer time gets a new number.
    pub id: u64,
    /// The value.
    pub value: Arc<Outstanding>,
}

/// See the module. Cheap to share.
pub struct Register {
    local: Local,
    inner: Mutex<Inner>,
    last: AtomicU64,
    most: usize,
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").field("last", &self.last).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Inner {
    values: BTreeMap<u64, Arc<Outstanding>>,
    last: u64,
    reader: Reader,
    /// The file of the vault whose values were last taken in.
    vault: Mark,
}

impl Inner {
    /// Adds the value, unless it is known already for as long. It replaces an entry of the same value that expires earlier.
    fn put(&mut self, value: Outstanding) {
        let is_it = |known: &Outstanding| known.credential == value.credential && known.secret.is(&value.secret);
        let known = self.values.iter().find(|(_, known)| is_it(known)).map(|(id, known)| (*id, known.until_s, known.hosts == value.hosts));
        match known {
            Some((_, until_s, true)) if lasts(until_s) >= lasts(value.until_s) => return,
            Some((id, _, true)) => drop(self.values.remove(&id)),
            _ => {}
        }
        self.last += 1;
        self.values.insert(self.last, Arc::new(value));
    }

    fn take_in(&mut self, kept: Vec<KeptValue>, now_s: u64) {
        for value in kept.into_iter().filter(|value| value.until_s > now_s) {
            let hosts = value.hosts.iter().filter_map(|host| host.parse().ok()).collect();
            self.put(Outstanding { credential: value.credential, hosts, until_s: Some(value.until_s), secret: value.secret });
        }
    }
}

fn lasts(until_s: Option<u64>) -> u64 {
    until_s.unwrap_or(u64::MAX)
}

impl Register {
    /// For the home of this vault. Opens nothing.
    pub fn new(local: Local) -> Self {
        Self::with_room(local, VALUES_MAX)
    }

    /// The same, with room for that many values.
    pub fn with_room(local: Local, most: usize) -> Self {
        Self { local, inner: Mutex::default(), last: AtomicU64::new(0), most }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what other processes of this home have kept, and what is in the vault. Waits for the disk.
    ///
    /// # Errors
    /// What was kept, or the vault, does not open: then nobody knows which values to look for.
    pub fn look(&self, now_s: u64) -> Result<(), LocalError> {
        let mut inner = self.lock();
        let kept = self.local.live_read(&mut inner.reader)?;
        inner.take_in(kept, now_s);
        // SECURITY: another run of this home may have sent these values to a host that this run asks, in this process or an earlier one.
        let values = self.local.values_since(&mut inner.vault)?;
        values.into_iter().flatten().for_each(|value| inner.put(value));
        self.last.store(inner.last, Ordering::Release);
        Ok(())
    }

    /// Notes values before they leave the host. When this returns, those that are kept are on disk. Waits for the disk.
    ///
    /// # Errors
    /// No room, or they can't be kept: then they must not leave.
    pub fn note(&self, values: Vec<Outstanding>, now_s: u64) -> Result<(), LocalError> {
        let mut inner = self.lock();
        let is_known = |value: &&Outstanding| {
            inner.values.values().any(|known| {
                known.credential == value.credential
                    && known.secret.is(&value.secret)
                    && known.hosts == value.hosts
                    && lasts(known.until_s) >= lasts(value.until_s)
            })
        };
        let new: Vec<Outstanding> = values.iter().filter(|value| !is_known(value)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        inner.values.retain(|_, known| lasts(known.until_s) > now_s);
        // SECURITY: no run can use up the room of all others by having more and more values made under one credential.
        let share = self.most - self.most / 4;
        let of_it = |name: &str| inner.values.values().filter(|known| known.credential == name).count();
        let is_over = |value: &Outstanding| of_it(&value.credential) + new.len() > share;
        if inner.values.len() + new.len() > self.most || new.iter().any(is_over) {
            return Err(LocalError::FullOfLive);
        }
        let kept: Vec<KeptValue> = new.iter().filter_map(kept).collect();
        if !kept.is_empty() {
            let others = self.local.live_keep(&mut inner.reader, &kept, now_s)?;
            inner.take_in(others, now_s);
        }
        new.into_iter().for_each(|value| inner.put(value));
        self.last.store(inner.last, Ordering::Release);
        Ok(())
    }

    /// The number of the last value. It shows without waiting whether anything is new.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The values with higher numbers that have not expired.
    pub fn after(&self, id: u64, now_s: u64) -> Vec<Registered> {
        let inner = self.lock();
        let new = inner.values.range(id + 1..).filter(|(_, value)| lasts(value.until_s) > now_s);
        new.map(|(id, value)| Registered { id: *id, value: Arc::clone(value) }).collect()
    }
}

fn kept(value: &Outstanding) -> Option<KeptValue> {
    let hosts = value.hosts.iter().map(ToString::to_string).collect();
    Some(KeptValue { credential: value.credential.clone(), hosts, secret: value.secret.clone(), until_s: value.until_s? })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes files of its own"
)]
mod tests {
    use super::*;
    use crate::local::KeySource;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec()).unwrap()
    }

    fn value(text: &str, until_s: Option<u64>) -> Outstanding {
        Outstanding { credential: "key".to_owned(), hosts: vec!["api.test".parse().unwrap()], until_s, secret: secret(text) }
    }

    fn found(register: &Register, now_s: u64) -> Vec<String> {
        register.after(0, now_s).iter().map(|it| String::from_utf8(it.value.secret.expose().to_vec()).unwrap()).collect()
    }

    /// A register as the next process of the home would have it.
    fn next(folder: &tempfile::TempDir, now_s: u64) -> Vec<String> {
        let register = Register::new(Local::new(folder.path()));
        register.look(now_s).unwrap();
        found(&register, now_s)
    }

    #[test]
    fn a_value_that_was_made_is_known_to_the_next_process_until_it_lapses_and_one_of_another_source_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::new(Local::new(folder.path()));
        register.note(vec![value("token-of-an-hour", Some(3600)), value("from-elsewhere", None)], 1).unwrap();
        assert_eq!(found(&register, 1), ["token-of-an-hour", "from-elsewhere"]);
        assert_eq!(next(&folder, 3599), ["token-of-an-hour"]);
        assert!(next(&folder, 3600).is_empty());
        let file = std::fs::read(folder.path().join("vault.live")).unwrap();
        assert!(!file.windows(8).any(|window| window == b"token-of"), "never in clear");
    }

    #[test]
    fn where_there_is_no_room_no_other_value_is_noted_and_none_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::with_room(Local::new(folder.path()), 2);
        register.note(vec![value("token-number-1", Some(10))], 1).unwrap();
        register.note(vec![value("token-number-2", Some(20))], 1).unwrap();
        assert!(matches!(register.note(vec![value("token-number-3", Some(30))], 1), Err(LocalError::FullOfLive)));
        assert_eq!(found(&register, 1), ["token-number-1", "token-number-2"], "none is forgotten for want of room");
        register.note(vec![value("token-number-2", Some(15))], 1).unwrap();
        assert_eq!(found(&register, 16), ["token-number-2"], "one that is known takes no room, and keeps its longer time");
        register.note(vec![value("token-number-3", Some(30))], 10).unwrap();
        assert_eq!(found(&register, 10), ["token-number-2", "token-number-3"], "what has lapsed makes room");
    }

    #[test]
    fn what_is_replaced_given_up_or_revoked_in_the_vault_is_looked_for_and_what_is_in_use_is_not_kept_twice() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::new(folder.path());
        let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        local.set("key", secret("first-value"), 1).unwrap();
        local.send_to("key", &["https://api.test".parse().unwrap()]).unwrap();
        assert_eq!(next(&folder, now_s), ["first-value"], "what is in the vault");
        local.set("key", secret("second-value"), 2).unwrap();
        assert_eq!(next(&folder, now_s), ["first-value", "second-value"]);
        local.stage("key", secret("third-value")).unwrap();
        local.unstage("key").unwrap();
        local.revoke("key").unwrap();
        assert_eq!(next(&folder, now_s), ["first-value", "third-value", "second-value"]);
        let register = Register::new(Local::new(folder.path()));
        register.look(now_s).unwrap();
        assert!(register.after(0, now_s).iter().all(|it| it.value.hosts == ["api.test".parse().unwrap()]), "with where they may go");
        assert!(next(&folder, now_s + 31 * 24 * 3600).is_empty());
    }

    #[test]
    fn a_value_that_is_set_or_changed_by_another_process_is_known_with_the_next_look_and_a_private_key_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (local, register) = (Local::new(folder.path()), Register::new(Local::new(folder.path())));
        register.look(1).unwrap();
        assert!(found(&register, 1).is_empty());
        for n in 0..4 {
            // The values have the same length, so the test shows that a change is noticed by more than the file's size.
            local.set("key", secret(&format!("value-number-{n}")), 1).unwrap();
            register.look(1).unwrap();
            assert_eq!(found(&register, 1).last().unwrap(), &format!("value-number-{n}"));
        }
        local.set("pem", secret("-----BEGIN PRIVATE KEY-----"), 1).unwrap();
        register.look(1).unwrap();
        assert!(!found(&register, 1).iter().any(|value| value.starts_with("-----")));
    }

    #[test]
    fn one_credential_does_not_take_the_room_of_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::with_room(Local::new(folder.path()), 8);
        let of = |name: &str, n: u32| Outstanding { credential: name.to_owned(), ..value(&format!("token-number-{n}"), Some(10)) };
        for n in 0..6 {
            register.note(vec![of("greedy", n)], 1).unwrap();
        }
        assert!(matches!(register.note(vec![of("greedy", 6)], 1), Err(LocalError::FullOfLive)));
        register.note(vec![of("modest", 7)], 1).unwrap();
        assert_eq!(found(&register, 1).len(), 7);
    }

    #[test]
    fn a_list_that_was_changed_in_its_middle_is_refused_and_a_value_is_revoked_nevertheless() {
        let folder = tempfile::tempdir().unwrap();
        let (local, register) = (Local::new(folder.path()), Register::new(Local::new(folder.path())));
        local.set("key", secret("some-value-1"), 1).unwrap();
        register.note(vec![value("token-number-1", Some(u64::MAX))], 1).unwrap();
        let first = std::fs::read(folder.path().join("vault.live")).unwrap().len();
        register.note(vec![value("token-number-2", Some(u64::MAX))], 1).unwrap();
        let path = folder.path().join("vault.live");
        let whole = std::fs::read(&path).unwrap();
        // The file is changed in place, so that its owner and mode stay the same.
        let mut bent = whole.clone();
        bent[first - 5] ^= 1;
        std::fs::write(&path, &bent).unwrap();
        assert!(matches!(Register::new(Local::new(folder.path())).look(1), Err(LocalError::Sealed(_))));
        assert!(local.revoke("key").is_err(), "the fault is told");
        assert!(matches!(local.get("key"), Err(LocalError::Revoked(_))), "and the value is gone");
        std::fs::write(&path, &whole).unwrap();
        Register::new(Local::new(folder.path())).look(1).unwrap();
    }

    #[test]
    fn a_process_sees_what_another_one_kept_meanwhile_and_a_vault_that_is_sealed_anew_keeps_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Register::new(Local::new(folder.path())), Register::new(Local::new(folder.path())));
        one.note(vec![value("token-number-1", Some(100))], 1).unwrap();
        other.note(vec![value("token-number-2", Some(100))], 1).unwrap();
        one.look(1).unwrap();
        assert_eq!(found(&one, 1), ["token-number-1", "token-number-2"]);
        Local::new(folder.path()).rekey(&KeySource::File).unwrap();
        one.note(vec![value("token-number-3", Some(100))], 1).unwrap();
        assert_eq!(next(&folder, 1), ["token-number-1", "token-number-2", "token-number-3"]);
    }

    #[test]
    fn a_file_that_was_cut_off_while_it_was_written_loses_the_last_value_alone_and_a_changed_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let register = Register::new(Local::new(folder.path()));
        register.note(vec![value("token-number-1", Some(100))], 1).unwrap();
        register.note(vec![value("token-number-2", Some(100))], 1).unwrap();
        let path = folder.path().join("vault.live");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert_eq!(next(&folder, 1), ["token-number-1"]);
        let again = Register::new(Local::new(folder.path()));
        again.note(vec![value("token-number-3", Some(100))], 1).unwrap();
        assert_eq!(next(&folder, 1), ["token-number-1", "token-number-3"], "nothing is written behind what is broken");
        std::fs::write(&path, b"bailiwick live 1\nsomething else").unwrap();
        assert!(matches!(Register::new(Local::new(folder.path())).look(1), Err(LocalError::Sealed(_))));
    }
}

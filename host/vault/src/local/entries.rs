//! The entries of a vault by name, and the forms in which they have been written.

use std::collections::BTreeMap;

use vocabulary::{DESTINATIONS_BYTES_MAX, DESTINATIONS_MAX, Destination, HostPattern};
use zeroize::Zeroizing;

use super::StoredSecret;
use super::err::LocalError;
use crate::outstanding::Outstanding;
use crate::secret::Secret;
use crate::strength::STRONG_BITS;

/// BOUND: secrets in one vault.
pub(super) const SECRETS_MAX: usize = 1000;
/// BOUND: names that are only known to be revoked. A name that has a value can be revoked beyond this bound, because a revocation must not
/// fail for lack of room.
pub(super) const REVOKED_MAX: usize = 4000;

/// The entry of one name.
struct VaultEntry {
    /// The version of the value. 0 if there never was a value.
    version: u64,
    /// The highest version that was ever used. If a value is staged, it is the version of that value.
    counted: u64,
    set_at: u64,
    /// The value. `None` after a revocation.
    value: Option<Secret>,
    /// The staged value, which may exist only beside a value.
    next: Option<Secret>,
    /// Where its values may be sent. If it is empty, they are sent nowhere. Destinations stay when a value is replaced, so the next value
    /// may be sent to the same places.
    destinations: Vec<Destination>,
}

/// What is known of a secret besides its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name of the credential.
    pub name: String,
    /// The version of the value. It counts the values of its name, from 1. 0 for a name that never had a value here, and is only revoked.
    pub version: u64,
    /// When this value was set, in seconds since 1970.
    pub set_at: u64,
    /// Whether it was revoked. Then its value is gone.
    pub revoked: bool,
    /// Whether a new value is staged.
    pub staged: bool,
    /// The destinations to which its values may be sent.
    pub destinations: Vec<Destination>,
    /// Whether its value, or the staged one, can be guessed.
    pub weak: bool,
}

/// All names of a vault. A name without a value is revoked, whatever source its binding names.
#[derive(Default)]
pub(crate) struct VaultEntries(BTreeMap<String, VaultEntry>);

fn named(name: &str) -> Result<(), LocalError> {
    if vocabulary::is_name(name) { Ok(()) } else { Err(LocalError::NotAName(name.chars().take(80).collect())) }
}

impl VaultEntries {
    /// Checks that there is room for one more name. INVARIANT: there are never more names than both bounds together, or the file could not
    /// be written.
    fn room(&self) -> Result<(), LocalError> {
        if self.0.len() < SECRETS_MAX + REVOKED_MAX { Ok(()) } else { Err(LocalError::FullOfRevoked) }
    }

    fn held(&self) -> usize {
        self.0.values().filter(|entry| entry.value.is_some()).count()
    }

    pub(super) fn set(&mut self, name: &str, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        named(name)?;
        let known = self.0.get(name);
        if known.is_some_and(|entry| entry.next.is_some()) {
            return Err(LocalError::Staged(name.to_owned()));
        }
        if known.is_none() {
            self.room()?;
        }
        if known.is_none_or(|entry| entry.value.is_none()) && self.held() >= SECRETS_MAX {
            return Err(LocalError::Full);
        }
        let version = known.map_or(0, |entry| entry.counted) + 1;
        let destinations = known.map_or_else(Vec::new, |entry| entry.destinations.clone());
        self.0
            .insert(name.to_owned(), VaultEntry { version, counted: version, set_at: now_s, value: Some(value), next: None, destinations });
        Ok(version)
    }

    pub(super) fn send_to(&mut self, name: &str, destinations: &[Destination]) -> Result<(), LocalError> {
        let bytes: usize = destinations.iter().map(|destination| destination.to_string().len() + 1).sum();
        if destinations.len() > DESTINATIONS_MAX || bytes > DESTINATIONS_BYTES_MAX {
            return Err(LocalError::Destinations);
        }
        let entry = self.0.get_mut(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        entry.destinations = destinations.to_vec();
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), LocalError> {
        self.0.remove(name).map(drop).ok_or_else(|| LocalError::Absent(name.to_owned()))
    }

    pub(super) fn replace(&mut self, name: &str, spent: &Secret, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        let entry = self.0.get(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        match &entry.value {
            None => Err(LocalError::Revoked(name.to_owned())),
            Some(present) if !present.is(spent) => Err(LocalError::Changed(name.to_owned())),
            Some(_) => self.set(name, value, now_s),
        }
    }

    pub(super) fn revoke(&mut self, name: &str) -> Result<(), LocalError> {
        named(name)?;
        if let Some(entry) = self.0.get_mut(name) {
            (entry.value, entry.next) = (None, None);
            return Ok(());
        }
        if self.0.len() - self.held() >= REVOKED_MAX {
            return Err(LocalError::FullOfRevoked);
        }
        self.room()?;
        self.0.insert(name.to_owned(), VaultEntry { version: 0, counted: 0, set_at: 0, value: None, next: None, destinations: Vec::new() });
        Ok(())
    }

    pub(super) fn restore(&mut self, name: &str) -> Result<(), LocalError> {
        let entry = self.0.get(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        match (&entry.value, entry.counted) {
            (Some(_), _) => Err(LocalError::NotRevoked(name.to_owned())),
            (None, 1..) => Err(LocalError::Revoked(name.to_owned())),
            (None, 0) => {
                self.0.remove(name);
                Ok(())
            }
        }
    }

    pub(crate) fn is_revoked(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|entry| entry.value.is_none())
    }

    /// The entry of a name that has a value.
    fn live(&mut self, name: &str) -> Result<&mut VaultEntry, LocalError> {
        let entry = self.0.get_mut(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        if entry.value.is_some() { Ok(entry) } else { Err(LocalError::Revoked(name.to_owned())) }
    }

    pub(crate) fn get(&self, name: &str) -> Result<StoredSecret, LocalError> {
        let entry = self.0.get(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        let secret = entry.value.clone().ok_or_else(|| LocalError::Revoked(name.to_owned()))?;
        Ok(StoredSecret { secret, version: entry.version, destinations: entry.destinations.clone() })
    }

    pub(super) fn stage(&mut self, name: &str, value: Secret) -> Result<u64, LocalError> {
        let entry = self.live(name)?;
        if entry.next.is_some() {
            return Err(LocalError::Staged(name.to_owned()));
        }
        entry.counted += 1;
        entry.next = Some(value);
        Ok(entry.counted)
    }

    pub(super) fn staged(mut self, name: &str) -> Result<(Secret, u64), LocalError> {
        let entry = self.live(name)?;
        let version = entry.counted;
        Ok((entry.next.take().ok_or_else(|| LocalError::NotStaged(name.to_owned()))?, version))
    }

    pub(super) fn promote(&mut self, name: &str, now_s: u64) -> Result<Secret, LocalError> {
        let entry = self.live(name)?;
        let next = entry.next.take().ok_or_else(|| LocalError::NotStaged(name.to_owned()))?;
        (entry.version, entry.set_at) = (entry.counted, now_s);
        entry.value.replace(next).ok_or_else(|| LocalError::Revoked(name.to_owned()))
    }

    pub(super) fn unstage(&mut self, name: &str) -> Result<(), LocalError> {
        self.live(name)?.next.take().map(drop).ok_or_else(|| LocalError::NotStaged(name.to_owned()))
    }

    /// Every value by name, including staged values, with its destinations. Private keys are left out: they never leave the host, only what
    /// is made with them does.
    pub(super) fn values(&self) -> Vec<Outstanding> {
        let both = |(name, entry): (&String, &VaultEntry)| {
            let hosts: Vec<HostPattern> = entry.destinations.iter().map(|destination| destination.host().clone()).collect();
            let values = [entry.value.clone(), entry.next.clone()].into_iter().flatten();
            let values = values.filter(|value| value.private_key().is_none());
            let outstanding = |secret| Outstanding { credential: name.clone(), hosts: hosts.clone(), until_s: None, secret };
            values.map(outstanding).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(both).collect()
    }

    pub(super) fn list(&self) -> Vec<Listed> {
        let listed = |(name, entry): (&String, &VaultEntry)| Listed {
            name: name.clone(),
            version: entry.version,
            set_at: entry.set_at,
            revoked: entry.value.is_none(),
            staged: entry.next.is_some(),
            weak: [&entry.value, &entry.next].into_iter().flatten().any(|value| value.strength_bits() < STRONG_BITS),
            destinations: entry.destinations.clone(),
        };
        self.0.iter().map(listed).collect()
    }

    /// Each field is preceded by its length. It is encoded here, because the strings of a library would stay in memory.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let bytes = |value: &Option<Secret>| value.as_ref().map_or(0, |value| value.expose().len());
        let fields = 7 * LENGTH_BYTES + 3 * size_of::<u64>();
        let texts: Vec<String> = self.0.values().map(|entry| written(&entry.destinations)).collect();
        let sizes = self
            .0
            .iter()
            .zip(&texts)
            .map(|((name, entry), text)| name.len() + bytes(&entry.value) + bytes(&entry.next) + text.len() + fields);
        let size = 3 * LENGTH_BYTES + FORM_3.len() + size_of::<u64>() + sizes.sum::<usize>();
        let mut to = Zeroizing::new(Vec::with_capacity(size));
        // Older forms never begin like this, because no name is empty.
        put(&mut to, &[]);
        put(&mut to, FORM_3);
        put(&mut to, &(self.0.len() as u64).to_be_bytes());
        for ((name, entry), text) in self.0.iter().zip(&texts) {
            put(&mut to, name.as_bytes());
            put(&mut to, &entry.version.to_be_bytes());
            put(&mut to, &entry.set_at.to_be_bytes());
            // A missing value is written as an empty field, which no secret has.
            put(&mut to, entry.value.as_ref().map_or(&[], Secret::expose));
            put(&mut to, &entry.counted.to_be_bytes());
            put(&mut to, entry.next.as_ref().map_or(&[], Secret::expose));
            put(&mut to, text.as_bytes());
        }
        to
    }

    /// Decodes what [`VaultEntries::encode`] wrote, or the form of older files without destinations. Values from those are sent nowhere
    /// until their destinations are set.
    pub(super) fn decode(mut rest: &[u8]) -> Option<Self> {
        let mut entries = BTreeMap::new();
        let mut count = None;
        let has_destinations = rest.starts_with(&[0; LENGTH_BYTES]);
        if has_destinations {
            take(&mut rest)?;
            (take(&mut rest)? == FORM_3).then_some(())?;
            count = Some(number(&mut rest)?);
        }
        while !rest.is_empty() {
            let (name, mut entry) = decode_first(&mut rest)?;
            entry.counted = number(&mut rest)?;
            entry.next = secret(&mut rest)?;
            if has_destinations {
                entry.destinations = read(take(&mut rest)?)?;
            }
            entries.insert(name, entry);
        }
        count.is_none_or(|count| count == entries.len() as u64).then_some(Self(entries))
    }

    /// Decodes a file of form 1, which has no staged values.
    pub(super) fn decode_form_1(mut rest: &[u8]) -> Option<Self> {
        let mut entries = BTreeMap::new();
        while !rest.is_empty() {
            let (name, entry) = decode_first(&mut rest)?;
            entries.insert(name, entry);
        }
        Some(Self(entries))
    }
}

const LENGTH_BYTES: usize = 4;
/// The text before the entries of this form.
const FORM_3: &[u8] = b"3";

/// The destinations, one per line.
fn written(destinations: &[Destination]) -> String {
    destinations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn read(text: &[u8]) -> Option<Vec<Destination>> {
    str::from_utf8(text).ok()?.lines().map(|line| line.parse().ok()).collect()
}

pub(super) fn put(to: &mut Vec<u8>, field: &[u8]) {
    to.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(field);
}

/// Decodes the fields that both forms have.
fn decode_first(rest: &mut &[u8]) -> Option<(String, VaultEntry)> {
    let name = String::from_utf8(take(rest)?.to_vec()).ok()?;
    let version = number(rest)?;
    Some((
        name,
        VaultEntry { version, counted: version, set_at: number(rest)?, value: secret(rest)?, next: None, destinations: Vec::new() },
    ))
}

pub(super) fn number(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(take(rest)?.try_into().ok()?))
}

/// The outer `None` is an error in the file. The inner one means that there is no value.
#[expect(clippy::option_option, reason = "the fault is passed on with `?` at once")]
fn secret(rest: &mut &[u8]) -> Option<Option<Secret>> {
    match take(rest)? {
        [] => Some(None),
        value => Some(Some(Secret::new(value.to_vec()).ok()?)),
    }
}

pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(LENGTH_BYTES)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (field, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_revoked_name_takes_no_secret_its_room_and_a_secret_can_be_revoked_when_there_is_none() {
        let mut entries = VaultEntries::default();
        (0..SECRETS_MAX).for_each(|at| assert_eq!(entries.set(&format!("s{at}"), secret("some-value"), 1).unwrap(), 1));
        assert!(matches!(entries.set("one-more", secret("some-value"), 1), Err(LocalError::Full)));

        let mut entries = VaultEntries::default();
        (0..REVOKED_MAX).for_each(|at| entries.revoke(&format!("r{at}")).unwrap());
        assert!(matches!(entries.revoke("one-more"), Err(LocalError::FullOfRevoked)));
        (0..SECRETS_MAX).for_each(|at| assert_eq!(entries.set(&format!("s{at}"), secret("some-value"), 1).unwrap(), 1));
        entries.revoke("r0").unwrap();
        entries.revoke("s0").unwrap();
        assert!(entries.is_revoked("s0"), "a revocation never fails for lack of room");
        assert_eq!(entries.set("s0", secret("other-value"), 2).unwrap(), 2);
        assert!(
            matches!(entries.set("r0", secret("some-value"), 1), Err(LocalError::Full)),
            "a revoked name does not get around the bound"
        );
        entries.revoke("s1").unwrap();
        assert!(matches!(entries.set("one-more", secret("some-value"), 1), Err(LocalError::FullOfRevoked)));
        entries.restore("r1").unwrap();
        assert_eq!(entries.set("one-more", secret("some-value"), 1).unwrap(), 1);
    }

    #[test]
    fn the_largest_vault_fits_into_its_file() {
        let mut entries = VaultEntries::default();
        for at in 0..SECRETS_MAX {
            let name = format!("{}{at:04}", "s".repeat(60));
            let value = || Secret::new(vec![b'x'; crate::VALUE_BYTES_MAX]).unwrap();
            entries.set(&name, value(), u64::MAX).unwrap();
            entries.stage(&name, value()).unwrap();
            let places: Vec<Destination> =
                (0..DESTINATIONS_MAX).map(|n| format!("https://a{n:02}.test/{}", "p".repeat(40)).parse().unwrap()).collect();
            entries.send_to(&name, &places).unwrap();
        }
        (0..REVOKED_MAX).for_each(|at| entries.revoke(&format!("{}{at:04}", "r".repeat(60))).unwrap());
        assert_eq!(entries.0.len(), SECRETS_MAX + REVOKED_MAX);
        let encoded = entries.encode();
        assert_eq!(encoded.capacity(), encoded.len(), "the buffer never grew, so no copy stayed behind");
        assert!((encoded.len() as u64) < super::super::FILE_BYTES_MAX - 1024, "{}", encoded.len());
    }

    #[test]
    fn a_value_of_a_form_without_destinations_goes_nowhere() {
        let mut entries = VaultEntries::default();
        entries.set("a", secret("first-value"), 7).unwrap();
        entries.send_to("a", &["https://a.test".parse().unwrap()]).unwrap();
        let whole = entries.encode();
        // The older form: without the prefix before the entries, and without the last field of the one entry.
        let before = &whole[3 * LENGTH_BYTES + FORM_3.len() + size_of::<u64>()..whole.len() - LENGTH_BYTES - "https://a.test".len()];
        let old = VaultEntries::decode(before).unwrap().get("a").unwrap();
        assert_eq!((old.secret.expose(), old.destinations), (&b"first-value"[..], Vec::new()));
    }

    #[test]
    fn destinations_stay_with_a_name_until_it_is_removed_and_are_bounded() {
        let places = |count: usize| -> Vec<Destination> { (0..count).map(|n| format!("https://a{n}.test").parse().unwrap()).collect() };
        let mut entries = VaultEntries::default();
        assert!(matches!(entries.send_to("a", &places(1)), Err(LocalError::Absent(_))));
        entries.set("a", secret("first-value"), 7).unwrap();
        entries.send_to("a", &places(2)).unwrap();
        entries.set("a", secret("second-value"), 8).unwrap();
        entries.revoke("a").unwrap();
        entries.set("a", secret("third-value"), 9).unwrap();
        assert_eq!(entries.0["a"].destinations, places(2));
        assert!(matches!(entries.send_to("a", &places(DESTINATIONS_MAX + 1)), Err(LocalError::Destinations)));
        let long: Vec<Destination> = (0..3).map(|n| format!("https://a{n}.test/{}", "p".repeat(900)).parse().unwrap()).collect();
        assert!(matches!(entries.send_to("a", &long), Err(LocalError::Destinations)));
        entries.remove("a").unwrap();
        assert!(matches!(entries.remove("a"), Err(LocalError::Absent(_))));
        assert_eq!(entries.set("a", secret("first-value"), 7).unwrap(), 1);
        assert!(entries.0["a"].destinations.is_empty());
    }

    #[test]
    fn what_is_cut_short_is_no_vault() {
        let mut entries = VaultEntries::default();
        entries.set("a", secret("first-value"), 7).unwrap();
        entries.stage("a", secret("second-value")).unwrap();
        entries.send_to("a", &["https://a.test".parse().unwrap()]).unwrap();
        let whole = entries.encode();
        assert_eq!(VaultEntries::decode(&whole).unwrap().staged("a").unwrap().1, 2);
        assert_eq!(VaultEntries::decode(&whole).unwrap().get("a").unwrap().destinations.len(), 1);
        assert!((1..whole.len()).all(|end| VaultEntries::decode(&whole[..end]).is_none()));
    }
}

//! The annotations of a policy.

use cedar_policy::{Effect, Policy};
use vocabulary::{SafeText, is_name};

/// BOUND: bytes of a text in an annotation.
const TEXT_BYTES_MAX: usize = 500;
/// How long people may take to decide if the policy does not say.
const DECIDE_WITHIN_S: u64 = 24 * 3600;
/// How long an approval may be used if the policy does not say.
const USE_WITHIN_S: u64 = 3600;
/// BOUND: of both times.
const WITHIN_S_MAX: u64 = 30 * 24 * 3600;
/// BOUND: how many people one policy may ask for.
const QUORUM_MAX: u32 = 100;

/// The annotations that a policy may have.
const KNOWN: &str = "@id, @why, @tell, @approval, @quorum, @decide_within, @use_within";

/// What the annotations of a policy say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) why: SafeText,
    /// Who can approve what the policy forbids. `None` if nobody can.
    pub(super) approval: Option<Approval>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Approval {
    pub(super) group: String,
    pub(super) quorum: u32,
    pub(super) decide_within_s: u64,
    pub(super) use_within_s: u64,
}

impl Notes {
    /// Reads the annotations.
    ///
    /// # Errors
    /// Everything that is wrong with them, in words.
    pub(super) fn read(policy: &Policy) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let (mut why, mut group, mut quorum, mut decide, mut used) = (SafeText::default(), None, None, None, None);
        for (key, value) in policy.annotations() {
            let mut keep = |read: Result<(), String>| faults.extend(read.err());
            match key {
                // The id was read before.
                "id" => {}
                "why" => keep(line(key, value).map(|text| why = text)),
                "tell" => keep(Err("`@tell` is not part of this version".to_owned())),
                "approval" if is_name(value) => group = Some(value.to_owned()),
                "approval" => keep(Err(format!("`@approval(\"{}\")` is not the name of a group", SafeText::new(value, 64)))),
                "quorum" => keep(count(value).map(|number| quorum = Some(number))),
                "decide_within" => keep(within(key, value).map(|seconds| decide = Some(seconds))),
                "use_within" => keep(within(key, value).map(|seconds| used = Some(seconds))),
                other => keep(Err(format!("`@{}` is not an annotation here; they are {KNOWN}", SafeText::new(other, 64)))),
            }
        }
        if group.is_none() && (quorum.is_some() || decide.is_some() || used.is_some()) {
            faults.push("`@quorum`, `@decide_within` and `@use_within` belong to an `@approval`, which is missing".to_owned());
        }
        if group.is_some() && policy.effect() == Effect::Permit {
            faults.push("`@approval` belongs to a `forbid`: it says who may lift it".to_owned());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let approval = group.map(|group| Approval {
            group,
            quorum: quorum.unwrap_or(1),
            decide_within_s: decide.unwrap_or(DECIDE_WITHIN_S),
            use_within_s: used.unwrap_or(USE_WITHIN_S),
        });
        Ok(Self { why, approval })
    }
}

fn line(key: &str, value: &str) -> Result<SafeText, String> {
    let text = SafeText::new(value, TEXT_BYTES_MAX);
    if !value.is_empty() && text.as_str() == value {
        Ok(text)
    } else {
        Err(format!("`@{key}` must be one line of at most {TEXT_BYTES_MAX} bytes, without control or invisible characters"))
    }
}

fn is_plain_number(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn count(value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| is_plain_number(value) && *number <= QUORUM_MAX);
    number.ok_or_else(|| format!("`@quorum(\"{}\")` must be a number from 1 to {QUORUM_MAX}", SafeText::new(value, 64)))
}

fn within(key: &str, value: &str) -> Result<u64, String> {
    let bad = || format!("`@{key}(\"{}\")` must be a time of at most 30 days: `30s`, `15m`, `4h` or `2d`", SafeText::new(value, 64));
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let (digits, unit) = units.iter().find_map(|(unit, seconds)| Some((value.strip_suffix(unit)?, *seconds))).ok_or_else(bad)?;
    let number = digits.parse::<u64>().ok().filter(|_| is_plain_number(digits)).ok_or_else(bad)?;
    number.checked_mul(unit).filter(|seconds| *seconds <= WITHIN_S_MAX).ok_or_else(bad)
}

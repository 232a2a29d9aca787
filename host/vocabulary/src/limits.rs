//! Every limit of a run, with name, default and reason, in the one table from which configuration and documentation are made.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::err::ParseError;

/// How a limit is written and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `64MiB`, `8KiB`, or a plain number of bytes.
    Bytes,
    /// `120s`, `500ms`, `5m`.
    Duration,
    /// A plain number.
    Count,
}

/// One row of the table of limits.
#[derive(Clone, Copy, Debug)]
pub struct LimitRow {
    /// The name in the configuration, and in the outcome of a run that reached it.
    pub name: &'static str,
    /// How its values are written.
    pub unit: Unit,
    /// The value if nothing is configured: bytes, milliseconds or a count.
    pub default: u64,
    /// The largest value that is accepted.
    pub max: u64,
    /// The reason for this limit and its default.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($field:ident $name:literal $limit:ident $unit:ident $default:expr, $max:expr, $reason:literal;)+) => {
        /// The limits of one run, resolved. The end of a field's name shows its unit: bytes, milliseconds or a count.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Limits {
            $(#[doc = $reason] pub $field: u64,)+
        }

        /// The limits by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Limit {
            $(#[doc = $reason] #[serde(rename = $name)] $limit,)+
        }

        impl Limit {
            /// The name in the configuration, and on the record of a run that reached it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$limit => $name,)+
                }
            }
        }

        /// The table of all limits.
        pub const LIMITS: &[LimitRow] = &[$(LimitRow { name: $name, unit: Unit::$unit, default: $default, max: $max, reason: $reason },)+];

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Limits {
            /// The value of one limit, in bytes, milliseconds or as a count.
            pub const fn get(&self, limit: Limit) -> u64 {
                match limit {
                    $(Limit::$limit => self.$field,)+
                }
            }

            /// The limits that differ from their default, in bytes, milliseconds or as a count.
            pub fn changed(&self) -> BTreeMap<Limit, u64> {
                let usual = Self::default();
                let all = [$((Limit::$limit, self.$field, usual.$field),)+];
                all.into_iter().filter(|(_, mine, usual)| mine != usual).map(|(limit, mine, _)| (limit, mine)).collect()
            }

            fn slot(&mut self, name: &str) -> Option<(&mut u64, &'static LimitRow)> {
                let row = LIMITS.iter().find(|row| row.name == name)?;
                match name {
                    $($name => Some((&mut self.$field, row)),)+
                    _ => None,
                }
            }
        }
    };
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

limits! {
    // The order is alphabetical, because the struct is written to the record in this order.
    active_timeout_ms "active-timeout" ActiveTimeout Duration 120_000, 86_400_000, "A scan of a large tree takes minutes; a guest that hangs should not take longer. Counts while the guest computes and while it waits inside a host call; not while the run is suspended or rebuilt.";
    asks "asks" Asks Count 100_000, 10_000_000, "Each ask is a durable record that other runs wait for; nobody reads the record of a run that asks more often.";
    compile_memory_bytes "compile-memory" CompileMemory Bytes 8 * GIB, 64 * GIB, "Address space of the process that compiles the component; never more than the machine has free, nor than a component of its size can need.";
    concurrent "concurrent" Concurrent Count 16, 1024, "Requests under way at once: enough to keep a server busy, too few to flood one.";
    files_open "files-open" FilesOpen Count 256, 4096, "Descriptors of the host that one run may hold; the usual soft limit of a process is 1,024.";
    findings "findings" Findings Count 10_000, 1_000_000, "Nobody reads more findings.";
    handles "handles" Handles Count 4096, 100_000, "Live component handles and table entries: each costs the host some 100 bytes (CVE-2026-27204).";
    header_bytes "header-bytes" HeaderBytes Bytes 32 * KIB, MIB, "Header fields of one request or response; common servers accept 8 to 16 KiB.";
    held_bytes "held-bytes" HeldBytes Bytes 64 * MIB, GIB, "What the host holds for one run at a time, in all: request bodies until they are answered, unread answers, header fields, listings.";
    hostcall_bytes "hostcall-bytes" HostcallBytes Bytes 4 * MIB, 64 * MIB, "What a guest may pass in one call; the host copies it before it can check it.";
    input_bytes "input-bytes" InputBytes Bytes 8 * MIB, 16 * MIB, "Input is copied into the guest and kept with the run.";
    instances "instances" Instances Count 64, 128, "Core instances in one component; a componentize-py component has 14.";
    listing_entries "listing-entries" ListingEntries Count 100_000, 1_000_000, "Names in one directory, held in memory to be sorted.";
    log_bytes "log-bytes" LogBytes Bytes 4 * MIB, 256 * MIB, "What a guest may print and claim, all of which is kept.";
    memory_bytes "memory" Memory Bytes 64 * MIB, 4 * GIB, "Linear memory of all instances together; a Python component starts with 12 MiB.";
    output_bytes "output-bytes" OutputBytes Bytes 8 * MIB, 16 * MIB, "Output is copied out of the guest and kept with the run.";
    payload_bytes "payload-bytes" PayloadBytes Bytes 64 * MIB, GIB, "What is kept so that the run can be resumed; beyond it the run continues, but can't be resumed.";
    random_bytes "random-bytes" RandomBytes Bytes 64 * KIB, MIB, "Random bytes in one call, made on the calling thread (CVE-2026-27204).";
    record_bytes "record-bytes" RecordBytes Bytes 256 * MIB, 16 * GIB, "What one run may add to the log, with what is kept sealed beside it, so that no run fills the disk on which the others record.";
    request_bytes "request-bytes" RequestBytes Bytes 8 * MIB, 64 * MIB, "One request body, held until it is finished and judged.";
    response_bytes "response-bytes" ResponseBytes Bytes 8 * MIB, GIB, "One response body; it is streamed, so this bounds what a run may receive, and not memory.";
    stack_bytes "stack" Stack Bytes 512 * KIB, MIB, "The guest's call stack: wasmtime's own default, with 1 MiB and more left for the host's part of it.";
    table_elements "tables" Tables Count 20_000, 1_000_000, "Elements of all tables together; a JavaScript component has 7,691.";
    value_hits "value-hits" ValueHits Count 8, 1000, "For each credential, requests of the guest and answers from hosts to which it may not go that contained its value; a guest that guesses values learns no more than this.";
}

impl Limits {
    /// Sets a limit by its configured name.
    ///
    /// # Errors
    /// An unknown name, a value of another form, zero, or a value above the row's `max`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParseError> {
        let names = || format!("one of {}", LIMITS.iter().map(|row| row.name).collect::<Vec<_>>().join(", "));
        let (slot, row) = self.slot(name).ok_or_else(|| ParseError::new("a limit", name, names()))?;
        *slot = row.parse(value)?;
        Ok(())
    }
}

impl LimitRow {
    fn parse(&self, text: &str) -> Result<u64, ParseError> {
        let (form, units): (_, &[(&str, u64)]) = match self.unit {
            Unit::Bytes => ("a number of bytes, or one with KiB, MiB, GiB", &[("KiB", KIB), ("MiB", MIB), ("GiB", GIB), ("", 1)]),
            Unit::Duration => ("a number with ms, s or m", &[("ms", 1), ("s", 1000), ("m", 60_000)]),
            Unit::Count => ("a plain number", &[("", 1)]),
        };
        let bad = || ParseError::new("a value for this limit", text, format!("{form}: more than 0, and {} at most", self.show(self.max)));
        let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).ok_or_else(bad)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let value = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(bad)?;
        if value == 0 || value > self.max { Err(bad()) } else { Ok(value) }
    }

    /// A value of this limit as people write it.
    pub fn show(&self, value: u64) -> String {
        match self.unit {
            Unit::Bytes if value >= GIB && value.is_multiple_of(GIB) => format!("{}GiB", value / GIB),
            Unit::Bytes if value >= MIB && value.is_multiple_of(MIB) => format!("{}MiB", value / MIB),
            Unit::Bytes if value >= KIB && value.is_multiple_of(KIB) => format!("{}KiB", value / KIB),
            Unit::Duration if value.is_multiple_of(1000) => format!("{}s", value / 1000),
            Unit::Duration => format!("{value}ms"),
            Unit::Bytes | Unit::Count => value.to_string(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{LIMITS, Limits};

    #[test]
    fn each_row_can_be_set_and_reads_back_as_written() {
        let mut limits = Limits::default();
        for row in LIMITS {
            limits.set(row.name, &row.show(row.default)).unwrap();
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn impossible_values_and_unknown_names_are_refused() {
        let mut limits = Limits::default();
        for (name, value) in [
            ("memory", "0"),
            ("memory", "64MB"),
            ("memory", "5GiB"),
            ("memory", "-1"),
            ("memory", "99999999999999999999"),
            ("active-timeout", "3"),
            ("asks", "1KiB"),
            ("memroy", "1MiB"),
        ] {
            assert!(limits.set(name, value).is_err(), "{name} {value}");
        }
        let told = |name: &str, value: &str| limits.clone().set(name, value).unwrap_err().to_string();
        assert!(told("memory", "9TiB").contains("more than 0, and 4GiB at most"), "{}", told("memory", "9TiB"));
        assert!(told("memroy", "1MiB").contains("one of active-timeout, ") && told("memroy", "1MiB").contains(" memory, "));
        limits.set("active-timeout", "2m").unwrap();
        assert_eq!(limits.active_timeout_ms, 120_000);
    }

    #[test]
    fn the_table_is_in_the_order_of_the_record() {
        assert!(crate::canon::is_canonical(&crate::canon::to_vec(&Limits::default())));
    }
}

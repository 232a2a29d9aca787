//! The one test binary for tests that cross rooms.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it saw"
)]

mod absence;
mod admission;
mod approvals;
mod at_once;
mod audit;
mod authoring;
mod backups;
mod building;
mod causes;
mod changed;
mod child;
mod circles;
mod claims;
mod clocks;
mod control;
mod copies;
mod counted;
mod crash;
mod credentials;
mod damaged;
mod day_one;
mod demo;
mod destinations;
mod ended;
mod ending;
mod entered;
mod evidence;
mod examples;
mod exchanged;
mod exchanges;
mod exposure;
mod fair;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod faults;
mod files;
mod forms;
mod gaps;
mod golden;
mod guesses;
mod guests_have_tests;
mod hello;
mod holders;
mod holes;
mod home_doctor;
mod homes;
mod ignored;
mod imitation;
mod keys;
mod kinds;
mod leases;
mod leftovers;
mod limits;
mod limits_table;
mod meaning;
mod mounts;
mod moved;
mod named_runs;
mod network;
mod noted;
mod operations;
mod outstanding;
mod parts;
mod placeholders;
mod policies;
mod principals;
mod private;
mod prune;
mod put_back;
mod python_sdk;
mod readme;
mod reference;
mod replay;
mod review;
mod rights;
mod rotating;
mod rotation;
mod rotation_at_rabbitmq;
mod sealed_keys;
mod sent;
mod servers;
mod settling;
mod signed;
mod sockets;
mod ssrf;
mod starred;
mod status;
mod suspended;
mod terminals;
mod tidy;
mod told;
mod touched;
mod trial;
mod troubles;
mod trust;
mod turns;
mod unit_file;
mod unmounted;
mod unopened;
mod verbs;
mod waiting;
mod washed;

//! `credentials review`: faults of credentials, according to the configuration, the vault and the record.

use ::run::HomePlace;
use package::review::{KnownCredential, ReviewFacts, ReviewFault, faults};
use vault::Local;

use super::list;
use crate::err::CliError;
use crate::verb::ConfigArg;
use crate::{out, words};
use service::{Configured, now_s};

pub(super) fn review(place: &HomePlace, vault: &Local, config: &ConfigArg, json: bool) -> Result<(), CliError> {
    let configured = Configured::load(config.config.as_deref(), place)?;
    let (mut known, uses) = (std::collections::BTreeMap::<String, KnownCredential>::new(), list::uses(place)?);
    for listed in vault.list()? {
        let value = known.entry(listed.name).or_default();
        (value.set_at_s, value.revoked, value.weak) = (Some(listed.set_at), listed.revoked, listed.weak);
    }
    for (name, used) in uses {
        let known = known.entry(name).or_default();
        (known.last_used_s, known.met) = (used.last_ms.map(|ms| ms / 1000), used.met);
    }
    let alike = vault.alike()?;
    let faults = faults(&configured.resolved, &ReviewFacts { alike, known, now_s: now_s() });
    if json {
        return Ok(out::json(&faults)?);
    }
    let head = ["RISK", "FAULT", "CREDENTIAL", "WHY"].map(str::to_owned).to_vec();
    let row = |fault: &ReviewFault| {
        let risk = format!("{} {}", fault.nhi, fault.risk);
        vec![risk, fault.code.to_owned(), words::safe(&fault.credential), words::safe(&fault.why)]
    };
    let table: Vec<Vec<String>> = std::iter::once(head).chain(faults.iter().map(row)).collect();
    if faults.is_empty() {
        out::words("no fault was found in the credentials");
        return Ok(());
    }
    words::table(&table).iter().try_for_each(|line| out::line(line))?;
    Ok(())
}

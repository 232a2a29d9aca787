//! Runs as a caller requests them: a configuration that is trusted in a home, an agent of it, and its arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use package::TrustStatement;
use run::{HomePlace, Running};
use service::{Admitted, Call, Configured, HostHandle, Obtained, TrustWord};
use vocabulary::Grants;

/// Writes a configuration with one agent into a folder, followed by the text `more`.
///
/// # Panics
/// If the folder can't be written.
pub fn written(folder: &Path, (name, component): (&str, &Path), grants: &Grants, more: &str) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder can be made");
    let file = folder.join("bailiwick.toml");
    std::fs::write(&file, format!("{}{more}", crate::program::config(name, component, grants))).expect("it can be written");
    file
}

/// Trusts a configuration in a home.
///
/// # Panics
/// If the configuration can't be used.
pub fn trust(place: &HomePlace, file: &Path) {
    let configured = Configured::load(Some(file), place).expect("it is a configuration");
    let names: Vec<&str> = configured.resolved.agents.keys().map(String::as_str).collect();
    let components = configured.components(place, &names);
    let said = TrustStatement { when_s: 1, by: "a test" };
    package::trust::trust(&place.home, &configured.authored, &configured.whole, components, said, &|_, _| Ok(()))
        .expect("the list can be written");
}

/// An agent of a trusted configuration, ready to be started by the host in this process or in another one.
///
/// # Panics
/// If it is not admitted.
pub fn admitted(place: &HomePlace, file: &Path, name: &str, args: &[&str]) -> Admitted {
    let configured = Configured::load(Some(file), place).expect("it is a configuration");
    let trusted = configured.proof(place, TrustWord::SaidBefore, BTreeMap::new()).expect("it is trusted").trusted;
    let package::ComponentSource::File(component) = &configured.agent(name).expect("it is there").component else {
        panic!("it is not built here")
    };
    let obtained = Obtained::read(place, component).expect("it is a component");
    obtained.keep(place).expect("the home can be written");
    let input = if obtained.is_agent() { "{}".to_owned() } else { String::new() };
    let call = Call { args: args.iter().map(|arg| (*arg).to_owned()).collect(), input, ..Call::default() };
    service::admit(place, &configured, &trusted, (name, &obtained), call).expect("it is admitted")
}

/// Starts the run with the host that was found.
///
/// # Panics
/// If it does not start.
pub async fn start(host: &HostHandle, run: &Admitted) -> Running {
    host.start(run).await.expect("the run starts").gone_ahead()
}

//! `[network]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use effect::ParseError;

use super::{Network, Place};
use crate::authored::{Value, WrongError, path_fault};

/// BOUND: name servers, and files of roots.
const LIST_MAX: usize = 16;

pub(super) fn resolve(value: &Value<'_>, place: &Place<'_>) -> Result<Network, WrongError> {
    let table = value.table(8)?;
    table.only(&["resolvers", "roots"], &[])?;
    let some = |key: &str| table.get(key).map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX));
    Ok(Network {
        resolvers: some("resolvers")?.iter().map(resolver).collect::<Result<_, _>>()?,
        roots: some("roots")?.iter().map(|item| root(item, place)).collect::<Result<_, _>>()?,
    })
}

fn resolver(item: &Value<'_>) -> Result<SocketAddr, WrongError> {
    let text = item.text(64)?;
    let address = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0 && !address.ip().is_unspecified());
    address.ok_or_else(|| item.wrong(ParseError::new("an address of a name server", text, "an address and a port: 127.0.0.1:53").into()))
}

fn root(item: &Value<'_>, place: &Place<'_>) -> Result<PathBuf, WrongError> {
    let path = place.folder.join(item.text(4096)?);
    let fault = |why| item.wrong(path_fault(path.display(), why));
    let real = path.canonicalize().map_err(|_| fault("is not there, or can't be reached"))?;
    if real.is_file() { Ok(real) } else { Err(fault("is not a file")) }
}

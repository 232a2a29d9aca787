//! The `[network]` table.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use vocabulary::{Digest, ParseError};

use super::{ConfigPlace, NetworkSection};
use crate::authored::{ConfigValue, WrongError, path_fault};
use crate::file::{self, FileError};

/// BOUND: name servers, and files of certificates.
const LIST_MAX: usize = 16;
/// BOUND: bytes of a file of certificates. All public roots together have 250 KiB.
const ROOTS_BYTES_MAX: u64 = 4 << 20;

/// A file of certificates. TLS trusts exactly these bytes, which the operator trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The bytes of the file, in PEM.
    pub bytes: Vec<u8>,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// The path of the file, without links.
    pub path: PathBuf,
}

pub(super) fn resolve(value: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<NetworkSection, WrongError> {
    let table = value.table(8)?;
    table.only(&["resolvers", "roots"], &[])?;
    let some = |key: &str| table.get(key).map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX));
    // The order means nothing and each file counts once, because the roots that TLS trusts are a set.
    let mut roots: Vec<Root> = some("roots")?.iter().map(|item| root(item, place)).collect::<Result<_, _>>()?;
    roots.sort_by(|one, other| one.path.cmp(&other.path));
    roots.dedup_by(|one, other| one.path == other.path);
    Ok(NetworkSection { resolvers: some("resolvers")?.iter().map(resolver).collect::<Result<_, _>>()?, roots })
}

fn resolver(item: &ConfigValue<'_>) -> Result<SocketAddr, WrongError> {
    let text = item.text(64)?;
    let address = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0 && !address.ip().is_unspecified());
    address.ok_or_else(|| item.wrong(ParseError::new("an address of a name server", text, "an address and a port: 127.0.0.1:53").into()))
}

fn root(item: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<Root, WrongError> {
    let text = Path::new(item.text(4096)?);
    let written = place.folder.join(text);
    let fault = |why| item.wrong(path_fault(written.display(), why));
    let path = written.canonicalize().map_err(|_| fault("is not there, or can't be reached"))?;
    let bytes = file::read(&path, ROOTS_BYTES_MAX).map_err(|err| match err {
        FileError::NotRegular(_) => fault("is not a file"),
        FileError::TooLarge { .. } => fault("has more than 4 MiB, which is too large for a file of certificates"),
        FileError::Io { .. } => fault("can't be read"),
    })?;
    place.note(text, &path);
    Ok(Root { digest: Digest::of(&bytes), bytes, path })
}

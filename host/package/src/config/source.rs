//! Where the value of a credential comes from.

use std::path::{Path, PathBuf};

use vocabulary::{HttpTarget, ParseError, PinnedFile, Source, VaultLogin, VaultServer, VaultSource};

use super::{ConfigPlace, real, scope};
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError, path_fault};
use crate::file;

/// BOUND: bytes of a source.
const LINE_BYTES_MAX: usize = 1024;
/// BOUND: bytes of a program that prints a value.
const PROGRAM_BYTES_MAX: u64 = 256 << 20;
/// BOUND: arguments of a command.
const ARGUMENTS_MAX: usize = 64;
const FORMS: &str = "`local`, `env:NAME`, `file:PATH`, `keyring:NAME`, `vault:PATH#FIELD` or `exec:PROGRAM`, or a list with `exec:PROGRAM` and its arguments";

pub(super) fn resolve(
    value: &ConfigValue<'_>,
    place: &ConfigPlace<'_>,
    known: &scope::KnownEnvironments<'_>,
) -> Result<Source, WrongError> {
    if let Ok(items) = value.items(ARGUMENTS_MAX) {
        return exec(value, &items);
    }
    let text = value.line(LINE_BYTES_MAX)?;
    let bad = || value.wrong(ParseError::new("a source", &text, FORMS).into());
    match text.split_once(':') {
        None if text == "local" => Ok(Source::Local),
        Some(("env", name)) if is_variable(name) => Ok(Source::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(Source::File(secret_file(value, path, place)?)),
        Some(("keyring", name)) if !name.is_empty() => Ok(Source::Keyring(name.to_owned())),
        Some(("exec", program)) if program.starts_with('/') => Ok(Source::Exec(vec![program.to_owned()])),
        Some(("exec", _)) => Err(value.wrong(ConfigFault::Impossible("needs the absolute path of its program"))),
        Some(("vault", at)) => {
            let (path, field) = at.split_once('#').filter(|(path, field)| is_vault_path(path) && !field.is_empty()).ok_or_else(bad)?;
            let server = known
                .vault
                .cloned()
                .ok_or_else(|| value.wrong(ConfigFault::Impossible("needs `[vault]` with the address of the server")))?;
            Ok(Source::Vault(Box::new(VaultSource { server, path: path.to_owned(), field: field.to_owned() })))
        }
        _ => Err(bad()),
    }
}

/// The program by its absolute path, so that `PATH` can't decide which program is started.
fn exec(value: &ConfigValue<'_>, items: &[ConfigValue<'_>]) -> Result<Source, WrongError> {
    let mut words: Vec<String> = items.iter().map(|item| item.line(LINE_BYTES_MAX)).collect::<Result<_, _>>()?;
    let program = words.first_mut().and_then(|first| first.strip_prefix("exec:").filter(|path| path.starts_with('/')).map(str::to_owned));
    let Some(program) = program else {
        return Err(value.wrong(ConfigFault::Impossible("must begin with `exec:` and the absolute path of a program")));
    };
    Ok(Source::Exec(std::iter::once(program).chain(words.into_iter().skip(1)).collect()))
}

/// The path to which the file with a value leads now. This path is shown and trusted, and is opened without following links.
fn secret_file(value: &ConfigValue<'_>, path: &str, place: &ConfigPlace<'_>) -> Result<PathBuf, WrongError> {
    let written = place.folder.join(path);
    let real = real::of_secret(&written).map_err(|_| value.wrong(path_fault(written.display(), "can't be reached")))?;
    place.note(Path::new(path), &real);
    Ok(real)
}

/// The files that make up a program which prints a value: the program, and each of its arguments that is a file beside the configuration.
///
/// SECURITY: trust covers the bytes that these files have now. A script beside the configuration changes with the checkout, as the
/// configuration does.
pub(super) fn pinned(source: &Source, place: &ConfigPlace<'_>) -> Result<Vec<PinnedFile>, file::FileError> {
    let Source::Exec(words) = source else { return Ok(Vec::new()) };
    let mut words = words.iter().map(Path::new);
    let pin = |path: &Path| {
        let pinned = pin(path, place)?;
        place.note(path, &pinned.path);
        Ok(pinned)
    };
    let program = words.next().map(pin).transpose()?;
    let of_checkout = |path: &PathBuf| path.starts_with(place.folder) && path.is_file();
    let arguments = words.filter(|word| word.is_absolute()).map(real::real_or_future).filter(|path| path.as_ref().is_ok_and(of_checkout));
    let arguments = arguments.map(|path| pin(&path?));
    program.map(Ok).into_iter().chain(arguments).collect()
}

fn pin(path: &Path, place: &ConfigPlace<'_>) -> Result<PinnedFile, file::FileError> {
    let path = real::real_or_future(path)?;
    let left = place.program_bytes_left.get();
    match file::digest(&path, PROGRAM_BYTES_MAX.min(left)) {
        Ok((digest, read)) => {
            place.program_bytes_left.set(left.saturating_sub(read));
            Ok(PinnedFile { digest: Some(digest), path })
        }
        Err(err) if err.is_absence() => Ok(PinnedFile { digest: None, path }),
        Err(err) => Err(err),
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the path is written in its normal form.
fn is_vault_path(path: &str) -> bool {
    !path.is_empty()
        && HttpTarget::parse(vocabulary::Scheme::Https, "host.test", &format!("/v1/{path}")).is_ok_and(|target| target.query.is_none())
}

/// The `[vault]` table: the one server of HashiCorp Vault or OpenBao that sources refer to.
pub(super) fn vault(value: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<VaultServer, WrongError> {
    let table = value.table(8)?;
    table.only(&["address", "addresses", "namespace", "token-file", "approle", "kubernetes"], &[])?;
    let address_value = table.required("address")?;
    let address: HttpTarget = address_value.parse()?;
    if address.path != "/" || address.query.is_some() {
        return Err(address_value.wrong(ConfigFault::Impossible("must have no path")));
    }
    let addresses = table.get("addresses").map_or(Ok(Vec::new()), |list| super::http::networks(&list))?;
    if let Some(problem) = policy::grants::problems_of(&addresses, &address.host).into_iter().next() {
        return Err(address_value.wrong(problem.into()));
    }
    let namespace = table.get("namespace").map(|value| value.line(LINE_BYTES_MAX)).transpose()?;
    Ok(VaultServer { address, addresses, login: login(value, &table, place)?, namespace })
}

fn login(value: &ConfigValue<'_>, table: &Table<'_>, place: &ConfigPlace<'_>) -> Result<VaultLogin, WrongError> {
    let file = |value: &ConfigValue<'_>| secret_file(value, &value.line(LINE_BYTES_MAX)?, place);
    let role = |value: ConfigValue<'_>| -> Result<(String, PathBuf), WrongError> {
        let table = value.table(4)?;
        table.only(&["role", "file"], &[])?;
        Ok((table.required("role")?.line(LINE_BYTES_MAX)?, file(&table.required("file")?)?))
    };
    match (table.get("token-file"), table.get("approle"), table.get("kubernetes")) {
        (Some(token), None, None) => Ok(VaultLogin::Token { file: file(&token)? }),
        (None, Some(approle), None) => role(approle).map(|(role, file)| VaultLogin::Approle { role, file }),
        (None, None, Some(kubernetes)) => role(kubernetes).map(|(role, file)| VaultLogin::Kubernetes { role, file }),
        _ => Err(value.wrong(ConfigFault::Impossible("needs one of `token-file`, `approle` and `kubernetes`"))),
    }
}

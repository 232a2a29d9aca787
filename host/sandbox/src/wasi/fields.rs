//! `wasi:http/types.fields`: header fields. They are bounded and well formed, and otherwise as the guest makes them. Which of them may be
//! sent is decided with the ask, and recorded there.

use vocabulary::{Header, Stop};
use wasmtime::component::Resource;

use super::Reply;
use crate::bindings::wasi::http::types::{HeaderError, HostFields};
use crate::guest::Guest;
use crate::holding::{BytesGuard, size};

/// BOUND: number of fields in one set. The table of hyper ends at 32,768 (CVE-2026-27572).
const FIELDS_MAX: usize = 1024;

/// Header fields or trailers.
pub(crate) struct Fields {
    pub(crate) entries: Vec<Header>,
    frozen: bool,
    held: BytesGuard,
}

/// Whether a name is a token (RFC 9110 section 5.6.2), here in lower case.
fn field_name(name: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_token)).then(|| name.to_ascii_lowercase())
}

/// Whether a value is allowed (RFC 9110 section 5.5): visible characters, spaces, tabs, and bytes above 127, but nothing that ends a line.
fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7F))
}

fn header(name: &str, value: Vec<u8>) -> Result<Header, HeaderError> {
    match field_name(name) {
        Some(name) if is_field_value(&value) => Ok(Header { name, value }),
        _ => Err(HeaderError::InvalidSyntax),
    }
}

/// Roughly the bytes that the fields have on the wire.
fn check_size(entries: &[Header], bytes_max: u64) -> Result<(), Stop> {
    let bytes: usize = entries.iter().map(|header| header.name.len() + header.value.len() + 4).sum();
    let too_large = u64::try_from(bytes).is_ok_and(|bytes| bytes > bytes_max);
    if entries.len() > FIELDS_MAX || too_large { Err(Stop::Limit(vocabulary::Limit::HeaderBytes)) } else { Ok(()) }
}

impl Guest {
    /// Changes a mutable set, and checks its size.
    fn edit(
        &mut self,
        fields: &Resource<Fields>,
        change: impl FnOnce(&mut Vec<Header>) -> Result<(), HeaderError>,
    ) -> Reply<(), HeaderError> {
        let bytes_max = self.limits.header_bytes;
        let fields = self.table.get_mut(fields)?;
        if fields.frozen {
            return Ok(Err(HeaderError::Immutable));
        }
        let changed = change(&mut fields.entries);
        check_size(&fields.entries, bytes_max)?;
        fields.held.set(size(&fields.entries))?;
        Ok(changed)
    }

    fn push_fields(&mut self, entries: Vec<Header>, frozen: bool) -> Result<Resource<Fields>, Stop> {
        let held = self.account.hold(size(&entries))?;
        self.push(Fields { entries, frozen, held })
    }

    /// A set that the host makes, and that the guest may only read.
    pub(crate) fn push_frozen(&mut self, entries: Vec<Header>) -> Result<Resource<Fields>, Stop> {
        self.push_fields(entries, true)
    }
}

impl HostFields for Guest {
    fn new(&mut self) -> wasmtime::Result<Resource<Fields>> {
        Ok(self.push_fields(Vec::new(), false)?)
    }

    fn from_list(&mut self, entries: Vec<(String, Vec<u8>)>) -> Reply<Resource<Fields>, HeaderError> {
        let entries = entries.into_iter().map(|(name, value)| header(&name, value)).collect::<Result<Vec<_>, _>>();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return Ok(Err(error)),
        };
        check_size(&entries, self.limits.header_bytes)?;
        Ok(Ok(self.push_fields(entries, false)?))
    }

    fn get(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<Vec<Vec<u8>>> {
        let name = name.to_ascii_lowercase();
        let entries = self.table.get(&fields)?.entries.iter();
        Ok(entries.filter(|header| header.name == name).map(|header| header.value.clone()).collect())
    }

    fn has(&mut self, fields: Resource<Fields>, name: String) -> wasmtime::Result<bool> {
        let name = name.to_ascii_lowercase();
        Ok(self.table.get(&fields)?.entries.iter().any(|header| header.name == name))
    }

    fn set(&mut self, fields: Resource<Fields>, name: String, values: Vec<Vec<u8>>) -> Reply<(), HeaderError> {
        self.edit(&fields, |entries| {
            let new = values.into_iter().map(|value| header(&name, value)).collect::<Result<Vec<_>, _>>()?;
            let name = field_name(&name).ok_or(HeaderError::InvalidSyntax)?;
            entries.retain(|header| header.name != name);
            entries.extend(new);
            Ok(())
        })
    }

    fn delete(&mut self, fields: Resource<Fields>, name: String) -> Reply<(), HeaderError> {
        self.edit(&fields, |entries| {
            let name = field_name(&name).ok_or(HeaderError::InvalidSyntax)?;
            entries.retain(|header| header.name != name);
            Ok(())
        })
    }

    fn append(&mut self, fields: Resource<Fields>, name: String, value: Vec<u8>) -> Reply<(), HeaderError> {
        self.edit(&fields, |entries| {
            entries.push(header(&name, value)?);
            Ok(())
        })
    }

    fn entries(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Vec<(String, Vec<u8>)>> {
        let entries = self.table.get(&fields)?.entries.iter();
        Ok(entries.map(|header| (header.name.clone(), header.value.clone())).collect())
    }

    fn clone(&mut self, fields: Resource<Fields>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table.get(&fields)?.entries.clone();
        Ok(self.push_fields(entries, false)?)
    }

    fn drop(&mut self, fields: Resource<Fields>) -> wasmtime::Result<()> {
        self.table.delete(fields)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::header;

    #[test]
    fn line_ends_and_nul_never_become_part_of_a_header() {
        for (name, value) in
            [("a\r\nb", "x"), ("", "x"), ("a b", "x"), ("a:", "x"), ("a", "x\r\ny: z"), ("a", "x\0"), ("a", "\u{7f}"), ("ä", "x")]
        {
            assert!(header(name, value.as_bytes().to_vec()).is_err(), "{name:?}: {value:?}");
        }
        assert!(header("X-Ok", b"caf\xc3\xa9\tx".to_vec()).is_ok_and(|header| header.name == "x-ok"));
    }
}

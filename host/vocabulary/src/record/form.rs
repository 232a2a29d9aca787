//! Defines the kinds of record: one struct for each kind, the enum of all records, and the parser of a body.

use serde::Deserialize;

use super::{RecordKind, VERSION};

/// The form of a body, if a newer version of this program wrote it. Then this version can't interpret anything in it.
pub fn newer_form(body: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Peek {
        v: u32,
    }
    // Nearly every body has the form of this version, which shows without parsing all of it as JSON.
    if own_form_is_last(body) {
        return None;
    }
    serde_json::from_slice::<Peek>(body).ok().map(|peek| peek.v).filter(|form| *form > VERSION)
}

/// Whether the last `"v":` of a body is this version's. Fields are in alphabetical order, so only single values follow it, and within a
/// text its quotes would be escaped.
fn own_form_is_last(body: &[u8]) -> bool {
    const FIELD: &[u8] = b"\"v\":";
    let at = body.windows(FIELD.len()).rposition(|window| window == FIELD);
    let value = at.and_then(|at| body.get(at + FIELD.len()..)).unwrap_or_default();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = value.get(..digits).and_then(|digits| str::from_utf8(digits).ok()?.parse::<u32>().ok());
    number.is_some_and(|form| form <= VERSION)
}

/// The kind that the first field of that name says. In most bodies it is the body's own. If it belongs to a nested value, the caller
/// notices.
pub(super) fn guessed(body: &[u8]) -> Option<RecordKind> {
    const FIELD: &[u8] = b"\"kind\":";
    let at = body.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let value = body.get(at..)?;
    let end = value.iter().position(|byte| matches!(byte, b',' | b'}'))?;
    serde_json::from_slice(value.get(..end)?).ok()
}

macro_rules! records {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        /// The kinds of record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum RecordKind { $($(#[$doc])* $kind,)+ }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $kind { $($(#[$field_doc])* pub $field: $type,)+ }

            impl From<$kind> for Record {
                fn from(body: $kind) -> Self {
                    Self::$kind(body)
                }
            }
        )+

        /// One record.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Record { $($(#[$doc])* $kind($kind),)+ }

        impl Record {
            /// The kind of the record.
            pub fn kind(&self) -> RecordKind {
                match self { $(Self::$kind(_) => RecordKind::$kind,)+ }
            }

            /// Parses a body.
            ///
            /// # Errors
            /// A kind that this version does not know, or a body that is not of its kind's form.
            pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
                #[derive(Deserialize)]
                struct Peek { kind: RecordKind }
                if let Some(form) = newer_form(body) {
                    let form = format!("a record of form {form}");
                    return Err(ParseError::new("a record that this version reads", &form, format!("forms up to {VERSION}")));
                }
                let bad = |_| ParseError::new("a record", &String::from_utf8_lossy(body.get(..80).unwrap_or(body)), "the JSON of a known kind");
                // Parsing a body twice took most of the time of verifying a log.
                if let Some(kind) = guessed(body) {
                    let read = match kind {
                        $(RecordKind::$kind => serde_json::from_slice::<$kind>(body).ok().filter(|it| it.kind == kind).map(Self::$kind),)+
                    };
                    if let Some(record) = read {
                        return Ok(record);
                    }
                }
                let peek: Peek = serde_json::from_slice(body).map_err(bad)?;
                match peek.kind { $(RecordKind::$kind => serde_json::from_slice::<$kind>(body).map(Self::$kind).map_err(bad),)+ }
            }
        }
    };
}

//! Makes the kinds of record: one struct a kind, the enum of them, and how a body is read back.

macro_rules! records {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        /// The kinds of record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

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
        #[expect(clippy::large_enum_variant, reason = "records are made one at a time and written; none is kept in a list")]
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Record { $($(#[$doc])* $kind($kind),)+ }

        impl Record {
            /// Which kind it is.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// Reads a body back.
            ///
            /// # Errors
            /// A kind that this version does not know, or a body that is not of its kind's form.
            pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
                #[derive(Deserialize)]
                struct Peek { kind: Kind }
                let bad = |_| ParseError::new("a record", &String::from_utf8_lossy(body.get(..80).unwrap_or(body)), "the JSON of a known kind");
                let peek: Peek = serde_json::from_slice(body).map_err(bad)?;
                match peek.kind { $(Kind::$kind => serde_json::from_slice::<$kind>(body).map(Self::$kind).map_err(bad),)+ }
            }
        }
    };
}

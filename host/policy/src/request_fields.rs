//! Rules of grants about the query and the body of a request.
//!
//! SECURITY: what a rule does not name is refused. A query or a body that two servers could read in two ways is refused too: a name that
//! occurs twice, a separator or an escape that servers read differently, a text that is not UTF-8, a type or an encoding of the body that
//! is stated twice or is not plain.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use vocabulary::{FieldRules, FieldValue, HttpAsk, HttpTarget, Method, SafeText};

use crate::text::decoded;

/// BOUND: fields of one query or body, the depth of a JSON body, and bytes of the name of a field within objects.
const FIELDS_MAX: usize = 4096;
const DEPTH_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 1024;

/// A request that grants are compared with. Its query and its body are read once, and only if a grant has rules about them.
pub(crate) struct Wanted<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a HttpTarget,
    /// The headers and the body; `None` for a resource that a header names.
    ask: Option<&'a HttpAsk>,
    query: OnceCell<Result<Vec<Field>, String>>,
    body: OnceCell<Result<Vec<Field>, String>>,
}

/// A value of a field. In JSON, a number and the text in which it is written are different values.
enum Value {
    Bool(bool),
    Number(i64),
    Text(String),
    /// A value in a query or a form, which has no type.
    Written(String),
    /// A number with a fraction or beyond the range of whole numbers, or `null`. Only `*` stands for it.
    Other,
    /// An empty list or object.
    Nothing,
}

struct Field {
    name: String,
    value: Value,
}

impl<'a> Wanted<'a> {
    /// A request of a guest.
    pub(crate) fn of(ask: &'a HttpAsk) -> Self {
        Self { ask: Some(ask), ..Self::resource(&ask.method, &ask.target) }
    }

    /// A resource that a header of a request names.
    pub(crate) fn resource(method: &'a Method, target: &'a HttpTarget) -> Self {
        Self { method, target, ask: None, query: OnceCell::new(), body: OnceCell::new() }
    }

    /// Compares the query with rules.
    ///
    /// # Errors
    /// What is wrong, in words, with names and without values.
    pub(crate) fn query_fits(&self, rules: &FieldRules) -> Result<(), SafeText> {
        let read = || of_pairs(self.target.query.as_deref().unwrap_or_default().as_bytes());
        fits(rules, self.query.get_or_init(read))
    }

    /// Compares the body with rules.
    ///
    /// # Errors
    /// What is wrong, in words, with names and without values.
    pub(crate) fn body_fits(&self, rules: &FieldRules) -> Result<(), SafeText> {
        fits(rules, self.body.get_or_init(|| self.ask.map_or(Ok(Vec::new()), of_body)))
    }
}

fn fits(rules: &FieldRules, fields: &Result<Vec<Field>, String>) -> Result<(), SafeText> {
    let no = |what: &str| SafeText::new(what, 200);
    let fields = fields.as_ref().map_err(|what| no(what))?;
    for Field { name, value } in fields {
        let rule = rules.must.get(name).or_else(|| rules.may.get(name));
        let fits = match (value, rule) {
            (Value::Nothing, _) => rules.must.keys().chain(rules.may.keys()).any(|rule| is_beneath(rule, name)),
            (_, None) => return Err(no(&format!("`{name}` is not named"))),
            (value, Some(values)) => values.iter().any(|rule| has(rule, value)),
        };
        if !fits {
            return Err(no(&format!("`{name}` has a value that is not listed")));
        }
    }
    let is_there = |name: &String| fields.iter().any(|field| field.name == *name && !matches!(field.value, Value::Nothing));
    match rules.must.keys().find(|name| !is_there(name)) {
        Some(name) => Err(no(&format!("`{name}` is missing"))),
        None => Ok(()),
    }
}

/// Whether a rule is about an item of this empty list, or a field of this empty object. The whole of a body may be empty.
fn is_beneath(named: &str, empty: &str) -> bool {
    let Some(rest) = named.strip_prefix(empty) else { return false };
    rest.is_empty() || empty.is_empty() || empty.ends_with('.') || rest.starts_with(['.', '['])
}

fn has(rule: &FieldValue, value: &Value) -> bool {
    match (rule, value) {
        (rule, Value::Written(value)) => rule.is_text(value),
        (FieldValue::Bool(rule), Value::Bool(value)) => rule == value,
        (FieldValue::Number(rule), Value::Number(value)) => rule == value,
        (FieldValue::Text(_), Value::Text(value)) => rule.is_text(value),
        (rule, _) => rule.is_any(),
    }
}

/// The parameters of a query, or the fields of a form.
fn of_pairs(text: &[u8]) -> Result<Vec<Field>, String> {
    // Some servers take it for a separator, others do not.
    if text.contains(&b';') {
        return Err("a `;` in it is read in two ways".to_owned());
    }
    let (mut fields, mut known) = (Vec::new(), BTreeSet::new());
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (part(parts.next())?, part(parts.next())?);
        note(&mut known, fields.len(), &name)?;
        fields.push(Field { name, value: Value::Written(value) });
    }
    Ok(fields)
}

fn part(written: Option<&[u8]>) -> Result<String, String> {
    let written = written.unwrap_or_default();
    let escapes = written.split(|byte| *byte == b'%').skip(1);
    if !escapes.map(|escape| escape.get(..2)).all(|hex| hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))) {
        return Err("a `%` in it begins no escape".to_owned());
    }
    let spaced: Vec<u8> = written.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(decoded(&spaced)).map_err(|_| "it is not UTF-8".to_owned())
}

/// Notes a name. Servers that fold the case of names would take one of two.
fn note(known: &mut BTreeSet<String>, count: usize, name: &str) -> Result<(), String> {
    if count >= FIELDS_MAX {
        return Err("it has too many fields".to_owned());
    }
    if known.insert(name.to_lowercase()) { Ok(()) } else { Err(format!("`{name}` occurs twice")) }
}

/// The fields of a body: of a form, or of JSON.
fn of_body(ask: &HttpAsk) -> Result<Vec<Field>, String> {
    if ask.body.is_empty() {
        return Ok(Vec::new());
    }
    let values = |name: &str| {
        let of_it = ask.headers.iter().filter(|header| header.name.replace('_', "-").eq_ignore_ascii_case(name));
        of_it.map(|header| String::from_utf8_lossy(&header.value).trim().to_ascii_lowercase()).collect::<Vec<String>>()
    };
    if values("content-encoding").iter().any(|value| value != "identity") {
        return Err("it is encoded".to_owned());
    }
    let [of] = values("content-type").try_into().map_err(|_| "it must have one `content-type`".to_owned())?;
    let mut parts = of.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_owned();
    if !parts.all(|part| part.split_once('=').is_some_and(|(name, value)| name == "charset" && value.trim_matches('"') == "utf-8")) {
        return Err("its `content-type` has a parameter besides `charset=utf-8`".to_owned());
    }
    match essence.as_str() {
        "application/x-www-form-urlencoded" => of_pairs(&ask.body),
        _ if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) => of_json(&ask.body),
        _ => Err("it is neither JSON nor a form".to_owned()),
    }
}

fn of_json(bytes: &[u8]) -> Result<Vec<Field>, String> {
    let mut reading = Reading { fields: Vec::new(), count: 0, unclear: None };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = Json { reading: &mut reading, name: String::new(), depth: 0 }.deserialize(&mut json).and_then(|()| json.end());
    match (read, reading.unclear) {
        (_, Some(why)) => Err(why),
        (Ok(()), None) if reading.fields.iter().any(|field| field.name.is_empty() && !matches!(field.value, Value::Nothing)) => {
            Err("it is neither an object nor a list".to_owned())
        }
        (Ok(()), None) => Ok(reading.fields),
        (Err(_), None) => Err("it is not JSON".to_owned()),
    }
}

struct Reading {
    fields: Vec<Field>,
    count: usize,
    unclear: Option<String>,
}

/// Reads one value, whose field has this name: `a.b` for `b` in the object `a`, `a[]` for each item of the list `a`.
struct Json<'a> {
    reading: &'a mut Reading,
    name: String,
    depth: usize,
}

impl Json<'_> {
    fn leaf<E: serde::de::Error>(self, value: Value) -> Result<(), E> {
        self.reading.fields.push(Field { name: self.name, value });
        Ok(())
    }
}

impl Reading {
    fn wrong<E: serde::de::Error>(&mut self, why: String) -> E {
        let err = E::custom(&why);
        self.unclear = Some(why);
        err
    }
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // Each value counts, also one that holds others.
        self.reading.count += 1;
        if self.depth > DEPTH_MAX || self.reading.count > FIELDS_MAX || self.name.len() > NAME_BYTES_MAX {
            return Err(self.reading.wrong("it has too many fields, or nests too deeply".to_owned()));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.leaf(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.leaf(Value::Number(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.leaf(i64::try_from(value).map_or(Value::Other, Value::Number))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.leaf(Value::Other)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.leaf(Value::Text(value.to_owned()))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.leaf(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { reading, name, depth } = self;
        let (item, mut is_empty) = (format!("{name}[]"), true);
        while items.next_element_seed(Json { reading: &mut *reading, name: item.clone(), depth: depth + 1 })?.is_some() {
            is_empty = false;
        }
        if is_empty { Json { reading, name: item, depth }.leaf(Value::Nothing) } else { Ok(()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { reading, name, depth } = self;
        let front = if name.is_empty() { name } else { format!("{name}.") };
        let mut known = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            // Such a name would look like a field within another one.
            if key.is_empty() || key.contains(['.', '[', ']']) {
                return Err(reading.wrong("a name in it is empty, or has a dot or a bracket".to_owned()));
            }
            note(&mut known, reading.fields.len(), &key).map_err(|why| reading.wrong(why))?;
            entries.next_value_seed(Json { reading: &mut *reading, name: format!("{front}{key}"), depth: depth + 1 })?;
        }
        if known.is_empty() { Json { reading, name: front, depth }.leaf(Value::Nothing) } else { Ok(()) }
    }
}

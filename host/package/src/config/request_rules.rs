//! The keys `ports`, `query`, `body` and `reads` of a grant.

use std::collections::BTreeMap;

use vocabulary::{FieldRules, FieldValue, HttpGrant, PortRange, ReadRule};

use super::http::method;
use super::set::set;
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError};

/// BOUND: ranges of ports, rules about reads, named fields, and values of one field.
const LIST_MAX: usize = 256;
/// BOUND: bytes of the name or of a value of a field.
const TEXT_BYTES_MAX: usize = 1024;
/// Whole numbers up to this one are compared exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Ports and ranges of ports. None may be in two of them.
pub(super) fn ports(list: &ConfigValue<'_>) -> Result<Vec<PortRange>, WrongError> {
    let items = list.some_items(LIST_MAX)?;
    let mut ranges: Vec<PortRange> = items.iter().map(ConfigValue::parse).collect::<Result<_, _>>()?;
    ranges.sort();
    if ranges.windows(2).any(|two| matches!(two, [one, other] if one.last >= other.first)) {
        return Err(list.wrong(ConfigFault::Impossible("has a port twice")));
    }
    Ok(ranges)
}

/// `{ must = { NAME = [VALUE] }, may = { NAME = [VALUE] } }`.
pub(super) fn fields(value: &ConfigValue<'_>) -> Result<FieldRules, WrongError> {
    let table = value.table(4)?;
    table.only(&["may", "must"], &[])?;
    let named = |key: &str| table.get(key).map_or(Ok(BTreeMap::new()), |value| values_by_name(&value));
    let rules = FieldRules { may: named("may")?, must: named("must")? };
    if rules.may.keys().any(|name| rules.must.contains_key(name)) {
        return Err(value.wrong(ConfigFault::Impossible("names a field both in `may` and in `must`")));
    }
    Ok(rules)
}

fn values_by_name(value: &ConfigValue<'_>) -> Result<BTreeMap<String, Vec<FieldValue>>, WrongError> {
    let mut named = BTreeMap::new();
    for (name, value) in value.table(LIST_MAX)?.entries() {
        if name.is_empty() || name.len() > TEXT_BYTES_MAX {
            return Err(value.wrong(ConfigFault::Impossible("has a name that is empty or too long")));
        }
        let values: Vec<FieldValue> = value.some_items(LIST_MAX)?.iter().map(field_value).collect::<Result<_, _>>()?;
        named.insert(name.to_owned(), set(values));
    }
    Ok(named)
}

fn field_value(value: &ConfigValue<'_>) -> Result<FieldValue, WrongError> {
    if let Ok(yes) = value.bool() {
        return Ok(FieldValue::Bool(yes));
    }
    if value.is_number() {
        let number = value.integer()?;
        let exact = number.unsigned_abs() <= NUMBER_MAX;
        return if exact { Ok(FieldValue::Number(number)) } else { Err(value.wrong(ConfigFault::Impossible("must be below 2^53"))) };
    }
    let text = value.text_or_empty(TEXT_BYTES_MAX)?;
    if text.strip_suffix('*').unwrap_or(text).contains('*') {
        return Err(value.wrong(ConfigFault::Impossible("may have `*` only at its end, where it stands for any rest")));
    }
    Ok(FieldValue::Text(text.to_owned()))
}

/// The requests that change nothing, whatever their method says.
pub(super) fn reads(list: &ConfigValue<'_>) -> Result<Vec<ReadRule>, WrongError> {
    let rule = |item: &ConfigValue<'_>| {
        let table = item.table(8)?;
        table.only(&["body", "method", "path", "query"], &[])?;
        let rules = |key: &str| table.get(key).map(|value| fields(&value)).transpose();
        Ok(ReadRule {
            body: rules("body")?,
            method: method(&table.required("method")?)?,
            path: table.required("path")?.parse()?,
            query: rules("query")?,
        })
    };
    list.some_items(LIST_MAX)?.iter().map(rule).collect::<Result<_, _>>().map(set)
}

/// Finds rules that have no effect, or contradict another key.
pub(super) fn check(table: &Table<'_>, grant: &HttpGrant) -> Result<(), WrongError> {
    if let (Some(_), Some(ports)) = (table.get("port"), table.get("ports")) {
        return Err(ports.wrong(ConfigFault::Impossible("can't stand beside `port`: list that port in it")));
    }
    let Some(list) = table.get("reads") else { return Ok(()) };
    for item in list.some_items(LIST_MAX)? {
        let table = item.table(8)?;
        let (method_value, path_value) = (table.required("method")?, table.required("path")?);
        let method = method(&method_value)?;
        if method.reads() {
            return Err(method_value.wrong(ConfigFault::Impossible("has no effect: GET, HEAD and OPTIONS change nothing in any case")));
        }
        if !grant.methods.contains(&method) {
            return Err(method_value.wrong(ConfigFault::Impossible("is not one of the `methods` of this grant")));
        }
        let path: vocabulary::PathPattern = path_value.parse()?;
        if !grant.paths.iter().any(|granted| granted.may_meet(&path)) {
            return Err(path_value.wrong(ConfigFault::Impossible("is not among the `paths` of this grant")));
        }
    }
    Ok(())
}

//! Descriptions of an API. They are often meant to be public, and then they are not a fault.

use super::{Check, Group, Holds, Looks, Sight, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "openapi-description",
        group: Group::Api,
        severity: Severity::Low,
        cwe: "CWE-200",
        title: "A description of the API is public",
        looks: Looks::AtPaths {
            paths: &[
                "openapi.json",
                "openapi.yaml",
                "swagger.json",
                "swagger.yaml",
                "api-docs",
                "v2/api-docs",
                "v3/api-docs",
                "api/openapi.json",
                "api/swagger.json",
                "swagger/v1/swagger.json",
            ],
            holds: Holds::Plain,
            sees: openapi,
        },
    },
    Check {
        id: "swagger-ui",
        group: Group::Api,
        severity: Severity::Low,
        cwe: "CWE-200",
        title: "A page for trying out the API is public",
        looks: Looks::AtPaths {
            paths: &["swagger-ui/", "swagger-ui.html", "swagger-ui/index.html", "swagger/", "swagger/index.html", "docs", "api/docs"],
            holds: Holds::Plain,
            sees: |page| words(page, &["id=\"swagger-ui\"", "swagger-ui-bundle"]),
        },
    },
    Check {
        id: "graphql-introspection",
        group: Group::Api,
        severity: Severity::Low,
        cwe: "CWE-200",
        title: "GraphQL shows its whole schema",
        looks: Looks::AtPaths {
            paths: &["graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D", "api/graphql?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D"],
            holds: Holds::Plain,
            sees: graphql,
        },
    },
];

fn openapi(page: &Page) -> Sight {
    if page.path.ends_with(".yaml") {
        let begins = |word: &str| page.text().lines().any(|line| line.starts_with(word));
        let version = ["openapi: ", "swagger: "].into_iter().find(|word| begins(word))?;
        return (begins("paths:") || page.is_cut()).then(|| format!("`{}`, `paths:`", version.trim_end()));
    }
    let Some(json) = page.json() else {
        // The page is too long to be read whole, so judge it by its beginning.
        let looks_so = page.is_cut() && page.text().trim_start().starts_with('{') && page.has("\"paths\"");
        let version = ["\"openapi\"", "\"swagger\""].into_iter().find(|word| looks_so && page.has(word))?;
        return Some(format!("`{version}`, `\"paths\"`"));
    };
    let version = ["openapi", "swagger"].into_iter().find(|name| json.get(name).is_some_and(serde_json::Value::is_string))?;
    Some(format!("`{version}`, {} paths", json.get("paths")?.as_object()?.len()))
}

fn graphql(page: &Page) -> Sight {
    let json = page.json()?;
    json.get("data")?.get("__schema")?.get("queryType")?.get("name")?.as_str()?;
    Some("`data.__schema.queryType`".to_owned())
}

//! Pages on which a server shows its state to its operators.

use super::{Check, Group, Holds, Looks, Sight, beginning, file_with, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "nginx-status",
        group: Group::Status,
        severity: Severity::Low,
        cwe: "CWE-497",
        title: "The status page of nginx can be read",
        looks: Looks::AtPaths {
            paths: &["nginx_status", "stub_status", "basic_status", "nginx-status", "status"],
            holds: Holds::Plain,
            sees: |page| file_with(page, &["Active connections: ", "server accepts handled requests", "Reading: "]),
        },
    },
    Check {
        id: "apache-status",
        group: Group::Status,
        severity: Severity::Medium,
        cwe: "CWE-497",
        title: "The status page of Apache can be read: it shows the clients and their requests",
        looks: Looks::AtPaths { paths: &["server-status", "server-info"], holds: Holds::Secrets, sees: apache },
    },
    Check {
        id: "prometheus-metrics",
        group: Group::Status,
        severity: Severity::Medium,
        cwe: "CWE-497",
        title: "Metrics can be read",
        looks: Looks::AtPaths { paths: &["metrics", "actuator/prometheus"], holds: Holds::Plain, sees: metrics },
    },
    Check {
        id: "spring-actuator",
        group: Group::Status,
        severity: Severity::Medium,
        cwe: "CWE-497",
        title: "The actuator of Spring Boot lists what it offers",
        looks: Looks::AtPaths { paths: &["actuator"], holds: Holds::Plain, sees: actuator },
    },
    Check {
        id: "spring-actuator-sensitive",
        group: Group::Status,
        severity: Severity::High,
        cwe: "CWE-497",
        title: "The actuator of Spring Boot shows configuration, requests or memory",
        looks: Looks::AtPaths {
            paths: &[
                "actuator/env",
                "actuator/configprops",
                "actuator/mappings",
                "actuator/beans",
                "actuator/httptrace",
                "actuator/heapdump",
                "env",
            ],
            holds: Holds::Much,
            sees: sensitive,
        },
    },
    Check {
        id: "go-pprof",
        group: Group::Status,
        severity: Severity::High,
        cwe: "CWE-489",
        title: "The profiler of Go can be used",
        looks: Looks::AtPaths {
            paths: &["debug/pprof/"],
            holds: Holds::Plain,
            sees: |page| words(page, &["<title>/debug/pprof/</title>", "Types of profiles available"]),
        },
    },
    Check {
        id: "go-expvar",
        group: Group::Status,
        severity: Severity::Medium,
        cwe: "CWE-497",
        title: "The variables of a Go program can be read, its command line among them",
        looks: Looks::AtPaths { paths: &["debug/vars"], holds: Holds::Secrets, sees: expvar },
    },
];

fn apache(page: &Page) -> Sight {
    let status = ["<title>Apache Status</title>", "Apache Server Status for", "Server uptime:"];
    words(page, &status).or_else(|| words(page, &["<title>Server Information</title>", "Apache Server Information"]))
}

fn metrics(page: &Page) -> Sight {
    if page.is_html() {
        return None;
    }
    let kinds = ["counter", "gauge", "histogram", "summary", "untyped", "unknown", "info"];
    let is_type = |line: &str| line.starts_with("# TYPE ") && kinds.iter().any(|kind| line.trim_end().ends_with(kind));
    let types = page.text().lines().filter(|line| is_type(line)).count();
    let is_sample = |line: &str| !line.starts_with('#') && line.rsplit(' ').next().is_some_and(|value| value.parse::<f64>().is_ok());
    (types > 0 && page.text().lines().any(is_sample)).then(|| format!("{types} metrics after `# TYPE`"))
}

fn actuator(page: &Page) -> Sight {
    let json = page.json()?;
    let links = json.get("_links")?.as_object()?;
    let is_actuator = links.get("self")?.get("href")?.as_str()?.contains("/actuator");
    is_actuator.then(|| format!("{} links beneath `_links`", links.len()))
}

fn sensitive(page: &Page) -> Sight {
    if page.path.ends_with("/heapdump") {
        return beginning(page, b"JAVA PROFILE 1.0", "a heap dump of Java").or_else(|| beginning(page, b"\x1f\x8b\x08", "a gzip archive"));
    }
    if page.is_html() || !page.text().trim_start().starts_with('{') {
        return None;
    }
    // Judge only the beginning: the answer may be a part of the file.
    let marks: &[&str] = match page.path.rsplit('/').next() {
        Some("env") => return words(page, &["\"propertySources\""]).or_else(|| words(page, &["\"systemProperties\"", "\"java."])),
        Some("httptrace") => &["\"traces\"", "\"timestamp\""],
        Some("mappings") => &["\"contexts\"", "\"mappings\""],
        _ => &["\"contexts\"", "\"beans\""],
    };
    words(page, marks)
}

fn expvar(page: &Page) -> Sight {
    let json = page.json()?;
    (json.get("cmdline")?.is_array() && json.get("memstats")?.is_object()).then(|| "`cmdline`, `memstats`".to_owned())
}

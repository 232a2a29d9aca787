//! Admin consoles and data stores that answer without a login. A console that asks for a login is not a finding.

use super::{Check, Group, Holds, Looks, Sight, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;
use serde_json::Value;

const fn open(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    paths: &'static [&'static str],
    sees: fn(&Page) -> Sight,
) -> Check {
    Check { id, group: Group::Consoles, severity, cwe: "CWE-306", title, looks: Looks::AtPaths { paths, holds: Holds::Secrets, sees } }
}

pub(super) static CHECKS: &[Check] = &[
    open(
        "phpmyadmin-open",
        Severity::Critical,
        "phpMyAdmin answers without a login",
        &["phpmyadmin/", "phpMyAdmin/", "pma/", "dbadmin/"],
        phpmyadmin,
    ),
    open("rabbitmq-open", Severity::High, "RabbitMQ's management answers without a login", &["api/overview"], |page| {
        fields(page, &["rabbitmq_version", "management_version"])
    }),
    open(
        "grafana-open",
        Severity::Medium,
        "Grafana shows dashboards without a login",
        &["api/dashboards/home", "grafana/api/dashboards/home"],
        grafana,
    ),
    open("kibana-open", Severity::High, "Kibana answers without a login", &["api/status", "kibana/api/status"], kibana),
    open("jenkins-open", Severity::High, "Jenkins shows its jobs without a login", &["api/json", "jenkins/api/json"], jenkins),
    open(
        "jenkins-script-console",
        Severity::Critical,
        "The script console of Jenkins answers without a login",
        &["script", "jenkins/script"],
        |page| words(page, &["<h1>Script Console</h1>", "name=\"script\""]),
    ),
    open("traefik-open", Severity::Medium, "Traefik's dashboard answers without a login", &["api/rawdata"], |page| {
        fields(page, &["routers", "services"])
    }),
    open("consul-open", Severity::High, "Consul answers without a token", &["v1/agent/self"], |page| fields(page, &["Config", "Member"])),
    open("etcd-open", Severity::Critical, "etcd shows its keys without a login", &["v2/keys/"], etcd),
    open("etcd-reachable", Severity::Medium, "etcd answers clients that have no certificate", &["version"], |page| {
        fields(page, &["etcdserver", "etcdcluster"])
    }),
    open("docker-api-open", Severity::Critical, "The API of Docker answers: its clients can run anything", &["version"], |page| {
        fields(page, &["ApiVersion", "MinAPIVersion", "KernelVersion"])
    }),
    open("elasticsearch-open", Severity::High, "Elasticsearch answers without a login", &[""], elasticsearch),
    open("docker-registry-open", Severity::High, "A registry of Docker lists its images without a login", &["v2/_catalog"], registry),
    open(
        "kubernetes-open",
        Severity::Critical,
        "Kubernetes answers without a login",
        &["api/v1/namespaces", "api/v1/login/skippable"],
        kubernetes,
    ),
];

/// The names of these fields, if the JSON object has all of them.
fn fields(page: &Page, names: &[&str]) -> Sight {
    let json = page.json()?;
    let object = json.as_object()?;
    let all = names.iter().all(|name| object.contains_key(*name));
    all.then(|| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

/// The inside of phpMyAdmin, not its login form.
fn phpmyadmin(page: &Page) -> Sight {
    let inside = words(page, &["<div id=\"pma_navigation\"", "CommonParams.setAll("])?;
    if page.has("name=\"pma_username\"") { None } else { Some(inside) }
}

fn grafana(page: &Page) -> Sight {
    let json = page.json()?;
    let is_home = json.get("meta")?.as_object()?.contains_key("canEdit") && json.get("dashboard")?.is_object();
    is_home.then(|| "`dashboard`, `meta`".to_owned())
}

fn kibana(page: &Page) -> Sight {
    let json = page.json()?;
    let version = json.get("version")?.as_object()?;
    let named = json.get("name").is_some_and(Value::is_string) && json.get("status").is_some_and(Value::is_object);
    (named && version.contains_key("build_hash")).then(|| "`version`, `build_hash`, `status`".to_owned())
}

fn jenkins(page: &Page) -> Sight {
    let json = page.json()?;
    let is_jenkins = json.get("_class")?.as_str()?.starts_with("hudson.model.") && json.get("jobs")?.is_array();
    is_jenkins.then(|| format!("{} jobs", json.get("jobs").and_then(Value::as_array).map_or(0, Vec::len)))
}

fn etcd(page: &Page) -> Sight {
    let json = page.json()?;
    (json.get("action")?.as_str()? == "get" && json.get("node")?.is_object()).then(|| "`action`, `node`".to_owned())
}

fn elasticsearch(page: &Page) -> Sight {
    let json = page.json()?;
    let is_it = json.get("tagline")?.as_str()?.ends_with("for Search") && json.get("cluster_name")?.is_string();
    is_it.then(|| "`cluster_name`, `tagline`".to_owned())
}

fn registry(page: &Page) -> Sight {
    let images = page.json()?.get("repositories")?.as_array()?.len();
    Some(format!("{images} repositories"))
}

fn kubernetes(page: &Page) -> Sight {
    let json = page.json()?;
    if page.path.ends_with("/skippable") {
        return (json.get("skippable")?.as_bool()?).then(|| "`skippable`".to_owned());
    }
    (json.get("kind")?.as_str()? == "NamespaceList" && json.get("items")?.is_array()).then(|| "`NamespaceList`".to_owned())
}

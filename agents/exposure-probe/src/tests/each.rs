//! For each check an answer that it finds, and a test that its report meets all requirements of a finding.

use super::{GOOD, HTML, Site, probed, rules};
use crate::check;
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::testing;
use serde_json::json;
use std::collections::BTreeSet;

/// A value that is in every file below, and must appear in no report.
pub(super) const SECRET: &str = "hunter2hunter2";

/// For each path, a page that shows a fault there.
fn pages() -> Vec<(&'static str, Vec<u8>)> {
    let json = |text: &str| text.as_bytes().to_vec();
    let mut pages: Vec<(&'static str, Vec<u8>)> = Vec::new();
    let mut add = |path, body: &[u8]| pages.push((path, body.to_vec()));
    add("/.git/HEAD", b"ref: refs/heads/main\n");
    add("/.git/config", format!("[core]\n\trepositoryformatversion = 0\n[remote \"o\"]\n\turl = https://u:{SECRET}@x\n").as_bytes());
    add("/.svn/wc.db", b"SQLite format 3\0....");
    add("/.hg/requires", b"dotencode\nfncache\ngeneraldelta\nrevlogv1\nstore\n");
    add("/.env", format!("# x\nAPP_KEY={SECRET}\nexport DB_PASSWORD=\"{SECRET}\"\n\n").as_bytes());
    add("/.aws/credentials", format!("[default]\naws_access_key_id = A\naws_secret_access_key = {SECRET}\n").as_bytes());
    add("/dump.sql", format!("-- MySQL dump 10.13\nINSERT INTO users VALUES ('{SECRET}');\n").as_bytes());
    add("/backup.zip", b"PK\x03\x04\x14\0\0\0\x08\0");
    add("/config.php.bak", format!("<?php\n$password = '{SECRET}';\n").as_bytes());
    add("/.index.php.swp", format!("b0VIM 8.2\0\0{SECRET}").as_bytes());
    add("/.DS_Store", b"\0\0\0\x01Bud1\0\0");
    add("/.vscode/settings.json", b"{ // mine\n \"editor.tabSize\": 2, \"files.exclude\": {} }");
    add("/uploads/", b"<html><head><title>Index of /uploads/</title></head><body><h1>Index of /uploads/</h1><a href=\"../\">../</a>");
    add("/nginx_status", b"Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0 Writing: 1 Waiting: 0 \n");
    add("/server-status", b"<title>Apache Status</title><h1>Apache Server Status for x</h1><dt>Server uptime: 1</dt>");
    add("/metrics", b"# HELP up x\n# TYPE up gauge\nup 1\n");
    add("/actuator", br#"{"_links":{"self":{"href":"http://x/actuator"},"env":{"href":"http://x/actuator/env"}}}"#);
    add("/actuator/env", format!(r#"{{"activeProfiles":[],"propertySources":[{{"name":"{SECRET}"}}]}}"#).as_bytes());
    add("/debug/pprof/", b"<html><title>/debug/pprof/</title>Types of profiles available:");
    add("/debug/vars", format!(r#"{{"cmdline":["{SECRET}"],"memstats":{{}}}}"#).as_bytes());
    add("/console", b"<html><title>Console // Werkzeug Debugger</title><script>var CONSOLE_MODE = true, EVALEX = true;");
    add("/info.php", b"<title>PHP 8.2 - phpinfo()</title><h1 class=\"p\">PHP Version 8.2</h1>");
    add("/phpmyadmin/", b"<div id=\"pma_navigation\"><script>CommonParams.setAll({})</script>");
    add("/api/overview", br#"{"management_version":"3","rabbitmq_version":"3"}"#);
    add("/api/dashboards/home", br#"{"meta":{"canEdit":false,"isHome":true},"dashboard":{}}"#);
    add("/api/status", br#"{"name":"k","uuid":"u","version":{"number":"8","build_hash":"x"},"status":{"overall":{}}}"#);
    add("/api/json", br#"{"_class":"hudson.model.Hudson","jobs":[{"name":"a"}]}"#);
    add("/script", b"<h1>Script Console</h1><textarea name=\"script\"></textarea>");
    add("/api/rawdata", br#"{"routers":{},"services":{}}"#);
    add("/v1/agent/self", br#"{"Config":{"Datacenter":"x"},"Member":{}}"#);
    add("/v2/keys/", br#"{"action":"get","node":{"dir":true}}"#);
    add("/v2/_catalog", br#"{"repositories":["a"]}"#);
    add("/api/v1/namespaces", br#"{"kind":"NamespaceList","items":[]}"#);
    add("/openapi.json", br#"{"openapi":"3.1.0","paths":{"/a":{}}}"#);
    add("/docs", b"<div id=\"swagger-ui\"></div><script src=\"/swagger-ui-bundle.js\"></script>");
    pages.push(("/graphql", json(r#"{"data":{"__schema":{"queryType":{"name":"Query"}}}}"#)));
    pages
}

/// All of these pages in one.
pub(super) fn everything() -> Vec<u8> {
    pages().into_iter().filter(|(_, body)| body.is_ascii()).flat_map(|(_, body)| [body, b"\n".to_vec()].concat()).collect()
}

/// A site with nearly every fault that a site can have at the same time.
pub(super) fn faulty() -> Site {
    let cookies = [("set-cookie", "session=hunter2hunter2; Path=/"), ("set-cookie", "csrftoken=x; Secure; SameSite=Lax")];
    let cors = [("access-control-allow-origin", "null"), ("access-control-allow-credentials", "true")];
    let mut headers = vec![HTML, ("server", "nginx/1.22.1"), ("x-powered-by", "PHP/8.2.1")];
    headers.extend(cookies);
    headers.extend(cors);
    let site =
        Site::default().with("/", 200, &headers, "<title>Welcome to nginx!</title><h1>Welcome to nginx!</h1>Thank you for using nginx");
    let trace = format!("Traceback (most recent call last):\n  File \"/app.py\", line 1\nValueError: {SECRET}");
    let debug = format!("<title>x // Werkzeug Debugger</title><div class=\"debugger\">{SECRET}");
    let site = site.with("/?id=%27%22%3C&page=%27%22%3C&q=%27%22%3C", 500, &[], trace).with("/%FF%FE", 500, &[], debug);
    pages().into_iter().fold(site, |site, (path, body)| site.with(path, 200, &[], body))
}

/// Findings of faults that can't exist at the same time as the others.
fn besides() -> Vec<Finding> {
    let elastic = r#"{"name":"a","cluster_name":"b","version":{},"tagline":"You Know, for Search"}"#;
    let (_, mut findings) = Site::default().with("/", 200, &[], elastic).probed();
    for version in [r#"{"etcdserver":"3","etcdcluster":"3"}"#, r#"{"ApiVersion":"1","MinAPIVersion":"1","KernelVersion":"6"}"#] {
        findings.extend(Site::good().with("/version", 200, &[], version).probed().1);
    }
    testing::answer_http(|request| {
        let origin = request.headers().get("origin").and_then(|origin| origin.to_str().ok()).unwrap_or("none").to_owned();
        Ok(super::answer(200, &[("access-control-allow-origin", &origin)], ""))
    });
    findings.extend(probed(json!({"targets": ["http://shop.test/"]})).1);
    findings
}

#[test]
fn each_check_finds_what_it_is_for() {
    let (output, mut findings) = faulty().probed();
    assert_eq!(output["targets"][0]["soft_404"], json!(false));
    findings.extend(besides());
    let found: BTreeSet<&str> = rules(&findings).into_iter().collect();
    let all: BTreeSet<&str> = check::all().map(|check| check.id).collect();
    assert_eq!(found, all);
}

#[test]
fn a_finding_says_what_where_how_bad_and_what_it_rests_on() {
    for finding in faulty().probed().1 {
        let check = check::all().find(|check| check.id == finding.rule).unwrap();
        assert_eq!((finding.severity, finding.taxa[0].id.as_str()), (check.severity, check.cwe));
        let location = finding.location.unwrap();
        assert!(location.uri.starts_with("https://shop.test/") && !location.uri.contains('?'), "{}", location.uri);
        let is_digest = |text: &String| text.len() == 71 && text.starts_with("sha256:");
        assert!(!finding.evidence.is_empty() && finding.evidence.iter().all(is_digest) && is_digest(&finding.fingerprint));
        let excerpt = finding.excerpt.unwrap();
        assert!(!excerpt.is_empty() && excerpt.len() < 1600 && excerpt.is_ascii(), "{excerpt}");
    }
}

#[test]
fn no_finding_holds_a_secret_and_no_digest_is_of_one() {
    let (output, findings) = faulty().probed();
    assert!(!serde_json::to_string(&(&findings, &output)).unwrap().contains(SECRET));
    let env = findings.iter().find(|finding| finding.rule == "env-file").unwrap();
    assert_eq!(env.excerpt.as_deref(), Some("/.env: sets APP_KEY, DB_PASSWORD"));
    // With another secret the digests are the same: nobody can test guesses against them.
    let mut other = faulty();
    for (_, headers, body) in other.pages.values_mut() {
        *body = String::from_utf8(body.clone()).map_or(body.clone(), |text| text.replace(SECRET, "tiger55tiger55").into_bytes());
        headers.iter_mut().for_each(|(_, value)| *value = value.replace(SECRET, "tiger55tiger55"));
    }
    assert_eq!(other.probed().1, findings);
}

#[test]
fn several_paths_of_one_check_are_one_finding_that_names_them_all() {
    let (_, findings) = faulty().probed();
    let git: Vec<_> = findings.iter().filter(|finding| finding.rule == "git-folder").collect();
    assert_eq!(git.len(), 1);
    assert_eq!(git[0].evidence.len(), 2);
    let excerpt = git[0].excerpt.as_deref().unwrap();
    assert_eq!(excerpt, "/.git/HEAD: `ref: refs/`; /.git/config: `[core]`, `repositoryformatversion`");
}

#[test]
fn a_fingerprint_stays_although_the_path_was_made_up() {
    let prints: Vec<Finding> = (0..2)
        .map(|_| {
            let debug = "You're seeing this error because you have <code>DEBUG = True</code> in your Django settings file";
            testing::answer_http(move |request| match request.uri().path() {
                "/app/" => Ok(super::answer(200, &GOOD, "<html>")),
                _ => Ok(super::answer(404, &[HTML], debug)),
            });
            let findings = probed(json!({"targets": ["https://shop.test/app/"], "groups": ["debug"]})).1;
            assert_eq!(rules(&findings), ["debug-page"]);
            findings[0].clone()
        })
        .collect();
    assert_ne!(prints[0].location, prints[1].location);
    assert_eq!(prints[0].fingerprint, prints[1].fingerprint);
}

#[test]
fn other_shapes_of_the_same_are_found_as_well() {
    let cases: [(&str, &[u8], &str); 24] = [
        ("/.git/HEAD", b"0123456789abcdef0123456789abcdef01234567\n", "git-folder"),
        ("/.git/index", b"DIRC\0\0\0\x02\0\0", "git-folder"),
        ("/.svn/entries", b"12\n", "svn-folder"),
        ("/.hg/hgrc", b"[paths]\ndefault = https://x\n", "hg-folder"),
        ("/.env.production", b"A=1\r\nB=2\r\n", "env-file"),
        ("/.env.local", b"name=caf\xe9\ndb_host=x\n", "env-file"),
        ("/.env.old", b"PRIVATE_KEY=\"-----BEGIN\nabc\ndef\n\"\n", "env-file"),
        ("/.htpasswd", b"admin:$apr1$x$y\n", "credential-file"),
        ("/.git-credentials", b"https://a:b@x\n", "credential-file"),
        ("/.npmrc", b"//registry.example.test/:_authToken=x\n", "credential-file"),
        ("/.ssh/id_rsa", concat!("-----BEGIN OPENSSH PRIV", "ATE KEY-----\nx\n").as_bytes(), "credential-file"),
        ("/db.sqlite3", b"SQLite format 3\0", "database-dump"),
        ("/dump.sql.gz", b"\x1f\x8b\x08\0", "database-dump"),
        ("/www.tar.gz", b"\x1f\x8b\x08\0", "backup-archive"),
        ("/settings.py~", b"import os\nDEBUG = True\n", "source-backup"),
        ("/web.config.bak", b"<?xml version=\"1.0\"?>\n<configuration></configuration>", "source-backup"),
        ("/.htaccess.bak", b"RewriteEngine On\n", "source-backup"),
        ("/.idea/workspace.xml", b"<?xml?><project version=\"4\"><component name=\"x\"/></project>", "ide-folder"),
        ("/files/", b"<title>Directory listing for /files/</title><h1>Directory listing for /files/</h1><ul>", "directory-listing"),
        ("/server-info", b"<title>Server Information</title><h1>Apache Server Information</h1>", "apache-status"),
        ("/actuator/heapdump", b"JAVA PROFILE 1.0.2\0", "spring-actuator-sensitive"),
        ("/swagger.yaml", b"swagger: '2.0'\npaths:\n", "openapi-description"),
        ("/swagger-ui.html", b"<div id=\"swagger-ui\"></div><script src=\"swagger-ui-bundle.js\">", "swagger-ui"),
        ("/api/v1/login/skippable", b"{\"skippable\":true}", "kubernetes-open"),
    ];
    for (path, body, rule) in cases {
        assert_eq!(rules(&Site::good().with(path, 200, &[], body).probed().1), [rule], "{path}");
    }
}

#[test]
fn each_framework_and_language_that_shows_its_inside_is_told() {
    let cases = [
        ("debug-page", "You\u{2019}re seeing this error because you have <code>DEBUG = True</code> in your Django"),
        ("debug-page", "<div class=\"Whoops container\">"),
        ("debug-page", "<title>Action Controller: Exception caught</title>"),
        ("debug-page", "<h1>Server Error in '/' Application.</h1><b>Stack Trace:</b><b>Version Information:</b>"),
        ("stack-trace", "java.lang.X\n\tat org.a.B.c(B.java:1)\n\tat org.a.D.e(D.java:2)\n"),
        ("stack-trace", "Error: x<br> &nbsp;at a (/x/node_modules/express/lib/router.js:1:2)<br> at b (/x/app.js:3:4)"),
        ("stack-trace", "Fatal error: Uncaught X in /var/www/a.php:3 Stack trace: #0 {main} thrown in /var/www/a.php on line 3"),
        ("stack-trace", "X: at System.A.B() in c\n at System.D.E()\nException"),
        ("stack-trace", "/app/a.rb:1:in `b'\n/app/c.rb:2:in `d'"),
        ("stack-trace", "goroutine 1 [running]:\nmain.main()\n\t/x/main.go:1"),
    ];
    for (rule, body) in cases {
        for path in ["/%FF%FE", "/?id%5B%5D=%27&page%5B%5D=%27&q%5B%5D=%27"] {
            assert_eq!(rules(&Site::good().with(path, 500, &[], body).probed().1), [rule], "{body}");
        }
    }
}

#[test]
fn weak_headers_are_found_as_missing_ones_are() {
    for (name, value, rule) in [
        ("strict-transport-security", "max-age=300", "hsts"),
        ("strict-transport-security", "includeSubDomains", "hsts"),
        ("content-security-policy", "script-src * 'self'; frame-ancestors 'none'", "content-security-policy"),
        ("content-security-policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'", "content-security-policy"),
        ("content-security-policy", "img-src 'self'; frame-ancestors 'none'", "content-security-policy"),
        ("x-content-type-options", "sniff", "content-type-options"),
        ("content-security-policy", "default-src 'self'", "frame-options"),
        ("referrer-policy", "unsafe-url", "referrer-policy"),
        ("server", "Apache/2.4.57 (Debian)", "version-header"),
    ] {
        let mut headers = GOOD.to_vec();
        headers.iter_mut().filter(|(other, _)| *other == name).for_each(|header| header.1 = value);
        let (_, findings) = Site::default().with("/", 200, &headers, "<html>").probed();
        assert_eq!(rules(&findings), [rule], "{name}: {value}");
    }
}

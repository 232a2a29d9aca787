//! Answers that look like a fault but are not.

use super::{GOOD, HTML, Site, answer, probed, rules};
use crate::check::{self, Looks};
use bailiwick_sdk::testing;
use serde_json::json;

/// A page for people with every word that a check looks for, as an article about these words.
fn article() -> String {
    let words = "phpMyAdmin, RabbitMQ, Grafana, Kibana, Jenkins, Traefik, Consul, etcd, Elasticsearch, Kubernetes, Swagger UI, Werkzeug \
                 Debugger, Traceback (most recent call last), Index of /, Active connections: 3, server accepts handled requests, \
                 # TYPE up gauge, [core] repositoryformatversion, ref: refs/heads/main, A_KEY=1, B=2, DB_PASSWORD=x, -- MySQL dump, \
                 CREATE TABLE a, INSERT INTO a, [default] aws_access_key_id aws_secret_access_key, PK\u{3}\u{4}, SQLite format 3, \
                 You Know, for Search, Apache Server Status, phpinfo(), import os, openapi: 3.1, b0VIM, Script Console";
    let escaped = "&lt;title&gt;Index of /&lt;/title&gt; &lt;div id=&quot;pma_navigation&quot;&gt; &lt;div id=&quot;swagger-ui&quot;&gt;";
    format!("<!doctype html><html><title>About phpMyAdmin</title><body>{words}\n{}\n{escaped}</body></html>", words.replace(", ", "\n"))
}

#[test]
fn a_page_that_only_mentions_a_thing_is_none() {
    // Each path has its own page, and a random path beside it answers 404. So only the check itself can reject the page.
    let mut site = Site::good();
    for check in check::all() {
        let Looks::AtPaths { paths, .. } = &check.looks else { continue };
        for path in paths.iter().filter(|path| !path.is_empty()) {
            site = site.with(&format!("/{path}"), 200, &[HTML], article());
        }
    }
    let (output, findings) = site.probed();
    assert_eq!(rules(&findings), Vec::<&str>::new());
    assert_eq!(output["targets"][0]["undecided"], json!({}));
}

#[test]
fn files_of_another_kind_are_none() {
    let cases: [(&str, &str); 26] = [
        ("/.git/HEAD", "ref: something"),
        ("/.git/config", "[core]\neditor = vim\n"),
        ("/.svn/entries", "hello\n"),
        ("/.svn/entries", "99\n"),
        ("/.hg/requires", "store\nmilk\n"),
        ("/.env", "hello=world\n"),
        ("/.env", "ONE=1\n"),
        ("/.env", "A=1\nB=2\nand some prose\n"),
        ("/.htpasswd", "admin: see the wiki\n"),
        ("/.npmrc", "registry=https://registry.example.test/\n"),
        ("/dump.sql", "nothing here"),
        ("/backup.zip", "PK, but not a zip"),
        ("/dump.sql.gz", "-- MySQL dump"),
        ("/index.php.bak", "moved"),
        ("/settings.py~", "this is important\n"),
        ("/.vscode/settings.json", "{}"),
        ("/metrics", "# TYPE of thing: other\n"),
        ("/metrics", "up 1\n"),
        ("/actuator", "{\"_links\":{}}"),
        ("/debug/vars", "{\"cmdline\":[]}"),
        ("/api/status", "{\"status\":{\"overall\":{\"level\":\"available\"}}}"),
        ("/api/json", "{\"jobs\":[]}"),
        ("/v2/_catalog", "{\"errors\":[{\"code\":\"UNAUTHORIZED\"}]}"),
        ("/version", "{\"version\":\"1.2.3\"}"),
        ("/openapi.json", "{\"paths\":{}}"),
        ("/graphql", "{\"errors\":[{\"message\":\"introspection is off\"}],\"data\":null}"),
    ];
    for (path, body) in cases {
        let (_, findings) = Site::good().with(path, 200, &[], body).probed();
        assert_eq!(rules(&findings), Vec::<&str>::new(), "{path}: {body}");
    }
}

#[test]
fn a_console_that_asks_who_is_there_is_none() {
    let form = "<div id=\"pma_navigation\"><script>CommonParams.setAll({})</script><input name=\"pma_username\">";
    for status in [401, 403] {
        let site = Site::good().with("/phpmyadmin/", 200, &[HTML], form).with("/api/overview", status, &[], "{\"error\":\"x\"}");
        let site = site.with("/.env", status, &[], "A_KEY=1\nB=2\n").with("/api/json", 302, &[("location", "/login")], "");
        assert_eq!(rules(&site.probed().1), Vec::<&str>::new());
    }
}

#[test]
fn what_is_found_where_nothing_can_be_is_called_a_soft_404() {
    // Every path has the same file, so nobody can tell what really exists.
    for body in ["A_KEY=1\nB=2\n", "ref: refs/heads/main\n", "<?php", "<title>Index of /</title><h1>Index of /</h1><a href=\"../\">"] {
        testing::answer_http(move |_| Ok(answer(200, &GOOD, body)));
        let (output, findings) = probed(json!({"targets": ["https://shop.test"]}));
        assert_eq!(rules(&findings), Vec::<&str>::new(), "{body}");
        assert_eq!(output["targets"][0]["soft_404"], json!(true));
        assert!(!output["targets"][0]["undecided"]["soft-404"].as_array().unwrap().is_empty(), "{body}");
        assert!(testing::take_log().iter().any(|line| line.contains("soft-404")));
    }
}

#[test]
fn a_file_that_is_there_is_found_even_on_a_site_that_says_200_to_everything() {
    testing::answer_http(|request| match request.uri().path() {
        "/.env" => Ok(answer(200, &[], "A_KEY=1\nB=2\n")),
        _ => Ok(answer(200, &GOOD, "<html><div id=app></div></html>")),
    });
    let (output, findings) = probed(json!({"targets": ["https://shop.test"]}));
    assert_eq!(rules(&findings), ["env-file"]);
    assert_eq!((&output["targets"][0]["soft_404"], &output["targets"][0]["undecided"]), (&json!(true), &json!({})));
}

#[test]
fn a_page_that_answers_for_a_whole_folder_is_found_and_the_site_is_not_blamed() {
    testing::answer_http(|request| match request.uri().path() {
        "/" => Ok(answer(200, &GOOD, "<html>")),
        path if path.starts_with("/swagger-ui/") => {
            Ok(answer(200, &[HTML], "<div id=\"swagger-ui\"></div><script src=\"swagger-ui-bundle.js\">"))
        }
        _ => Ok(answer(404, &[], "")),
    });
    let (output, findings) = probed(json!({"targets": ["https://shop.test"]}));
    assert_eq!(rules(&findings), ["swagger-ui"]);
    assert_eq!((&output["targets"][0]["soft_404"], &output["targets"][0]["undecided"]), (&json!(false), &json!({})));
}

#[test]
fn a_hit_beside_which_the_random_path_has_no_answer_is_left_open() {
    testing::answer_http(|request| match request.uri().path() {
        "/.env" => Ok(answer(200, &[], "A_KEY=1\nB=2\n")),
        "/" => Ok(answer(200, &GOOD, "<html>")),
        path if path.starts_with("/.") && !path.contains("HEAD") && path.len() > 12 && !path[1..].contains(['/', '_', '-', '~']) => {
            Ok(answer(503, &[], ""))
        }
        _ => Ok(answer(404, &[], "")),
    });
    let (output, findings) = probed(json!({"targets": ["https://shop.test"], "groups": ["secrets"]}));
    assert_eq!(rules(&findings), Vec::<&str>::new());
    assert_eq!(output["targets"][0]["undecided"]["unconfirmed"], json!(["env-file"]));
}

#[test]
fn traces_on_a_page_that_is_no_error_are_none() {
    let trace = "<html>Traceback (most recent call last):\n File \"a.py\", line 1 <div class=\"Whoops container\"></html>";
    let site = Site::default().with("/", 200, &GOOD, trace).with("/docs", 200, &[HTML], trace);
    assert_eq!(rules(&site.probed().1), Vec::<&str>::new());
}

#[test]
fn cookies_and_origins_with_which_nothing_is_amiss_are_none() {
    let cookies = [
        ("set-cookie", "session=x; Secure; HttpOnly; SameSite=Lax"),
        ("set-cookie", "XSRF-TOKEN=x; secure; samesite=strict"),
        ("set-cookie", "old=; Max-Age=0"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-origin", "https://partner.test"),
        ("x-powered-by", "Express"),
    ];
    let headers = [GOOD.as_slice(), &cookies].concat();
    assert_eq!(rules(&Site::default().with("/", 200, &headers, "<html>").probed().1), Vec::<&str>::new());
}

#[test]
fn clear_text_is_found_only_where_it_crosses_a_network_and_is_answered() {
    let at = |target: &str, status: u16, location: &'static str| {
        testing::answer_http(move |request| match request.uri().path() {
            "/" => Ok(answer(status, &[GOOD.as_slice(), &[("location", location)]].concat(), "<html>")),
            _ => Ok(answer(404, &[], "")),
        });
        let (output, findings) = probed(json!({"targets": [target], "groups": ["tls"]}));
        (findings.len(), output["targets"][0]["undecided"].clone())
    };
    assert_eq!(at("http://shop.test/", 200, ""), (1, json!({})));
    assert_eq!(at("http://127.0.0.1:8080/", 200, ""), (0, json!({})));
    assert_eq!(at("https://shop.test/", 200, ""), (0, json!({})));
    assert_eq!(at("http://shop.test/", 301, "https://shop.test/"), (0, json!({})));
    assert_eq!(at("http://shop.test/", 301, "http://other.test/"), (0, json!({"other-origin": ["tls-redirect"]})));
    assert_eq!(at("http://shop.test/", 404, ""), (0, json!({"no-page": ["tls-redirect"]})));
}

//! Copies that nobody meant to publish: archives, dumps of databases, and source under a name that the server does not execute.

use super::{Check, Group, Holds, Looks, Sight, beginning, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "database-dump",
        group: Group::Backups,
        severity: Severity::Critical,
        cwe: "CWE-530",
        title: "A dump of a database can be read",
        looks: Looks::AtPaths {
            paths: &[
                "backup.sql",
                "database.sql",
                "db.sql",
                "dump.sql",
                "mysql.sql",
                "backup.sql.gz",
                "database.sql.gz",
                "db.sql.gz",
                "dump.sql.gz",
                "database.sqlite",
                "db.sqlite3",
            ],
            holds: Holds::Much,
            sees: dump,
        },
    },
    Check {
        id: "backup-archive",
        group: Group::Backups,
        severity: Severity::High,
        cwe: "CWE-530",
        title: "An archive with the name of a backup can be read",
        looks: Looks::AtPaths {
            paths: &[
                "backup.zip",
                "backup.tar.gz",
                "backup.tgz",
                "site.zip",
                "site.tar.gz",
                "www.zip",
                "www.tar.gz",
                "html.zip",
                "html.tar.gz",
                "public_html.zip",
                "public_html.tar.gz",
                "source.zip",
                "source.tar.gz",
            ],
            holds: Holds::Much,
            sees: archive,
        },
    },
    Check {
        id: "source-backup",
        group: Group::Backups,
        severity: Severity::High,
        cwe: "CWE-530",
        title: "A copy of a source file can be read",
        looks: Looks::AtPaths {
            paths: &[
                "index.php.bak",
                "index.php.old",
                "index.php~",
                "config.php.bak",
                "config.php.old",
                "config.php~",
                "wp-config.php.bak",
                "wp-config.php.old",
                "wp-config.php.save",
                "wp-config.php~",
                "settings.py.bak",
                "settings.py~",
                "app.py.bak",
                "app.py~",
                "web.config.bak",
                "web.config.old",
                ".htaccess.bak",
            ],
            holds: Holds::Much,
            sees: source,
        },
    },
];

fn dump(page: &Page) -> Sight {
    if page.path.ends_with(".gz") {
        return gzip(page);
    }
    if page.path.contains(".sqlite") {
        return beginning(page, b"SQLite format 3\0", "a database of SQLite");
    }
    if page.is_html() {
        return None;
    }
    let lines = || page.text().lines().map(str::trim_start);
    let marks =
        ["-- MySQL dump ", "-- MariaDB dump ", "-- PostgreSQL database dump", "PRAGMA foreign_keys=", "CREATE TABLE ", "INSERT INTO "];
    let seen = marks.iter().find(|mark| lines().any(|line| line.starts_with(**mark)));
    seen.map(|mark| format!("`{}`", mark.trim_end()))
}

fn archive(page: &Page) -> Sight {
    if page.path.ends_with(".zip") { beginning(page, b"PK\x03\x04", "a zip archive") } else { gzip(page) }
}

/// A gzip file. The third byte (the only method of compression) is checked too, so that two bytes alone are not a match.
fn gzip(page: &Page) -> Sight {
    beginning(page, b"\x1f\x8b\x08", "a gzip archive")
}

fn source(page: &Page) -> Sight {
    let text = page.text().trim_start();
    if page.path.contains(".php") {
        return text.starts_with("<?php").then(|| "begins with `<?php`".to_owned());
    }
    if page.is_html() {
        return None;
    }
    if page.path.contains("web.config") {
        return words(page, &["<configuration"]).filter(|_| text.starts_with('<'));
    }
    if page.path.contains(".htaccess") {
        let rules = ["RewriteEngine ", "RewriteRule ", "AuthType ", "Deny from ", "Require ", "Options ", "DirectoryIndex "];
        let seen = rules.iter().find(|rule| page.text().lines().any(|line| line.trim_start().starts_with(**rule)));
        return seen.map(|rule| format!("`{}`", rule.trim_end()));
    }
    let imports = page.text().lines().filter(|line| is_import(line)).count();
    (imports > 0).then(|| format!("{imports} imports of Python"))
}

fn is_import(line: &str) -> bool {
    let is_module = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._, ".contains(&byte));
    let mut parts = line.splitn(2, " import ");
    match (parts.next().and_then(|front| front.strip_prefix("from ")), parts.next()) {
        (Some(module), Some(_)) => is_module(module) && !module.contains(' '),
        _ => line.strip_prefix("import ").is_some_and(|module| is_module(module) && module.split(' ').count() < 4),
    }
}

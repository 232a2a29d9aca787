//! Files that editors and operating systems leave behind, and default pages and listings, which a server shows unless it is
//! configured otherwise.

use super::{Check, Group, Holds, Looks, Sight, beginning, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "editor-swap-file",
        group: Group::Leftovers,
        severity: Severity::Medium,
        cwe: "CWE-538",
        title: "An editor's swap file can be read: it holds the text that was edited",
        looks: Looks::AtPaths {
            paths: &[".index.php.swp", ".config.php.swp", ".wp-config.php.swp", ".env.swp", ".settings.py.swp", ".htaccess.swp"],
            holds: Holds::Much,
            sees: |page| beginning(page, b"b0VIM ", "a swap file of Vim"),
        },
    },
    Check {
        id: "ds-store",
        group: Group::Leftovers,
        severity: Severity::Low,
        cwe: "CWE-538",
        title: "A `.DS_Store` can be read: it names the files of its folder",
        looks: Looks::AtPaths {
            paths: &[".DS_Store"],
            holds: Holds::Plain,
            sees: |page| beginning(page, b"\0\0\0\x01Bud1", "a `.DS_Store`"),
        },
    },
    Check {
        id: "ide-folder",
        group: Group::Leftovers,
        severity: Severity::Low,
        cwe: "CWE-538",
        title: "Settings of an editor can be read: they name files, machines and people",
        looks: Looks::AtPaths {
            paths: &[".idea/workspace.xml", ".idea/modules.xml", ".vscode/settings.json", ".vscode/launch.json", ".vscode/sftp.json"],
            holds: Holds::Secrets,
            sees: ide,
        },
    },
    Check {
        id: "directory-listing",
        group: Group::Listing,
        severity: Severity::Medium,
        cwe: "CWE-548",
        title: "A folder shows what is in it",
        looks: Looks::AtPaths {
            paths: &[
                "",
                "uploads/",
                "upload/",
                "files/",
                "backup/",
                "backups/",
                "static/",
                "assets/",
                "images/",
                "media/",
                "public/",
                "data/",
                "logs/",
                "tmp/",
                "download/",
            ],
            holds: Holds::Plain,
            sees: listing,
        },
    },
    Check {
        id: "default-page",
        group: Group::Default,
        severity: Severity::Low,
        cwe: "CWE-1188",
        title: "A server shows the page that it came with",
        looks: Looks::AtPaths { paths: &[""], holds: Holds::Plain, sees: default_page },
    },
];

fn ide(page: &Page) -> Sight {
    let text = page.text().trim_start();
    if page.path.ends_with(".xml") {
        return words(page, &["<project version=", "<component name="]).filter(|_| text.starts_with("<?xml"));
    }
    if !text.starts_with(['{', '/']) || page.is_html() {
        return None;
    }
    // With comments the file is not JSON, so recognise it by texts that no other file has.
    let marks: &[&str] = match page.path.rsplit('/').next() {
        Some("launch.json") => &["\"configurations\"", "\"request\""],
        Some("sftp.json") => &["\"host\"", "\"remotePath\""],
        _ => {
            let fronts = ["\"editor.", "\"files.", "\"python.", "\"workbench.", "\"terminal.", "\"git.", "\"search.", "\"eslint."];
            return fronts.iter().find(|front| page.has(front)).map(|front| format!("`{front}`"));
        }
    };
    words(page, marks)
}

fn listing(page: &Page) -> Sight {
    let shapes: [&[&str]; 8] = [
        &["<title>Index of /", "<h1>Index of /", "href=\"../\""],
        &["<title>Index of /", "<h1>Index of /", "?C=N;O=D"],
        &["<title>Index of /", "<h1>Index of /", "Parent Directory"],
        &["<title>Directory listing for /", "<h1>Directory listing for /", "<ul>"],
        &["<title>Directory Listing For ", "Last Modified", "<h1>Directory Listing For "],
        &["<TITLE>Directory: /", "<H1>Directory: /"],
        &["[To Parent Directory]</A>", "<pre>"],
        &["<title>listing directory /", "id=\"files\""],
    ];
    shapes.iter().find_map(|shape| words(page, shape))
}

fn default_page(page: &Page) -> Sight {
    let shapes: [&[&str]; 8] = [
        &["<title>Welcome to nginx!</title>", "<h1>Welcome to nginx!</h1>", "Thank you for using nginx"],
        &["<title>Apache2 Debian Default Page: It works</title>", "/var/www/html/index.html"],
        &["<title>Apache2 Ubuntu Default Page: It works</title>", "/var/www/html/index.html"],
        &["<title>HTTP Server Test Page powered by", "/etc/httpd/conf.d/welcome.conf"],
        &["<title>IIS Windows Server</title>", "iisstart"],
        &["<title>IIS Windows</title>", "iisstart"],
        &["<title>Apache Tomcat", "If you're seeing this, you've successfully installed Tomcat"],
        &["<title>Caddy works!</title>"],
    ];
    let bare = page.text().split_whitespace().collect::<String>();
    if bare.eq_ignore_ascii_case("<html><body><h1>Itworks!</h1></body></html>") {
        return Some("`It works!`".to_owned());
    }
    shapes.iter().find_map(|shape| words(page, shape))
}

//! Debug consoles, and errors that show the inside of a program.

use super::{Check, Group, Holds, Looks, Sight, words};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "werkzeug-console",
        group: Group::Debug,
        severity: Severity::Critical,
        cwe: "CWE-489",
        title: "The console of Werkzeug's debugger answers: anybody who has its PIN can run code",
        looks: Looks::AtPaths { paths: &["console"], holds: Holds::Secrets, sees: console },
    },
    Check {
        id: "php-info",
        group: Group::Debug,
        severity: Severity::Medium,
        cwe: "CWE-497",
        title: "A page of `phpinfo()` can be read",
        looks: Looks::AtPaths {
            paths: &["phpinfo.php", "info.php", "test.php", "php.php", "i.php"],
            holds: Holds::Secrets,
            sees: |page| words(page, &["phpinfo()</title>", "<h1 class=\"p\">PHP Version "]),
        },
    },
    Check {
        id: "debug-page",
        group: Group::Debug,
        severity: Severity::High,
        cwe: "CWE-489",
        title: "An error shows the debug page of a framework",
        looks: Looks::AtErrors { sees: debug_page },
    },
    Check {
        id: "stack-trace",
        group: Group::Debug,
        severity: Severity::Medium,
        cwe: "CWE-209",
        title: "An error shows a stack trace",
        looks: Looks::AtErrors { sees: stack_trace },
    },
];

fn console(page: &Page) -> Sight {
    words(page, &["<title>Console // Werkzeug Debugger</title>", "CONSOLE_MODE = true"])
        .or_else(|| words(page, &["Werkzeug Debugger</title>", "EVALEX = true", "SECRET = \""]).map(|_| "`EVALEX = true`".to_owned()))
}

/// Texts that each framework puts on its debug page, and on no other page.
const FRAMEWORKS: [(&str, &[&str]); 11] = [
    ("Werkzeug", &["Werkzeug Debugger</title>", "<div class=\"debugger\">"]),
    ("Django", &["You\u{2019}re seeing this error because you have <code>DEBUG = True</code>"]),
    ("Django", &["You're seeing this error because you have <code>DEBUG = True</code>"]),
    ("Laravel", &["<div class=\"Whoops container\">"]),
    ("Laravel", &["window.ignite(", "\"solutions\""]),
    ("Laravel", &["<title>Whoops! There was an error.</title>"]),
    ("Rails", &["<title>Action Controller: Exception caught</title>"]),
    ("Rails", &["Rails.root: ", "id=\"traces\""]),
    ("Symfony", &["<!-- ", "Symfony Exception", "class=\"trace"]),
    ("ASP.NET", &["<b>Stack Trace:</b>", "Version Information:</b>", "Server Error in '"]),
    ("Express with Youch", &["<title>Youch", "frames-list"]),
];

fn debug_page(page: &Page) -> Sight {
    FRAMEWORKS.iter().find(|(_, signs)| page.has_all(signs)).map(|(name, _)| format!("the debug page of {name}"))
}

/// A stack trace, recognised by the shape of at least two frames: a single line may be a quotation.
fn stack_trace(page: &Page) -> Sight {
    if debug_page(page).is_some() {
        return None;
    }
    let count = |mark: &str| page.text().matches(mark).count();
    // In HTML a quotation mark may be written as an entity.
    let python = page.has("Traceback (most recent call last)") && (count("File \"") + count("File &quot;") + count("File &#34;") >= 1);
    let java = count(".java:") >= 2 && (count("\tat ") + count("at org.") + count("at java.") >= 2);
    let php = (page.has("Fatal error") || page.has("Uncaught ")) && page.has(".php") && (page.has(" on line ") || page.has("#0 "));
    let node = count(".js:") >= 2 && count("at ") >= 2 && (page.has("node_modules") || page.has("node:internal"));
    let dotnet = count("at System.") + count("at Microsoft.") >= 2 && page.has("Exception");
    let ruby = count(".rb:") >= 2 && (count(":in `") + count(":in '") + count(":in &#39;") >= 2);
    let go = page.has("goroutine ") && page.has(" [running]:") && page.has(".go:");
    let all = [("Python", python), ("Java", java), ("PHP", php), ("Node.js", node), (".NET", dotnet), ("Ruby", ruby), ("Go", go)];
    all.iter().find(|(_, seen)| *seen).map(|(name, _)| format!("a stack trace of {name}, with status {}", page.status.as_u16()))
}

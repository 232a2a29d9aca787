//! Folders that version control keeps beside the files. The whole source can be restored from them.

use super::{Check, Group, Holds, Looks, Sight, beginning, file_with};
use crate::page::Page;
use bailiwick_sdk::findings::Severity;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "git-folder",
        group: Group::Vcs,
        severity: Severity::High,
        cwe: "CWE-527",
        title: "The folder `.git` can be read: the source and its history can be taken",
        looks: Looks::AtPaths { paths: &[".git/HEAD", ".git/config", ".git/index"], holds: Holds::Secrets, sees: git },
    },
    Check {
        id: "svn-folder",
        group: Group::Vcs,
        severity: Severity::High,
        cwe: "CWE-527",
        title: "The folder `.svn` can be read: the source can be taken",
        looks: Looks::AtPaths { paths: &[".svn/entries", ".svn/wc.db"], holds: Holds::Secrets, sees: svn },
    },
    Check {
        id: "hg-folder",
        group: Group::Vcs,
        severity: Severity::High,
        cwe: "CWE-527",
        title: "The folder `.hg` can be read: the source and its history can be taken",
        looks: Looks::AtPaths { paths: &[".hg/requires", ".hg/hgrc"], holds: Holds::Secrets, sees: hg },
    },
];

fn git(page: &Page) -> Sight {
    if page.path.ends_with("/HEAD") {
        let line = page.text().trim_end();
        let is_ref = line.starts_with("ref: refs/") && line.len() < 256 && line.lines().count() == 1;
        let is_commit = line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        return (is_ref || is_commit).then(|| if is_ref { "`ref: refs/`".to_owned() } else { "the name of a commit".to_owned() });
    }
    if page.path.ends_with("/index") {
        return beginning(page, b"DIRC\0\0\0", "an index of git");
    }
    file_with(page, &["[core]", "repositoryformatversion"])
}

fn svn(page: &Page) -> Sight {
    if page.path.ends_with("/wc.db") {
        return beginning(page, b"SQLite format 3\0", "a database of SQLite");
    }
    // Since 1.7 the file contains only the number of its format; before, it contained the entries too.
    let mut lines = page.text().lines();
    let format = lines.next().and_then(|line| line.trim().parse::<u8>().ok()).filter(|format| (4..=12).contains(format))?;
    let plausible = lines.clone().all(|line| line.trim().is_empty()) && lines.count() < 2 || page.has("\ndir\n");
    (plausible && !page.is_html()).then(|| format!("format {format} of a working copy"))
}

fn hg(page: &Page) -> Sight {
    if page.path.ends_with("/hgrc") {
        return file_with(page, &["[paths]", "default"]);
    }
    const FEATURES: [&str; 8] =
        ["revlogv1", "store", "fncache", "dotencode", "generaldelta", "sparserevlog", "share-safe", "persistent-nodemap"];
    let is_one = |line: &str| FEATURES.contains(&line.trim()) || line.starts_with("revlog-compression-") || line.starts_with("exp-");
    let lines: Vec<&str> = page.text().lines().collect();
    let known = lines.iter().filter(|line| is_one(line)).count();
    (known > 0 && known == lines.len()).then(|| format!("{known} features of a repository"))
}

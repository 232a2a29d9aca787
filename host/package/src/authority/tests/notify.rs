//! Whatever is other about notices is another authority, and is shown.

use super::{Spelling, whole};

const NOTICES: &str = r#"
[policy]
files = ["src/all.cedar"]
[credentials.hook]
kind = "hmac"
header = "x-signature"
hosts = ["hooks.test"]
[credentials.hook-too]
kind = "hmac"
header = "x-signature"
hosts = ["hooks.test"]
[notify.ops]
kind = "webhook"
url = "https://hooks.test/in"
credential = "hook"
addresses = ["10.0.0.0/8"]
[notify.post]
kind = "mail"
from = "bailiwick@a.test"
recipients = ["board@a.test", "more@a.test"]
sendmail = "/usr/sbin/sendmail"
"#;

#[test]
fn whatever_is_other_about_a_notice_is_another_authority_and_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("here/src")).unwrap();
    std::fs::write(folder.path().join("here/src/all.cedar"), "@id(\"all\") permit (principal, action, resource);").unwrap();
    let (config, before) = whole(folder.path(), NOTICES);
    let spelling = Spelling::from_folder_of(&config);
    for (old, new) in [
        ("[notify.ops]", "[notify.ops-too]"),
        ("\"webhook\"", "\"teams\""),
        ("hooks.test/in", "hooks.test/out"),
        ("credential = \"hook\"\n", "credential = \"hook-too\"\n"),
        ("credential = \"hook\"\n", ""),
        ("10.0.0.0/8", "10.2.0.0/16"),
        ("addresses = [\"10.0.0.0/8\"]\n", "addresses = [\"10.0.0.0/8\"]\ndetails = true\n"),
        ("from = \"bailiwick@a.test\"", "from = \"other@a.test\""),
        ("more@a.test", "other@a.test"),
        (", \"more@a.test\"", ""),
        ("/usr/sbin/sendmail", "/usr/bin/msmtp"),
        ("[notify.post]\nkind = \"mail\"\n", "[notify.post]\nkind = \"mail\"\ndetails = true\n"),
    ] {
        assert!(NOTICES.contains(old), "{old}");
        let (_, after) = whole(folder.path(), &NOTICES.replace(old, new));
        assert_ne!(before.digest().unwrap(), after.digest().unwrap(), "{old} -> {new}");
        let shown = after.difference_from(&before, &spelling);
        assert!(shown.iter().any(|line| line.contains("people are told at")), "{old} -> {new}: {shown:?}");
    }
    let (_, other_order) =
        whole(folder.path(), &NOTICES.replace("[\"board@a.test\", \"more@a.test\"]", "[\"more@a.test\", \"board@a.test\"]"));
    assert_eq!(before.digest().unwrap(), other_order.digest().unwrap(), "the control: the order means nothing");
    let without = NOTICES.split("[notify.ops]").next().unwrap();
    let (_, silent) = whole(folder.path(), without);
    assert!(!String::from_utf8(silent.canonical_bytes().unwrap()).unwrap().contains("notify"), "without notices, the value is as before");
}

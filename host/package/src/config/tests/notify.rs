//! Where people are told: only where that is safe, and only what can have an effect.

use super::{Place, wrong};

/// Notices, with a policy, and with these lines in the table.
fn notify(lines: &str) -> String {
    let hook = "[credentials.hook]\nkind = \"hmac\"\nheader = \"x-signature\"\nhosts = [\"hooks.test\"]\npaths = [\"/in/**\"]\n";
    let foreign = "[credentials.foreign]\nkind = \"bearer\"\nhosts = [\"hooks.test\"]\nsource = \"env:HOOK\"\n";
    format!("[policy]\nfiles = [\"all.cedar\"]\n{hook}{foreign}[notify.ops]\n{lines}\n")
}

#[test]
fn a_notice_goes_only_where_it_can_go_safely() {
    let place = Place::new();
    std::fs::write(place.path("all.cedar"), "@id(\"all\") permit (principal, action, resource);").unwrap();
    let good = "kind = \"webhook\"\nurl = \"https://hooks.test/in/x\"\ncredential = \"hook\"\ndetails = true";
    let mail = "kind = \"mail\"\nfrom = \"bailiwick@a.test\"\nrecipients = [\"board@a.test\"]\nsendmail = \"/usr/sbin/sendmail\"";
    for lines in [good, mail, "kind = \"slack\"\nurl = \"http://127.0.0.1:8080/\""] {
        assert!(place.resolve(&notify(lines)).is_ok(), "{lines}: {:?}", place.resolve(&notify(lines)).err());
    }
    for (lines, said) in [
        (good.replace("https:", "http:"), "must begin with `https://`"),
        (good.replace("hooks.test/in", "other.test/in"), "may not be sent to this `url`"),
        (good.replace("hooks.test/in", "hooks.test/out"), "may not be sent to this `url`"),
        (good.replace("\"hook\"", "\"foreign\""), "must have the source `local`"),
        (good.replace("\"hook\"", "\"absent\""), "is not a credential"),
        (good.replace("webhook", "get"), "is not one of: webhook, slack, teams, mail"),
        (good.replace("details", "recipients"), "is not a key here"),
        (mail.replace("board@a.test", "-oQ/tmp@a.test"), "is not an address of mail"),
        (mail.replace("board@a.test", "a@b.test\\nbcc: c@d.test"), "is not an address of mail"),
        (mail.replace("/usr/sbin/sendmail", "sendmail"), "an absolute path"),
        (mail.replace("[\"board@a.test\"]", "[]"), "must not be empty"),
        ("kind = \"mail\"\nrecipients = [\"a@b.test\"]".to_owned(), "notify.ops.from: is missing"),
    ] {
        let err = place.resolve(&notify(&lines)).unwrap_err();
        assert!(err.contains(said), "{lines}: {err}");
    }
    wrong("[notify.ops]\nkind = \"mail\"\nfrom = \"a@b.test\"\nrecipients = [\"a@b.test\"]\n", "notify: has no effect without `[policy]`");
}

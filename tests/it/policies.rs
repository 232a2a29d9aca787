//! Policies: the example in the guide, the cases beside them, and what is shown of them.

use tests::program::Program;
use tests::tools::root;

/// The blocks of the guide in this language.
fn blocks(language: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    let fence = format!("```{language}\n");
    guide.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn ends(program: &Program, args: &[&str], code: i32) -> String {
    let output = program.run(args);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

/// The configuration, the policies and the cases of the guide.
fn guide() -> Program {
    let toml = blocks("toml");
    let grant = "[[agents.rotate.http]]\nhost = \"*.example.com\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/**\"]\n";
    let program = Program::new(&format!("{}\n{grant}", toml[0]));
    let here = program.folder().join("here");
    std::fs::create_dir_all(here.join("policy/tests")).unwrap();
    std::fs::write(here.join("policy/a.cedar"), blocks("cedar").join("\n")).unwrap();
    std::fs::write(here.join("policy/tests/a.toml"), &toml[1]).unwrap();
    program
}

#[test]
fn the_examples_of_the_guide_are_read_and_their_cases_pass() {
    let program = guide();
    let said = ends(&program, &["policy", "check"], 0);
    assert!(said.contains("5 policies without a fault, and 2 people who may vote"), "{said}");
    // The body of the first case is also what another policy of the guide forbids, so it is left out of this set.
    let here = program.folder().join("here");
    std::fs::write(here.join("policy/a.cedar"), &blocks("cedar")[0]).unwrap();
    let said = ends(&program, &["policy", "test"], 0);
    assert!(said.contains("2 cases, 0 failed") && said.contains("approval by production-needs-two"), "{said}");
    let cases = std::fs::read_to_string(here.join("policy/tests/a.toml")).unwrap();
    std::fs::write(here.join("policy/tests/a.toml"), cases.replace("expect = \"permit\"", "expect = \"refuse\"")).unwrap();
    let said = ends(&program, &["policy", "test"], 2);
    assert!(said.contains("FAILED  and is permitted") && said.contains("1 of 2 cases failed"), "{said}");
}

#[test]
fn faults_of_cases_and_of_people_are_told_with_their_place() {
    let program = guide();
    let here = program.folder().join("here");
    for (case, words) in [
        (
            "[[case]]\nname = \"a\"\nagent = \"nobody\"\nrequest = \"GET https://a.example.com/\"\nexpect = \"permit\"\n",
            "there is no agent `nobody`",
        ),
        ("[[case]]\nname = \"a\"\nagent = \"rotate\"\nexpect = \"permit\"\n", "either `request`, or"),
        ("[[case]]\nname = \"a\"\nagent = \"rotate\"\nrequest = \"GET\"\nexpect = \"permit\"\n", "a method and a URL"),
        ("[[case]]\nname = \"a\"\nagent = \"rotate\"\nexpekt = \"permit\"\n", "expekt"),
        ("", "has no file"),
    ] {
        std::fs::write(here.join("policy/tests/a.toml"), case).unwrap();
        let said = ends(&program, &["policy", "test"], 2);
        assert!(said.contains(words), "{case}: {said}");
    }
    let config = std::fs::read_to_string(program.config()).unwrap();
    for (from, to, words) in [
        ("groups = [\"change-board\"]\nkeys", "groups = [\"Board\"]\nkeys", "group"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICYq", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICY", "not a public key"),
        ("[people.bob]", "[people.bob]\nuser = \"alice\"", "somebody else"),
        ("policy/*.cedar", "policy/*.ceder", "matches no file"),
        ("policy/*.cedar", "*/a.cedar", "only the name of a file"),
        ("tests = \"policy/tests\"", "test = \"policy/tests\"", "is not a key here"),
        ("[policy]\nfiles = [\"policy/*.cedar\"]\ntests = \"policy/tests\"", "", "has no effect without `[policy]`"),
    ] {
        assert!(config.contains(from), "{from}");
        std::fs::write(program.config(), config.replace(from, to)).unwrap();
        let said = ends(&program, &["policy", "check"], 2);
        assert!(said.contains(words), "{to}: {said}");
    }
    // The key of one person can't be that of another.
    let keys: Vec<&str> = config.lines().filter(|line| line.starts_with("keys = ")).collect();
    std::fs::write(program.config(), config.replace(keys[1], keys[0])).unwrap();
    let said = ends(&program, &["policy", "check"], 2);
    assert!(said.contains("a key is the key of one person"), "{said}");
}

#[test]
fn policies_and_people_have_to_be_trusted_like_everything_else() {
    let program = guide();
    let here = program.folder().join("here");
    std::fs::write(program.config(), std::fs::read_to_string(program.config()).unwrap().replace("agents/rotate", &guest())).unwrap();
    let shown = ends(&program, &["trust"], 0);
    for words in ["subject to the policies in", "alice may vote for change-board", "in the groups rotators"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let trusted = |program: &Program| ends(program, &["check"], 0).contains("and trusted");
    assert!(trusted(&program));
    let policies = std::fs::read_to_string(here.join("policy/a.cedar")).unwrap();
    std::fs::write(here.join("policy/a.cedar"), policies.replace("@quorum(\"2\")", "@quorum(\"1\")")).unwrap();
    assert!(!trusted(&program), "a policy that was changed");
    std::fs::write(here.join("policy/a.cedar"), &policies).unwrap();
    assert!(trusted(&program), "the control");
    let config = std::fs::read_to_string(program.config()).unwrap();
    for (from, to) in [
        ("groups = [\"rotators\"]", "groups = [\"others\"]"),
        ("groups = [\"change-board\"]", "groups = [\"change-board\", \"others\"]"),
        ("[people.alice]", "[people.alice]\nuser = \"a\""),
        ("[people.bob]", "[people.robert]"),
        ("[agents.rotate]", "[agents.rotate]\nowner = \"somebody\""),
    ] {
        assert!(config.contains(from), "{from}");
        std::fs::write(program.config(), config.replacen(from, to, 1)).unwrap();
        assert!(!trusted(&program), "{to}");
    }
    std::fs::write(program.config(), &config).unwrap();
    assert!(trusted(&program), "the control");
    std::fs::write(here.join("policy/b.cedar"), "@id(\"b\") permit (principal, action, resource);").unwrap();
    assert!(!trusted(&program), "a policy that was added");
}

fn guest() -> String {
    tests::guests::guest("post").display().to_string()
}

#[test]
fn the_schema_is_printed_for_other_tools() {
    let program = Program::new("");
    let schema = ends(&program, &["policy", "schema"], 0);
    for words in ["entity Agent in [AgentGroup]", "action \"http.write\" in [\"http\", \"mutate\", \"egress\"]", "rotation-set"] {
        assert!(schema.contains(words), "{words}: {schema}");
    }
}

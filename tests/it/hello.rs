//! The shortest path through the whole host.

use tests::host::{TestHost, mount, printed};
use vocabulary::Outcome;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_reads_its_mount_and_the_record_shows_it() {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    let mut order = host.order("reads_files", &["/src"]);
    mount(&mut order, "/src", tree.path());
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(printed(&report).contains("a.txt"), "{}", printed(&report));
    assert!(report.evidence.touched.files.iter().any(|file| file.path.as_str() == "/src/a.txt"), "{:?}", report.evidence.touched);
}

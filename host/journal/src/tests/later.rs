//! Which records are written together, and that none of them waits for another without end.

use std::time::Duration;

use crate::entry::Entry;
use crate::queue::{Meta, Queue};
use crate::tree::Tree;
use crate::{Journal, Options};

use super::kit::run;

fn queue() -> Queue {
    Queue::new(Tree::default(), 0, 1000, 100_000)
}

fn push(queue: &Queue, bytes: usize, is_urgent: bool) {
    let meta = Meta { run: run(1), seq: 1, hash: [0; 32], ends: false, slot: None };
    queue.push(&vec![7; bytes], [meta], is_urgent).unwrap();
}

/// How many records are in each batch that the writer gets, until the queue is empty.
fn batches(queue: &Queue) -> Vec<usize> {
    queue.close();
    std::iter::from_fn(|| queue.take()).map(|batch| batch.leaves.len()).collect()
}

#[test]
fn a_record_that_nobody_waits_for_is_written_with_the_one_behind_it_and_alone_after_a_moment() {
    let queue = queue();
    push(&queue, 10, false);
    assert_eq!(queue.take().unwrap().leaves.len(), 1, "nothing came behind it, and nothing woke the writer");
    push(&queue, 10, false);
    push(&queue, 10, true);
    assert_eq!(queue.take().unwrap().leaves.len(), 2);
    assert!(batches(&queue).is_empty());
}

/// The moment is so long here that the test would not end if the writer were not woken.
#[test]
fn an_urgent_record_a_full_batch_and_somebody_who_waits_end_the_moment() {
    for how in 0..4 {
        let mut queue = queue();
        queue.later = Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| queue.take().map(|batch| batch.leaves.len()));
            push(&queue, 10, false);
            match how {
                0 => push(&queue, 10, true),
                1 => push(&queue, 2000, false),
                2 => drop(queue.last()),
                _ => queue.close(),
            }
            let taken = writer.join().unwrap().unwrap();
            // The writer may have been quicker than this thread.
            assert!((1..=2).contains(&taken), "{taken}");
        });
    }
}

#[test]
fn what_is_appended_for_later_is_durable_without_anybody_asking_and_is_there_after_closing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(&dir.path().join("home"), None, Options::default()).unwrap();
    journal.open_run(run(1)).unwrap();
    let later = |body: &[u8]| journal.append_entry(Entry { later: true, ..Entry::new(run(1), body.to_vec()) }).unwrap();
    later(b"first").ticket.wait_blocking().unwrap();
    drop(later(b"second"));
    journal.durable().wait_blocking().unwrap();
    assert_eq!(journal.size(), 2);
    drop(later(b"third"));
    journal.clone().close().unwrap();
    let report = crate::verify(&dir.path().join("home"), None, None, &mut |_| {});
    assert!(report.holds());
    assert_eq!(report.size, 3);
}

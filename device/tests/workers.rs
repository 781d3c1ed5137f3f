//! Workers that several callers share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use attend_device::Workers;

#[test]
fn results_come_in_the_order_of_the_items() {
    for (count, threads) in [(1, 1), (3, 1), (2, 2)] {
        let workers = Workers::start(count, threads).unwrap();
        assert_eq!(workers.count(), count);
        let squares = workers.map(0..100u64, |number| {
            thread::sleep(Duration::from_micros(number % 7 * 100));
            number * number
        });
        assert_eq!(
            squares,
            (0..100).map(|number| number * number).collect::<Vec<_>>()
        );
        assert!(workers.map(0..0, |number: u8| number).is_empty());
    }
}

#[test]
fn all_workers_work_at_once() {
    let workers = Workers::start(3, 1).unwrap();
    let barrier = std::sync::Barrier::new(3);
    let threads = workers.map(0..3, |_| {
        barrier.wait();
        thread::current().id()
    });
    assert!(threads[0] != threads[1] && threads[1] != threads[2] && threads[2] != threads[0]);
    assert!(!threads.contains(&thread::current().id()));
}

/// The second caller's one item is done long before the first caller's hundred are.
#[test]
fn callers_take_turns() {
    let workers = Workers::start(1, 1).unwrap();
    let done = AtomicUsize::new(0);
    let (started, has_started) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            workers.map(0..100, |_| {
                let _ = started.send(());
                thread::sleep(Duration::from_millis(5));
                done.fetch_add(1, Ordering::SeqCst);
            })
        });
        has_started.recv().unwrap();
        let done_then = workers.map([()], |()| done.load(Ordering::SeqCst))[0];
        assert!(done_then < 50, "{done_then} items came first");
    });
    assert_eq!(done.into_inner(), 100);
}

#[test]
fn work_may_ask_its_own_workers() {
    let workers = Workers::start(2, 1).unwrap();
    let (finished, has_finished) = mpsc::channel();
    thread::spawn(move || {
        let sums = workers.map(0..4, |left| workers.map(0..4, |right| left + right));
        finished.send(sums.concat().iter().sum::<i32>()).unwrap();
    });
    let sum = has_finished.recv_timeout(Duration::from_secs(30));
    assert_eq!(sum, Ok(48), "workers that wait for themselves");
}

#[test]
fn a_panic_reaches_the_caller_and_the_workers_go_on() {
    let workers = Workers::start(2, 1).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        workers.map(0..100, |number| assert_ne!(number, 3));
    }));
    assert!(panic.is_err());
    assert_eq!(workers.map(0..3, |number| number), [0, 1, 2]);
}

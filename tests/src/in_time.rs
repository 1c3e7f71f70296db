//! A runtime that ends in time.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// What its threads may take to end once the story has: whoever drops a runtime waits for them for ever.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Plays `story` in a runtime of its own and answers what came of it. Threads that do not end with the runtime are told of
/// on standard error, by what they wait for, and are left behind.
///
/// # Panics
///
/// When the system has no threads to give, or the story panics.
pub fn in_time<T>(story: impl Future<Output = T>) -> T {
    let (outcome, threads) = play(story, ENDS_WITHIN);
    if let Some(threads) = threads {
        tell(&threads);
    }
    outcome
}

/// What came of `story`, and the threads of this process where those of its runtime do not end within that time.
fn play<T>(story: impl Future<Output = T>, within: Duration) -> (T, Option<String>) {
    #[expect(clippy::expect_used, reason = "nothing runs without it")]
    let runtime = Runtime::new().expect("a runtime");
    let outcome = runtime.block_on(story);
    #[expect(clippy::disallowed_methods, reason = "threads end in real time")]
    let ended = Instant::now();
    runtime.shutdown_timeout(within);
    let is_late = ended.elapsed() >= within;
    (outcome, is_late.then(threads))
}

/// A line each: its name, where it waits, and the system call it is in.
fn threads() -> String {
    let mut lines = String::new();
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let [name, place, call] = ["comm", "wchan", "syscall"].map(|file| read(file).trim().to_owned());
        lines += &format!("  {name}: {place}, {call}\n");
    }
    lines
}

#[expect(clippy::print_stderr, reason = "who runs the stories reads it")]
fn tell(threads: &str) {
    eprintln!("threads of a runtime did not end within {ENDS_WITHIN:?}, of these:\n{threads}");
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_does_not_end_is_told_of_and_keeps_nobody() {
        let (release, held) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let story = async move {
            drop(tokio::task::spawn_blocking(move || {
                begun.send(()).unwrap();
                held.recv()
            }));
            has_begun.recv().unwrap();
            7
        };
        let (outcome, threads) = play(story, Duration::from_millis(1));
        assert_eq!(outcome, 7);
        assert!(threads.unwrap().lines().count() > 1);
        drop(release);
    }

    #[test]
    fn a_runtime_that_ends_leaves_nothing_to_tell() {
        assert_eq!(play(async { 7 }, ENDS_WITHIN), (7, None));
    }
}

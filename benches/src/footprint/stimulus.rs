//! A pupil in a hurry: ten windows, a hundred file events and five pages a second, none of which matches.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::report::now;
use crate::titles::Screen;

/// A file event.
const TICK: Duration = Duration::from_millis(10);
const TICKS_A_WINDOW: u64 = 10;
const TICKS_A_PAGE: u64 = 20;
/// Files that lie there before the oldest is removed.
const FILES: usize = 50;

/// How often the extension says that it lives; the service ends a browser's connection that does not.
const PING: Duration = Duration::from_secs(20);

/// Says for a browser that it lives, for as long as its host takes it.
pub(super) async fn live(mut browser: File) {
    while browser.write_all(&native("ping", 0)).is_ok() {
        tokio::time::sleep(PING).await;
    }
}

/// Work going on until it is ended.
pub(super) struct Stimulus {
    end: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Done>>,
}

/// What was done, a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    ticks: u64,
    seconds: f64,
}

impl Stimulus {
    pub(super) fn begin(screen: Arc<Screen>, folder: PathBuf, browser: File) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&end);
        let thread = std::thread::spawn(move || work(&screen, &folder, browser, &asked));
        Self { end, thread }
    }

    /// Ends it, and tells how much was done.
    pub(super) fn end(self) -> anyhow::Result<Done> {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the work panicked"))?
    }
}

fn work(screen: &Screen, folder: &Path, mut browser: File, end: &AtomicBool) -> anyhow::Result<Done> {
    let begun = now();
    let mut files = VecDeque::new();
    let mut ticks = 0;
    while !end.load(Ordering::Relaxed) {
        ticks += 1;
        match files.pop_front() {
            Some(oldest) if files.len() + 1 >= FILES && ticks % 2 == 0 => std::fs::remove_file(oldest)?,
            kept => {
                files.extend(kept);
                let file = folder.join(format!("homework {ticks}.txt"));
                std::fs::write(&file, "Fractions and decimals, questions 1 to 12.")?;
                files.push_back(file);
            }
        }
        if ticks % TICKS_A_WINDOW == 0 {
            let title = format!("Worksheet {ticks} on photosynthesis for Year 8");
            let window = screen.rename_behind(&title, usize::try_from(ticks)?)?;
            screen.activate(window)?;
        }
        if ticks % TICKS_A_PAGE == 0 {
            browser.write_all(&native("committed", ticks))?;
        }
        let due = begun + TICK * u32::try_from(ticks)?;
        std::thread::sleep(due.saturating_duration_since(now()));
    }
    Ok(Done { ticks, seconds: begun.elapsed().as_secs_f64() })
}

/// A message of the extension, as the browser frames it.
pub(super) fn native(kind: &str, number: u64) -> Vec<u8> {
    let url = format!("https://encyclopedia.example/wiki/Photosynthesis?oldid={number}");
    let message = serde_json::json!({
        "v": 1, "seq": number, "kind": kind, "tab": 5, "url": url, "private": false, "browser": "chromium",
        "active": true,
    });
    let message = message.to_string().into_bytes();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_ne_bytes();
    [length.as_slice(), &message].concat()
}

impl fmt::Display for Done {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.ticks as f64 / self.seconds;
        write!(f, "{:.0} files, {:.1} windows, {:.1} pages a second", files, files / 10.0, files / 20.0)
    }
}

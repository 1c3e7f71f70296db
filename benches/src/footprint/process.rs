//! What a process uses, by what the kernel keeps of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::report::now;

pub(super) const MIB: f64 = 1024.0 * 1024.0;
/// What the threads of sled's pool are called.
const POOL: &str = "sled";

/// A running process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    name: &'static str,
    id: u32,
}

/// What it used over a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) resident_mib: f64,
    /// Of pages that others map too, only its share.
    pub(super) share_mib: f64,
    pub(super) percent: f64,
    pub(super) own_wakes: f64,
    pub(super) all_wakes: f64,
}

/// What each thread has used since it started.
struct Sample {
    at: Instant,
    threads: BTreeMap<String, Thread>,
}

#[derive(Clone, Copy, Default)]
struct Thread {
    busy_ns: u64,
    wakes: u64,
    pool: bool,
}

/// What `processes` use `during` a while; memory as it is at its end.
pub(super) async fn use_during(processes: &[Process], during: Duration) -> anyhow::Result<Vec<Usage>> {
    let before: Vec<_> = processes.iter().map(Process::sample).collect::<anyhow::Result<_>>()?;
    tokio::time::sleep(during).await;
    processes.iter().zip(&before).map(|(process, before)| process.usage_since(before)).collect()
}

impl Process {
    pub(super) const fn new(name: &'static str, id: u32) -> Self {
        Self { name, id }
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is_service(&self) -> bool {
        self.name == super::pc::SERVICE
    }

    fn path(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.id))
    }

    fn sample(&self) -> anyhow::Result<Sample> {
        let listed = std::fs::read_dir(self.path("task")).with_context(|| format!("{} has ended", self.name))?;
        let mut threads = BTreeMap::new();
        for entry in listed {
            let folder = entry?.path();
            let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            let busy_ns = read("schedstat").split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
            let wakes = line(&read("status"), "voluntary_ctxt_switches:").unwrap_or(0);
            let pool = read("comm").starts_with(POOL);
            threads.insert(folder.display().to_string(), Thread { busy_ns, wakes, pool });
        }
        Ok(Sample { at: now(), threads })
    }

    #[expect(clippy::cast_precision_loss, reason = "figures of a few minutes")]
    fn usage_since(&self, before: &Sample) -> anyhow::Result<Usage> {
        let after = self.sample()?;
        let seconds = (after.at - before.at).as_secs_f64();
        let (mut busy_ns, mut own, mut all) = (0, 0, 0);
        for (thread, used) in &after.threads {
            let earlier = before.threads.get(thread).copied().unwrap_or_default();
            busy_ns += used.busy_ns.saturating_sub(earlier.busy_ns);
            let wakes = used.wakes.saturating_sub(earlier.wakes);
            all += wakes;
            own += if used.pool { 0 } else { wakes };
        }
        let memory = std::fs::read_to_string(self.path("smaps_rollup"));
        let memory = memory.with_context(|| format!("{} has ended", self.name))?;
        let mib = |key| line(&memory, key).map_or(f64::NAN, |kib| kib as f64 * 1024.0 / MIB);
        Ok(Usage {
            resident_mib: mib("Rss:"),
            share_mib: mib("Pss:"),
            percent: busy_ns as f64 / 1e7 / seconds,
            own_wakes: own as f64 / seconds,
            all_wakes: all as f64 / seconds,
        })
    }
}

/// The number after `key` at the beginning of a line.
fn line(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_key_and_read_without_its_unit() {
        let text = "nonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t12\nRss:    4096 kB\n";
        assert_eq!(line(text, "voluntary_ctxt_switches:"), Some(12));
        assert_eq!(line(text, "Rss:"), Some(4096));
        assert_eq!(line(text, "Pss:"), None);
    }
}

//! What memory there is, and what is said before work that takes a lot of it.

use std::fs;

use crate::error::{Error, Result};

/// Work that takes less is not announced.
const LARGE: u64 = 1 << 30;

/// Says that `what` takes about so many bytes, if these are many, and refuses where there are not so
/// many; `way_out` says how it takes less.
pub(crate) fn announce(
    what: &str,
    bytes: u64,
    way_out: &str,
    listener: impl FnOnce(&str),
) -> Result<()> {
    check(what, bytes, way_out)?;
    if bytes >= LARGE {
        listener(&format!("{what}: about {} of memory; {way_out}", gigabytes(bytes)));
    }
    Ok(())
}

/// Refuses what takes more memory than there is: the process would be killed.
pub(crate) fn check(what: &str, bytes: u64, way_out: &str) -> Result<()> {
    check_against(available(), what, bytes, way_out)
}

fn check_against(available: Option<u64>, what: &str, bytes: u64, way_out: &str) -> Result<()> {
    match available {
        Some(free) if bytes >= LARGE && bytes > free => Err(Error::Argument(format!(
            "{what}: this takes about {} of memory, and {} are free; {way_out}",
            gigabytes(bytes),
            gigabytes(free)
        ))),
        _ => Ok(()),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// The bytes that this process can still have, swap included; `None` where nobody says.
fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = field(&text, "MemAvailable:")? * 1024 + field(&text, "SwapFree:")? * 1024;
    // A container may allow less than the machine has. What it counts as used holds files that would
    // be given back.
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let used = |path: &str, name: &str| field(&fs::read_to_string(path).ok()?, name);
    let second =
        number("/sys/fs/cgroup/memory.max").zip(used("/sys/fs/cgroup/memory.stat", "anon"));
    let first = number("/sys/fs/cgroup/memory/memory.limit_in_bytes")
        .zip(used("/sys/fs/cgroup/memory/memory.stat", "total_rss"));
    let container = second.or(first).map(|(limit, used)| limit.saturating_sub(used));
    Some(container.map_or(machine, |free| free.min(machine)))
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_more_memory_than_there_is_is_refused() {
        let check =
            |free: Option<u64>, bytes| check_against(free, "a picture", bytes, "make it smaller");
        let text = check(Some(2_000_000_000), 6_700_000_000).expect_err("too much").to_string();
        assert_eq!(
            text,
            "a picture: this takes about 6.7 GB of memory, and 2.0 GB are free; make it smaller"
        );
        assert!(check(Some(8_000_000_000), 6_700_000_000).is_ok());
        // Where nobody knows, or where it is little, it is tried.
        assert!(check(None, u64::MAX).is_ok());
        assert!(check(Some(0), 1_000_000).is_ok());
    }

    #[test]
    fn much_memory_is_announced() {
        let mut said = Vec::new();
        announce("small", 1_000_000, "", |line| said.push(line.to_owned())).expect("enough");
        assert!(said.is_empty());
        // As much as every machine has that these tests run on.
        announce("large", LARGE, "take less", |line| said.push(line.to_owned())).expect("enough");
        assert_eq!(said, ["large: about 1.1 GB of memory; take less"]);
    }

    #[test]
    fn linux_says_what_is_free() {
        let text = "MemTotal:       22 kB\nMemAvailable:   7 kB\nSwapFree:  0 kB\n";
        assert_eq!((field(text, "MemAvailable:"), field(text, "Mem")), (Some(7), None));
        if cfg!(target_os = "linux") {
            assert!(available().is_some_and(|free| free > 0));
        }
    }
}

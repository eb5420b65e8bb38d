//! The processes that evcxr has started to compile a cell, so that a stop can end them.

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal to everything that this process has started, but for the child that runs the cells and what that
/// has started.
pub(crate) fn signal_compilers(child: Option<Pid>, signal: Signal) {
    let spared = child.map(Pid::as_raw_nonzero).map(|pid| pid.get());
    let ours = i32::try_from(std::process::id()).unwrap_or_default();
    for pid in descendants(ours, spared, &all()).into_iter().filter_map(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// What this process and everything that it has started have in memory, in bytes, where the system says so.
pub(crate) fn resident() -> u64 {
    let ours = i32::try_from(std::process::id()).unwrap_or_default();
    let pages = |pid: i32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    let all = descendants(ours, None, &all()).into_iter().chain([ours]);
    all.filter_map(pages).sum::<u64>() * rustix::param::page_size() as u64
}

/// All below `root`, without `spared` and all below that, of pairs of a process and its parent.
fn descendants(root: i32, spared: Option<i32>, all: &[(i32, i32)]) -> Vec<i32> {
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for (process, _) in all.iter().filter(|(_, of)| *of == parent) {
            if Some(*process) != spared && !found.contains(process) {
                found.push(*process);
                parents.push(*process);
            }
        }
    }
    found
}

/// Every process that can be seen, with its parent.
#[cfg(target_os = "linux")]
fn all() -> Vec<(i32, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent_in(&status)?))
    })
    .collect()
}

/// The parent in a line of `/proc/<process>/stat`; the name before it may hold anything.
#[cfg(any(target_os = "linux", test))]
fn parent_in(status: &str) -> Option<i32> {
    status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn all() -> Vec<(i32, i32)> {
    let listed = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let text = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_and_what_it_started_are_spared() {
        let all = [(2, 1), (3, 1), (4, 2), (5, 3), (6, 4), (7, 0), (1, 0)];
        let mut found = descendants(1, Some(3), &all);
        found.sort_unstable();
        assert_eq!(found, [2, 4, 6]);
        assert_eq!(descendants(6, None, &all), [] as [i32; 0]);
    }

    #[test]
    fn a_name_with_brackets_hides_no_parent() {
        assert_eq!(parent_in("12 (a) b (c) S 7 12 12 0"), Some(7));
        assert_eq!(parent_in(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_memory() {
        assert!(resident() > 1_000_000);
    }

    #[test]
    fn this_process_is_among_all() {
        let ours = i32::try_from(std::process::id()).unwrap();
        assert!(all().iter().any(|(pid, _)| *pid == ours));
    }
}

//! How many compilers fit into memory at once.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the largest of tch's C++ files takes while it compiles.
const ONE_JOB: u64 = 1_800_000_000;

/// Lets cargo start no more compilers at once than memory allows; says so in words when these are
/// fewer than there are processors.
pub(crate) fn limit_jobs(cargo: &mut Command) -> Option<String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let free = available()?;
    let jobs = fitting(free, processors)?;
    cargo.env("CARGO_BUILD_JOBS", jobs.to_string());
    let what =
        if jobs == 1 { "one job at a time".to_owned() } else { format!("{jobs} jobs at once") };
    Some(format!("{what}, since {:.1} GB of memory are free", free as f64 / 1e9))
}

/// How many jobs fit, when that is fewer than the processors could do.
fn fitting(free: u64, processors: usize) -> Option<u64> {
    let jobs = (free / ONE_JOB).max(1);
    (jobs < processors as u64).then_some(jobs)
}

/// Bytes that can still be had, by the system and by the container's limit; `None` where neither says.
fn available() -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo(&text));
    let container = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| container(&text, Path::new("/sys/fs/cgroup")));
    [system, container].into_iter().flatten().min()
}

fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// What the strictest group that we are in leaves: `groups` is /proc/self/cgroup, `root` where the
/// groups are mounted.
fn container(groups: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, limit, usage) = match controllers {
            "" => (root.to_owned(), "memory.max", "memory.current"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        // Within a container the path may be the host's, and only the root is there.
        let mut group = Some(Path::new(path.trim_start_matches('/')));
        while let Some(dir) = group {
            let read = |name| -> Option<u64> {
                fs::read_to_string(root.join(dir).join(name)).ok()?.trim().parse().ok()
            };
            if let (Some(limit), Some(usage)) = (read(limit), read(usage)) {
                // What files have in memory counts as used, but goes when it is needed.
                let cache = fs::read_to_string(root.join(dir).join("memory.stat"))
                    .ok()
                    .and_then(|text| inactive_file(&text))
                    .unwrap_or(0);
                let free = limit.saturating_sub(usage.saturating_sub(cache));
                least = Some(least.map_or(free, |least: u64| least.min(free)));
            }
            group = dir.parent();
        }
    }
    least
}

fn inactive_file(stat: &str) -> Option<u64> {
    let line =
        |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line("total_inactive_file ").or_else(|| line("inactive_file "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_jobs_run_as_memory_holds() {
        assert_eq!(fitting(1_000_000_000, 2), Some(1));
        assert_eq!(fitting(1_900_000_000, 2), Some(1));
        assert_eq!(fitting(8_000_000_000, 8), Some(4));
        assert_eq!(fitting(8_000_000_000, 2), None);
    }

    #[test]
    fn the_systems_memory_is_read() {
        let text = "MemTotal:  24000000 kB\nMemAvailable:  1000 kB\n";
        assert_eq!(meminfo(text), Some(1_024_000));
    }

    #[test]
    fn the_strictest_group_counts_of_either_version() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/memory.max", "2000\n");
        write("a/memory.current", "900\n");
        write("a/memory.stat", "anon 500\ninactive_file 400\n");
        assert_eq!(container("0::/a/b\n", root.path()), Some(1500));
        write("memory/memory.limit_in_bytes", "5000\n");
        write("memory/memory.usage_in_bytes", "1000\n");
        assert_eq!(container("4:cpu:/\n3:memory:/docker/x\n", root.path()), Some(4000));
        assert_eq!(container("0::/elsewhere\n", root.path()), None);
    }
}

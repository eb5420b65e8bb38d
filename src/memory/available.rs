//! How much memory can still be had: one rule, for the library and for `cargo xtask`, which includes
//! this file.

use std::fs;
use std::path::Path;

/// Bytes that can still be had, by the system and by the container's limit; `None` where neither says.
/// `fields` are those of /proc/meminfo that count as free.
pub(crate) fn available(fields: &[&str]) -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| meminfo(&text, fields));
    let container = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| container(&text, Path::new("/sys/fs/cgroup")));
    [system, container].into_iter().flatten().min()
}

fn meminfo(text: &str, fields: &[&str]) -> Option<u64> {
    let kilobytes = |field: &&str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some(fields.iter().map(kilobytes).sum::<Option<u64>>()? * 1024)
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
    fn the_systems_memory_is_read() {
        let text = "MemTotal:  24000000 kB\nMemAvailable:  1000 kB\nSwapFree:  500 kB\n";
        assert_eq!(meminfo(text, &["MemAvailable:"]), Some(1_024_000));
        assert_eq!(meminfo(text, &["MemAvailable:", "SwapFree:"]), Some(1_536_000));
        assert_eq!(meminfo(text, &["Mem"]), None);
    }

    #[test]
    fn linux_says_what_is_free() {
        if cfg!(target_os = "linux") {
            assert!(available(&["MemAvailable:"]).is_some_and(|free| free > 0));
        }
    }

    #[test]
    fn the_strictest_group_counts_of_either_version() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a folder");
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

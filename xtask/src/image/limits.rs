//! Memory and processor time of a container, for an engine that cannot limit them itself.

use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes.
    pub(crate) memory: u64,
    pub(crate) processors: u32,
}

/// A control group of Linux, removed when it is dropped, with all that works in it.
pub(crate) struct Group {
    dirs: Vec<PathBuf>,
}

impl Group {
    pub(crate) fn new(limits: Limits) -> Result<Group> {
        Group::under(Path::new("/sys/fs/cgroup"), limits).context(
            "memory and processor time cannot be limited: buildah leaves that to others, and a control \
             group cannot be made\n\
             Start this command as root, or install docker or podman, which can.",
        )
    }

    /// In the groups that are mounted at `root`, of either version.
    fn under(root: &Path, limits: Limits) -> Result<Group> {
        const PERIOD: u32 = 100_000; // microseconds
        let (memory, quota) = (limits.memory.to_string(), limits.processors * PERIOD);
        let name = format!("convlens-{}", std::process::id());
        let files = if root.join("cgroup.controllers").exists() {
            vec![
                (name.clone(), "memory.max", memory),
                (name, "cpu.max", format!("{quota} {PERIOD}")),
            ]
        } else {
            let (in_memory, in_cpu) = (format!("memory/{name}"), format!("cpu/{name}"));
            vec![
                (in_memory, "memory.limit_in_bytes", memory),
                (in_cpu.clone(), "cpu.cfs_period_us", PERIOD.to_string()),
                (in_cpu, "cpu.cfs_quota_us", quota.to_string()),
            ]
        };
        let mut group = Group { dirs: Vec::new() };
        for (dir, file, text) in files {
            let dir = root.join(dir);
            if !group.dirs.contains(&dir) {
                fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
                group.dirs.push(dir.clone());
            }
            let file = dir.join(file);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(group)
    }

    /// A command that enters the group first.
    pub(crate) fn command(&self, program: &str) -> Command {
        // The groups, up to `--`, and then the program.
        let script = "while [ \"$1\" != -- ]; do echo $$ > \"$1/cgroup.procs\" || exit 1; shift; done; \
                      shift; exec \"$@\"";
        let mut command = process::command("sh");
        command.args(["-c", script, "sh"]).args(&self.dirs).args(["--", program]);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in &self.dirs {
            // A kernel's janitor works for a second longer than its kernel.
            for _ in 0..50 {
                let left = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
                let mut kill = process::command("kill");
                kill.arg("-KILL").args(left.split_whitespace()).stderr(Stdio::null());
                if left.is_empty() || kill.status().is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { memory: 2_000, processors: 1 };

    #[test]
    fn both_versions_of_control_groups_get_the_limits() {
        let root = tempfile::tempdir().unwrap();
        let read = |group: &Group, file: &str| {
            group.dirs.iter().find_map(|dir| fs::read_to_string(dir.join(file)).ok())
        };
        for version in ["memory", "cpu"] {
            fs::create_dir(root.path().join(version)).unwrap();
        }
        let first = Group::under(root.path(), LIMITS).unwrap();
        assert_eq!(read(&first, "memory.limit_in_bytes").as_deref(), Some("2000"));
        assert_eq!(read(&first, "cpu.cfs_quota_us").as_deref(), Some("100000"));
        fs::write(root.path().join("cgroup.controllers"), "cpu memory").unwrap();
        let second = Group::under(root.path(), LIMITS).unwrap();
        assert_eq!(read(&second, "memory.max").as_deref(), Some("2000"));
        assert_eq!(read(&second, "cpu.max").as_deref(), Some("100000 100000"));
    }

    #[test]
    fn where_no_group_can_be_made_it_says_which() {
        let root = tempfile::tempdir().unwrap();
        let error = format!("{:#}", Group::under(root.path(), LIMITS).err().unwrap());
        assert!(error.contains("cannot create") && error.contains("memory/convlens-"), "{error}");
    }
}

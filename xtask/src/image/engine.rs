//! What builds images and runs them: docker, podman or buildah, whichever works.

use super::NAME;
use super::limits::{Group, Limits};
use crate::process;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs, and how each says where it keeps its images.
const KNOWN: [(&str, &str); 3] = [
    ("docker", "{{.DockerRootDir}}"),
    ("podman", "{{.Store.GraphRoot}}"),
    ("buildah", "{{.store.GraphRoot}}"),
];

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) program: &'static str,
    pub(crate) storage: PathBuf,
}

/// The first that works. One that is there and does not, such as docker without its daemon, is told of.
pub(crate) fn find(path: &OsStr, mut tell: impl FnMut(&str)) -> Result<Engine> {
    let mut missing = Vec::new();
    for (program, storage) in KNOWN {
        let Some(file) = process::find_on_path(&[program], path) else {
            missing.push(program);
            continue;
        };
        match process::capture(process::command(file).args(["info", "--format", storage])) {
            Ok(answer) => return Ok(Engine { program, storage: answer.trim().into() }),
            Err(error) => {
                let error = error.to_string();
                tell(&format!(
                    "{program} is installed but does not work: {}",
                    error.lines().last().unwrap_or_default()
                ));
            }
        }
    }
    let why = match missing[..] {
        [_, _, _] => "none of docker, podman and buildah is on the PATH",
        _ => "none of docker, podman and buildah works here",
    };
    bail!(
        "nothing can build an image: {why}\n\
         Install one with\n  \
         sudo apt-get install podman     (Debian, Ubuntu)\n  \
         sudo dnf install podman         (Fedora)\n  \
         brew install podman             (macOS; then `podman machine init --now`)\n\
         or start Docker, and start this command again."
    )
}

/// A command in a container of the image; what it needs goes with it.
pub(crate) struct Container {
    pub(crate) command: Command,
    // In this order: nothing must be at work in a container that is removed.
    _group: Option<Group>,
    _working: Option<Working>,
}

impl Engine {
    fn command(&self) -> Command {
        process::command(self.program)
    }

    pub(crate) fn build(&self, checkout: &Path, base: Option<&str>) -> Command {
        let mut command = self.command();
        command.arg("build");
        if self.program == "buildah" {
            // As the others do: what is built is found again.
            command.arg("--layers");
        }
        if let Some(base) = base {
            command.args(["--build-arg", &format!("BASE={base}")]);
        }
        command
            .args(["--tag", NAME, "--file"])
            .arg(checkout.join("binder/Dockerfile"))
            .arg(checkout);
        command
    }

    pub(crate) fn has_image(&self) -> bool {
        process::capture(self.command().args(["images", "--quiet", NAME]))
            .is_ok_and(|answer| !answer.trim().is_empty())
    }

    /// In the engine's own words.
    pub(crate) fn size(&self) -> Result<String> {
        let answer =
            process::capture(self.command().args(["images", "--format", "{{.Size}}", NAME]))?;
        Ok(answer.lines().next().unwrap_or("of unknown size").trim().to_owned())
    }

    /// Bytes that are free where the images lie.
    pub(crate) fn free_space(&self) -> Result<u64> {
        if !self.storage.exists() {
            return Ok(u64::MAX); // in a virtual machine of the engine's own
        }
        let answer = process::capture(process::command("df").arg("-Pk").arg(&self.storage))?;
        let kilobytes = answer.lines().nth(1).and_then(|line| line.split_whitespace().nth(3));
        let kilobytes: u64 = kilobytes
            .and_then(|word| word.parse().ok())
            .with_context(|| format!("`df` does not say what is free:\n{answer}"))?;
        Ok(kilobytes * 1024)
    }

    pub(crate) fn container(
        &self,
        limits: Option<Limits>,
        variables: &[(&str, &str)],
        run: &[&str],
    ) -> Result<Container> {
        let variables = variables.iter().map(|(name, value)| format!("--env={name}={value}"));
        if self.program != "buildah" {
            let mut command = self.command();
            command.args(["run", "--rm"]).args(variables);
            if let Some(limits) = limits {
                command.arg(format!("--memory={}", limits.memory));
                // As much as without swap: memory and swap together.
                command.arg(format!("--memory-swap={}", limits.memory));
                command.arg(format!("--cpus={}", limits.processors));
            }
            command.arg(NAME).args(run);
            return Ok(Container { command, _group: None, _working: None });
        }
        let working = Working::from_image()?;
        let group = limits.map(Group::new).transpose()?;
        let mut command =
            group.as_ref().map_or_else(|| self.command(), |g| g.command(self.program));
        command.arg("run").args(variables).args([&working.name, "--"]).args(run);
        Ok(Container { command, _group: group, _working: Some(working) })
    }
}

/// buildah's container of the image, removed when it is dropped.
struct Working {
    name: String,
}

impl Working {
    fn from_image() -> Result<Working> {
        let name = process::capture(process::command("buildah").args(["from", NAME]))?;
        Ok(Working { name: name.trim().to_owned() })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut command = process::command("buildah");
        // What cannot be removed now is buildah's to clean up: `buildah rm --all`.
        let _ = command.args(["rm", &self.name]).stdout(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    fn machine(programs: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fake::programs(dir.path(), programs);
        dir
    }

    #[test]
    fn without_an_engine_it_says_what_to_install() {
        let empty = machine(&[]);
        let error = find(empty.path().as_os_str(), |_| {}).unwrap_err().to_string();
        assert!(error.contains("none of docker, podman and buildah is on the PATH"), "{error}");
        assert!(error.contains("apt-get install podman"), "{error}");
    }

    #[test]
    fn an_engine_that_does_not_work_is_told_of_and_passed_over() {
        let machine = machine(&[
            ("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1"),
            ("podman", "echo /images"),
        ]);
        let mut told = String::new();
        let engine = find(machine.path().as_os_str(), |text| told.push_str(text)).unwrap();
        assert_eq!((engine.program, engine.storage.as_path()), ("podman", Path::new("/images")));
        assert!(told.contains("docker is installed but does not work: Cannot connect"), "{told}");
    }

    #[test]
    fn engines_that_do_not_work_are_not_called_missing() {
        let machine = machine(&[("docker", "exit 1")]);
        let error = find(machine.path().as_os_str(), |_| {}).unwrap_err().to_string();
        assert!(error.contains("works here"), "{error}");
    }

    #[test]
    fn the_limits_reach_the_engine() {
        let engine = Engine { program: "podman", storage: PathBuf::new() };
        let limits = Limits { memory: 2_000, processors: 1 };
        let container = engine.container(Some(limits), &[("A", "b")], &["python3"]).unwrap();
        let arguments: Vec<_> = container.command.get_args().collect();
        let expected = ["run", "--rm", "--env=A=b", "--memory=2000", "--memory-swap=2000"];
        assert_eq!(arguments[..5], expected);
        assert_eq!(arguments[5..], ["--cpus=1", "convlens", "python3"]);
    }
}

//! Downloads: resumed after an interruption, checked, and told apart by what went wrong.

use crate::cache::Cache;
use crate::process;
use crate::python::{Python, Script};
use crate::step::Step;
use anyhow::Result;
use std::fmt;
use std::path::{Path, PathBuf};

/// One file to fetch.
pub(crate) struct Download<'a> {
    pub(crate) url: &'a str,
    /// On the page of a package index: the file to look up there.
    pub(crate) index: Option<&'a str>,
    pub(crate) sha256: Option<&'a str>,
    /// How long the server may take for its first word.
    pub(crate) reach_seconds: u32,
}

/// Why a download failed; the numbers are `fetch.py`'s exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Unreachable = 2,
    Refused = 3,
    Cut = 4,
    Corrupt = 5,
    Disk = 6,
    Missing = 7,
    Other = 1,
}

#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) reason: Reason,
    url: String,
    detail: String,
}

impl Failed {
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, advice) = match self.reason {
            Reason::Unreachable => (
                "cannot reach the server of",
                "Is there a network? Behind a proxy, set HTTPS_PROXY.",
            ),
            Reason::Refused | Reason::Missing => {
                ("cannot download", "Does the address or the mirror still exist?")
            }
            Reason::Cut => ("the download broke off:", "Start again: what came already is kept."),
            Reason::Corrupt => (
                "the download is damaged:",
                "Start again. If it happens again, a proxy or a mirror changes the file.",
            ),
            Reason::Disk => (
                "the disk is full or cannot be written:",
                "Free some room, or put the cache elsewhere with CONVLENS_CACHE, and start again.",
            ),
            Reason::Other => ("cannot download", "Start again."),
        };
        write!(f, "{what} {}\n{}\n{advice}", self.url, self.detail)
    }
}

impl std::error::Error for Failed {}

/// Fetches into `dir` and returns the file; a file that is there and right is not fetched again.
pub(crate) fn fetch(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    download: &Download<'_>,
    file: &Path,
) -> Result<std::result::Result<PathBuf, Failed>> {
    let mut command = python.script(cache, Script::Fetch)?;
    command.arg(download.url).arg(file);
    command.args(["--reach", &download.reach_seconds.to_string()]);
    if let Some(sha256) = download.sha256 {
        command.args(["--sha256", sha256]);
    }
    if let Some(name) = download.index {
        command.args(["--index", name]);
    }
    if cfg!(test) {
        command.env("CONVLENS_FETCH_PAUSE", "0.01");
    }
    let ended = process::watch(&mut command, |line| {
        if line.contains(" MB") || line.contains(" kB") {
            step.note(line);
        }
    })?;
    if ended.success() {
        return Ok(Ok(file.to_owned()));
    }
    let reason = match ended.code {
        Some(2) => Reason::Unreachable,
        Some(3) => Reason::Refused,
        Some(4) => Reason::Cut,
        Some(5) => Reason::Corrupt,
        Some(6) => Reason::Disk,
        Some(7) => Reason::Missing,
        _ => Reason::Other,
    };
    let detail = match reason {
        Reason::Other => ended.tail,
        _ => ended.tail.lines().last().unwrap_or_default().to_owned(),
    };
    Ok(Err(Failed { reason, url: download.url.to_owned(), detail }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Manner, Server, nobody};
    use std::fs;

    const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    struct Try {
        dir: tempfile::TempDir,
        result: std::result::Result<PathBuf, Failed>,
    }

    impl Try {
        fn left(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.dir.path().join("files"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }

        fn error(self) -> Failed {
            self.result.unwrap_err()
        }
    }

    fn try_fetch(url: &str, sha256: Option<&str>, prepare: impl FnOnce(&Path)) -> Try {
        // What a busy machine needs to answer itself.
        try_fetch_within(600, url, sha256, prepare)
    }

    fn try_fetch_within(
        reach_seconds: u32,
        url: &str,
        sha256: Option<&str>,
        prepare: impl FnOnce(&Path),
    ) -> Try {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        prepare(&files);
        let python = Python { executable: "python3".into() };
        let download = Download { url, index: None, sha256, reach_seconds };
        let mut step = Step::start("test");
        let result = fetch(&cache, &python, &mut step, &download, &files.join("file")).unwrap();
        Try { dir, result }
    }

    #[test]
    fn a_download_that_breaks_off_is_taken_up_where_it_stopped() {
        let server = Server::start();
        let body: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        server.serve("/f", &body, &[Manner::BreaksAfter(30_000), Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), None, |_| {});
        assert_eq!(tried.left(), ["file"]);
        assert_eq!(fs::read(tried.result.unwrap()).unwrap(), body);
        assert_eq!(server.ranges(), [None, Some("bytes=30000-".to_owned())]);
    }

    #[test]
    fn what_an_earlier_run_left_is_not_fetched_again() {
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), Some(SHA256_OF_ABC), |files| {
            fs::write(files.join("file.part"), "ab").unwrap();
            fs::write(files.join("file.part.etag"), "\"first\"").unwrap();
        });
        assert_eq!(fs::read(tried.result.as_ref().unwrap()).unwrap(), b"abc");
        assert_eq!(server.ranges(), [Some("bytes=2-".to_owned())]);
        assert_eq!(tried.left(), ["file"]);
    }

    #[test]
    fn a_file_that_changed_on_the_server_is_fetched_from_its_start() {
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), Some(SHA256_OF_ABC), |files| {
            fs::write(files.join("file.part"), "xy").unwrap();
            fs::write(files.join("file.part.etag"), "\"older\"").unwrap();
        });
        assert_eq!(fs::read(tried.result.unwrap()).unwrap(), b"abc");
    }

    #[test]
    fn a_corrupted_download_is_rejected_and_thrown_away() {
        let server = Server::start();
        server.serve("/f", b"abd", &[Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), Some(SHA256_OF_ABC), |_| {});
        assert!(tried.left().is_empty(), "{:?}", tried.left());
        let error = tried.error();
        assert_eq!(error.reason, Reason::Corrupt);
        assert!(error.to_string().contains(SHA256_OF_ABC), "{error}");
    }

    #[test]
    fn a_server_that_always_breaks_off_is_given_up_and_what_came_is_kept() {
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::BreaksAfter(2), Manner::BreaksAfter(0)]);
        let tried = try_fetch(&format!("{}/f", server.url), None, |_| {});
        assert_eq!(tried.left(), ["file.part", "file.part.etag"]);
        let error = tried.error();
        assert_eq!(error.reason, Reason::Cut);
        assert!(error.to_string().contains("what came already is kept"), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_connection() {
        if !Path::new("/dev/full").exists() {
            return; // a device of Linux
        }
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), None, |files| {
            std::os::unix::fs::symlink("/dev/full", files.join("file.part")).unwrap();
        });
        let error = tried.error();
        assert_eq!(error.reason, Reason::Disk);
        assert!(error.to_string().contains("No space left on device"), "{error}");
        assert!(error.to_string().contains("CONVLENS_CACHE"), "{error}");
    }

    #[test]
    fn a_server_that_is_not_there_is_unreachable() {
        let error = try_fetch(&format!("{}/f", nobody()), None, |_| {}).error();
        assert_eq!(error.reason, Reason::Unreachable);
        assert!(error.to_string().contains("Is there a network?"), "{error}");
    }

    #[test]
    fn a_server_that_keeps_silent_is_given_up() {
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::Silent]);
        // The server would keep silent for ever: that this ends is our doing.
        let error = try_fetch_within(1, &format!("{}/f", server.url), None, |_| {}).error();
        assert_eq!(error.reason, Reason::Unreachable);
    }

    #[test]
    fn a_missing_file_is_refused_at_once() {
        let server = Server::start();
        let error = try_fetch(&format!("{}/nothing", server.url), None, |_| {}).error();
        assert_eq!(error.reason, Reason::Refused);
        assert!(error.detail().contains("404"), "{error}");
    }

    #[test]
    fn a_server_error_is_tried_again() {
        let server = Server::start();
        server.serve("/f", b"abc", &[Manner::Status(503), Manner::Whole]);
        let tried = try_fetch(&format!("{}/f", server.url), Some(SHA256_OF_ABC), |_| {});
        assert_eq!(fs::read(tried.result.unwrap()).unwrap(), b"abc");
    }
}

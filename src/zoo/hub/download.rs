//! One file from one address: taken up where it broke off, checked, put in place at once.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::http::{Answer, Client, Trouble};
use super::store;
use crate::error::Error;
use crate::show::{Progress, megabytes};

/// Attempts that get no further than an earlier one before an address is given up.
const ATTEMPTS: u32 = 5;
/// No published weights of one network are larger, in bytes.
const MOST: u64 = 4_000_000_000;

/// What is fetched, and to where.
pub(super) struct Download<'a> {
    /// As progress names it.
    pub(super) what: &'a str,
    pub(super) url: &'a str,
    pub(super) target: PathBuf,
    /// The SHA-256, or its first digits, where they are known beforehand.
    pub(super) hash: Option<&'a str>,
    /// The pause after the first failure; it doubles with each.
    pub(super) pause: Duration,
}

/// Why a download failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another address may have the file.
    Here(String),
    /// No address will help: the disk.
    Everywhere(Error),
}

/// A file that arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) sha256: String,
    /// Whether somebody said beforehand what the hash should be.
    pub(super) checked: bool,
}

impl Download<'_> {
    pub(super) fn run(&self, client: &Client) -> Result<Arrived, Failure> {
        let part = Part::beside(&self.target);
        let mut reached = false;
        let (mut failures, mut furthest) = (0, 0);
        loop {
            let start = part.start(self.hash.is_some());
            let resumed = start.done > 0;
            let trouble = match self.attempt(client, &part, start, &mut reached)? {
                Ok(announced) => match self.verify(&part, announced.as_deref())? {
                    Ok(arrived) => return Ok(arrived),
                    // The part may have belonged to another file.
                    Err(text) if resumed => Trouble::Cut(text),
                    Err(text) => Trouble::Refused(text),
                },
                Err(trouble) => trouble,
            };
            let text = match trouble {
                Trouble::Refused(text) => return Err(Failure::Here(text)),
                Trouble::Unreachable(text) if !reached => return Err(Failure::Here(text)),
                Trouble::Unreachable(text) | Trouble::Cut(text) => text,
            };
            let done = part.length();
            // Getting further counts as working, however often it breaks.
            failures = if done > furthest { 1 } else { failures + 1 };
            furthest = furthest.max(done);
            if failures >= ATTEMPTS {
                return Err(Failure::Here(match done {
                    0 => format!("{text}, {ATTEMPTS} times"),
                    _ => format!(
                        "{text}, {ATTEMPTS} times; {} are kept, and the next download goes on \
                         from there if the server can",
                        megabytes(done)
                    ),
                }));
            }
            std::thread::sleep(self.pause * 2_u32.pow(failures - 1));
        }
    }

    /// One connection. The inner result is the network's, with the hash that the server told.
    fn attempt(
        &self,
        client: &Client,
        part: &Part,
        start: Start,
        reached: &mut bool,
    ) -> Result<Result<Option<String>, Trouble>, Failure> {
        let mut headers = Vec::new();
        if start.done > 0 {
            headers.push(("Range", format!("bytes={}-", start.done)));
            headers.extend(start.tag.map(|tag| ("If-Range", tag)));
        }
        let answer = match client.get(self.url, &headers) {
            Ok(answer) => answer,
            Err(trouble) => return Ok(Err(trouble)),
        };
        *reached = true;
        let (done, total) = match judge(&answer, start.done) {
            Ok(Judged::Body { from, total }) => (from, total),
            Ok(Judged::WholeAlready) => return Ok(Ok(answer.sha256)),
            Ok(Judged::StartOver) => {
                part.remove();
                return Ok(Err(Trouble::Cut("it does not go on where the part ends".to_owned())));
            }
            Err(trouble) => return Ok(Err(trouble)),
        };
        let announced = answer.sha256.clone();
        part.keep_tag(answer.header("etag")).map_err(|error| self.disk(part, error))?;
        let received = self.receive(client, part, answer, done, total)?;
        Ok(received.map(|()| announced))
    }

    /// Writes a body to the part, from byte `done` on.
    fn receive(
        &self,
        client: &Client,
        part: &Part,
        answer: Answer,
        mut done: u64,
        total: Option<u64>,
    ) -> Result<Result<(), Trouble>, Failure> {
        let disk = |error| self.disk(part, error);
        let mut file = part.open(done > 0).map_err(disk)?;
        let mut progress = Progress::new(self.what, total).bytes().from(done);
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let count = match reader.read(client, &mut buffer) {
                Ok(count) => count,
                Err(trouble) => return Ok(Err(trouble)),
            };
            if count == 0 {
                break;
            }
            file.write_all(buffer.get(..count).unwrap_or_default()).map_err(disk)?;
            done = done.saturating_add(count as u64);
            if done > MOST {
                part.remove();
                return Ok(Err(too_large()));
            }
            progress.advance(done).map_err(Failure::Everywhere)?;
        }
        file.flush().map_err(disk)?;
        Ok(match total {
            Some(total) if done != total => Err(Trouble::Cut("the connection broke".to_owned())),
            _ => {
                progress.finish();
                Ok(())
            }
        })
    }

    /// Checks the whole part and puts it in place; what is wrong is thrown away.
    fn verify(
        &self,
        part: &Part,
        announced: Option<&str>,
    ) -> Result<Result<Arrived, String>, Failure> {
        let disk = |error| self.disk(part, error);
        let sha256 = store::sha256(&part.file).map_err(disk)?;
        for expected in [self.hash, announced].into_iter().flatten() {
            if !sha256.starts_with(expected) {
                part.remove();
                let text = store::mismatch(&sha256, expected);
                return Ok(Err(format!("{text}; it was thrown away")));
            }
        }
        fs::rename(&part.file, &self.target).map_err(disk)?;
        part.remove();
        Ok(Ok(Arrived { sha256, checked: self.hash.is_some() || announced.is_some() }))
    }

    fn disk(&self, part: &Part, error: io::Error) -> Failure {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let what = match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => "there is no room for the download",
            _ => "the download cannot be written",
        };
        let kept = match part.length() {
            0 => String::new(),
            kept => format!("{} are there and are kept. ", megabytes(kept)),
        };
        Failure::Everywhere(Error::file(
            &part.file,
            format!(
                "{what}: {error}\n{kept}Free some room, or name another folder in the variable \
                 CONVLENS_CACHE, and try again."
            ),
        ))
    }
}

/// What an answer means for the part that is there.
enum Judged {
    /// The file from this byte on, and its size.
    Body { from: u64, total: Option<u64> },
    /// The part is the whole file.
    WholeAlready,
    /// The part is no beginning of it.
    StartOver,
}

fn judge(answer: &Answer, done: u64) -> Result<Judged, Trouble> {
    let range = answer.header("content-range");
    match answer.status {
        206 => match range.and_then(parse_range) {
            Some((from, total)) if from == done && total.is_none_or(|total| total <= MOST) => {
                let total = total.or_else(|| Some(from + answer.number("content-length")?));
                Ok(Judged::Body { from, total })
            }
            _ => Ok(Judged::StartOver),
        },
        200 => {
            let kind = answer.header("content-type").unwrap_or_default();
            if kind.starts_with("text/html") {
                return Err(Trouble::Refused(
                    "answered with a web page; does this network want you to log in?".to_owned(),
                ));
            }
            match answer.number("content-length") {
                Some(total) if total > MOST => Err(too_large()),
                total => Ok(Judged::Body { from: 0, total }),
            }
        }
        416 => {
            let size = range.and_then(|text| text.strip_prefix("bytes */")?.parse().ok());
            Ok(if size == Some(done) { Judged::WholeAlready } else { Judged::StartOver })
        }
        408 | 429 | 500..=599 => Err(Trouble::Cut(format!("answered {}", answer.describe()))),
        _ => Err(Trouble::Refused(format!("answered {}", answer.describe()))),
    }
}

fn too_large() -> Trouble {
    Trouble::Refused(format!("sends more than {}", megabytes(MOST)))
}

/// `bytes 30-99/100` -> the first byte and the file's size.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

/// What came so far, and the tag that says what it is part of.
struct Part {
    file: PathBuf,
    tag: PathBuf,
}

/// Where an attempt begins.
struct Start {
    done: u64,
    tag: Option<String>,
}

impl Part {
    fn beside(target: &Path) -> Part {
        let with = |ending: &str| {
            let mut name = target.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Part { file: with(".part"), tag: with(".part.etag") }
    }

    /// Without a tag or a hash nobody would notice that the rest belongs to another file: then it
    /// starts over.
    fn start(&self, hash_is_known: bool) -> Start {
        let tag = fs::read_to_string(&self.tag).ok().filter(|tag| is_strong(tag));
        let done = if tag.is_some() || hash_is_known { self.length() } else { 0 };
        Start { done, tag }
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |metadata| metadata.len())
    }

    fn open(&self, append: bool) -> io::Result<File> {
        if append {
            return File::options().append(true).open(&self.file);
        }
        File::options().write(true).create(true).truncate(true).open(&self.file)
    }

    fn keep_tag(&self, tag: Option<&str>) -> io::Result<()> {
        match tag.filter(|tag| is_strong(tag)) {
            Some(tag) => fs::write(&self.tag, tag),
            None => match fs::remove_file(&self.tag) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    fn remove(&self) {
        // What cannot be removed cannot be written either, and that is told.
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_file(&self.tag);
    }
}

/// Only a strong tag promises the same bytes.
fn is_strong(tag: &str) -> bool {
    tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')
}

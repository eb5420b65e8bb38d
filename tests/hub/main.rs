//! The hub: real HTTP against a server on loopback that misbehaves in every way that we know.

mod server;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use convlens::Error;
use convlens::zoo::hub::{self, Hub};
use server::{Manner, Server, nobody};
use tempfile::TempDir;

/// The first place of resnet18, and its others.
const FILE: &str = "resnet18-f37072fd.pth";
const OTHERS: [&str; 2] = ["resnet18.tv_in1k.safetensors", "resnet18.ot"];

/// Bytes whose SHA-256 begins with f37072fd, as that of torchvision's file does: the last sixteen
/// were searched for.
fn body() -> Vec<u8> {
    let mut body: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    body.extend(b"00000000c8f7413b");
    body
}

const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct Try {
    dir: TempDir,
    server: Server,
}

impl Try {
    fn new() -> Try {
        Try { dir: TempDir::new().unwrap(), server: Server::start() }
    }

    /// A server that has resnet18, and answers so.
    fn serving(manners: &[Manner]) -> Try {
        let new = Try::new();
        new.server.serve(FILE, &body(), manners);
        new
    }

    /// One that a busy machine does not make impatient.
    fn hub(&self) -> Hub {
        self.hub_with(Duration::from_secs(300))
    }

    /// One for servers that keep silent. Whoever answers does so within this time.
    fn impatient(&self) -> Hub {
        self.hub_with(Duration::from_secs(3))
    }

    fn hub_with(&self, patience: Duration) -> Hub {
        Hub::new().folder(self.folder()).mirror(&self.server.url).patience(patience)
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("weights")
    }

    fn put(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.folder().join(file), bytes).unwrap();
    }

    /// The files in the folder, but for the hidden ones.
    fn left(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    fn fetch(&self) {
        self.fetch_by(&self.hub());
    }

    fn fetch_by(&self, hub: &Hub) {
        let path = hub.fetch("resnet18").unwrap();
        assert_eq!(path, self.folder().join(FILE));
        assert_eq!(fs::read(path).unwrap(), body());
        assert_eq!(self.left(), [FILE]);
    }

    fn error(&self, architecture: &str) -> String {
        self.hub().fetch(architecture).unwrap_err().to_string()
    }
}

fn after(bytes: usize) -> Option<String> {
    Some(format!("bytes={bytes}-"))
}

#[test]
fn a_file_is_fetched_once_and_then_comes_from_the_folder() {
    let test = Try::serving(&[Manner::Whole]);
    assert_eq!(test.hub().cached("resnet18"), None);
    test.fetch();
    test.fetch();
    assert_eq!(test.hub().offline().fetch("resnet18").unwrap(), test.folder().join(FILE));
    assert_eq!(test.hub().cached("resnet18"), Some(test.folder().join(FILE)));
    assert_eq!(test.server.ranges(), [None]);
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_stopped() {
    let test = Try::serving(&[
        Manner::BreaksAfter(30_000),
        Manner::Status(503),
        Manner::BreaksAfter(20_000),
        Manner::Whole,
    ]);
    test.fetch();
    assert_eq!(test.server.ranges(), [None, after(30_000), after(30_000), after(50_000)]);
    assert_eq!(test.server.requests()[1].if_range.as_deref(), Some("\"first\""));
}

#[test]
fn what_an_earlier_process_left_is_not_fetched_again() {
    let test = Try::serving(&[Manner::Whole]);
    test.put(&format!("{FILE}.part"), &body()[..70_000]);
    test.put(&format!("{FILE}.part.etag"), "\"first\"");
    test.fetch();
    assert_eq!(test.server.ranges(), [after(70_000)]);
}

#[test]
fn a_part_that_is_the_whole_file_needs_no_more_bytes() {
    let test = Try::serving(&[Manner::Whole]);
    test.put(&format!("{FILE}.part"), body());
    test.fetch();
    assert_eq!(test.server.ranges(), [after(body().len())]);
}

#[test]
fn a_server_that_ignores_ranges_sends_the_file_anew() {
    let test = Try::serving(&[Manner::BreaksAfter(30_000), Manner::IgnoresRange]);
    test.fetch();
    assert_eq!(test.server.ranges(), [None, after(30_000)]);
}

#[test]
fn a_file_that_changed_between_attempts_is_fetched_anew() {
    let test = Try::serving(&[Manner::Whole]);
    test.put(&format!("{FILE}.part"), vec![7; 60_000]);
    test.put(&format!("{FILE}.part.etag"), "\"older\"");
    test.fetch();
    assert_eq!(test.server.requests()[0].if_range.as_deref(), Some("\"older\""));
}

#[test]
fn a_part_of_another_file_is_noticed_by_the_hash_and_thrown_away() {
    let test = Try::new();
    test.server.serve_tagged(FILE, &body(), &[Manner::Whole], None);
    test.put(&format!("{FILE}.part"), vec![7; 60_000]);
    test.fetch();
    assert_eq!(test.server.ranges(), [after(60_000), None]);
}

#[test]
fn a_part_that_is_longer_than_the_file_is_thrown_away() {
    let test = Try::serving(&[Manner::Whole]);
    test.put(&format!("{FILE}.part"), vec![7; 200_000]);
    test.fetch();
    assert_eq!(test.server.ranges(), [after(200_000), None]);
}

#[test]
fn without_a_hash_or_a_tag_a_part_is_not_trusted() {
    let test = Try::new();
    test.server.serve_tagged("alexnet.ot", b"abcdef", &[Manner::Whole], None);
    test.put("alexnet.ot.part", "xyz");
    let path = test.hub().fetch("alexnet").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"abcdef");
    assert_eq!(test.left(), ["alexnet.ot"]);
}

#[test]
fn a_file_with_the_wrong_hash_is_removed_and_told() {
    let test = Try::new();
    test.server.serve(FILE, b"abc", &[Manner::Whole]);
    let error = test.error("resnet18");
    assert!(
        error.contains(&format!(
            "/{FILE}: its SHA-256 begins with ba7816bf, expected f37072fd; it was thrown away\n"
        )),
        "{error}"
    );
    assert!(test.left().is_empty(), "{:?}", test.left());
}

#[test]
fn redirects_are_followed() {
    let test = Try::serving(&[Manner::Redirect("/one".to_owned(), None)]);
    let two = format!("{}/two", test.server.url);
    test.server.serve("one", b"", &[Manner::Redirect(two, None)]);
    test.server.serve("two", &body(), &[Manner::BreaksAfter(30_000), Manner::Whole]);
    test.fetch();
    let paths: Vec<String> = test.server.requests().into_iter().map(|r| r.path).collect();
    let first = format!("/{FILE}");
    assert_eq!(paths, [&first, "/one", "/two", &first, "/one", "/two"]);
    assert_eq!(test.server.requests()[5].range, after(30_000));
}

#[test]
fn redirects_in_a_circle_end() {
    let test = Try::serving(&[Manner::Redirect(format!("/{FILE}"), None)]);
    let error = test.error("resnet18");
    assert!(error.contains(&format!("/{FILE}: redirects more than 10 times\n")), "{error}");
}

#[test]
fn the_hash_that_the_hub_tells_before_it_redirects_is_checked() {
    let file = "tf_efficientnet_lite1.in1k.safetensors";
    for (body, right) in [(b"abc", true), (b"abd", false)] {
        let test = Try::new();
        let elsewhere = Manner::Redirect("/store".to_owned(), Some(SHA256_OF_ABC.to_owned()));
        test.server.serve(file, b"", &[elsewhere]);
        test.server.serve("store", body, &[Manner::Whole]);
        if right {
            let path = test.hub().fetch("tf_efficientnet_lite1").unwrap();
            assert_eq!(path, test.folder().join(file));
        } else {
            let error = test.error("tf_efficientnet_lite1");
            let expected = format!("expected {SHA256_OF_ABC}; it was thrown away");
            assert!(error.contains(&expected), "{error}");
            assert!(test.left().is_empty());
        }
    }
}

#[test]
fn slow_bytes_that_arrive_are_fine() {
    let test = Try::serving(&[Manner::Slow(12, Duration::from_millis(300))]);
    let began = Instant::now();
    test.fetch_by(&test.impatient());
    // Longer than anybody may keep silent.
    assert!(began.elapsed() > Duration::from_secs(3));
    assert_eq!(test.server.ranges(), [None]);
}

#[test]
fn a_server_that_stalls_is_asked_again() {
    let test = Try::serving(&[Manner::StallsAfter(30_000), Manner::Whole]);
    test.fetch_by(&test.impatient());
    assert_eq!(test.server.ranges(), [None, after(30_000)]);
}

#[test]
fn a_server_that_stalls_always_is_given_up_and_what_came_is_kept() {
    let test = Try::serving(&[Manner::StallsAfter(30_000), Manner::StallsAfter(0)]);
    // The server would keep silent for ever: that this ends is the hub's doing.
    let error = test.impatient().fetch("resnet18").unwrap_err().to_string();
    assert!(
        error.contains("silent for 3.0 s, 5 times; 0.0 MB are kept, and the next download goes on"),
        "{error}"
    );
    assert_eq!(test.left(), [format!("{FILE}.part"), format!("{FILE}.part.etag")]);
}

#[test]
fn a_server_that_never_answers_is_left_for_the_next_place() {
    let test = Try::serving(&[Manner::Silent]);
    test.server.serve(OTHERS[1], b"abc", &[Manner::Whole]);
    let path = test.impatient().fetch("resnet18").unwrap();
    assert_eq!(path, test.folder().join(OTHERS[1]));
}

#[test]
fn missing_and_forbidden_files_are_left_at_once_and_a_broken_server_is_asked_again() {
    let test = Try::serving(&[Manner::Status(404)]);
    test.server.serve(OTHERS[0], b"abc", &[Manner::Status(403)]);
    test.server.serve(OTHERS[1], b"abc", &[Manner::Status(500), Manner::Whole]);
    let path = test.hub().fetch("resnet18").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"abc");
    assert_eq!(test.server.requests().len(), 4);
}

#[test]
fn a_login_page_is_not_taken_for_weights() {
    let test = Try::new();
    test.server.serve("alexnet.ot", b"", &[Manner::LoginPage]);
    let error = test.error("alexnet");
    assert!(error.contains("answered with a web page; does this network want you to log in?"));
    assert!(test.left().is_empty());
}

#[test]
fn a_full_disk_is_told_at_once() {
    if !Path::new("/dev/full").exists() {
        return; // a device of Linux
    }
    let test = Try::serving(&[Manner::Whole]);
    fs::create_dir_all(test.folder()).unwrap();
    let part = test.folder().join(format!("{FILE}.part"));
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = test.hub().fetch("resnet18").unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with(&part.display().to_string()), "{text}");
    assert!(text.contains("there is no room for the download: No space left on device"), "{text}");
    assert!(text.contains("CONVLENS_CACHE"), "{text}");
    assert_eq!(test.server.requests().len(), 1, "another place has no other disk");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let test = Try::serving(&[Manner::Whole]);
    fs::write(test.folder(), "a file").unwrap();
    let error = test.hub().folder(test.folder().join("in a file")).fetch("resnet18").unwrap_err();
    assert!(error.to_string().contains("the folder cannot be made"), "{error}");
}

#[test]
fn nothing_anywhere_lists_every_place_and_says_how_to_help_oneself() {
    let test = Try::new();
    let mirror = nobody();
    test.put(FILE, "damaged");
    let error = test.hub().mirror(&mirror).fetch("resnet18").unwrap_err();
    assert!(matches!(error, Error::Download(_)));
    let folder = test.folder();
    let folder = folder.display();
    assert_eq!(
        error.to_string(),
        format!(
            "the weights of resnet18 are nowhere to be had:
  {folder}/{FILE}: its SHA-256 begins with 41f0c27c, expected f37072fd
  {mirror}/{FILE}: nobody listens there
  {mirror}/resnet18.tv_in1k.safetensors: nobody listens there
  {mirror}/resnet18.ot: nobody listens there
Is there a network? Behind a proxy, set HTTPS_PROXY; with a server of your own, CONVLENS_MIRROR.
To put the file in place by hand, fetch
  https://download.pytorch.org/models/resnet18-f37072fd.pth
and save it as
  {folder}/{FILE}"
        )
    );
    assert_eq!(test.left(), [FILE], "a user's file is not removed");
}

#[test]
fn offline_the_network_is_not_asked() {
    let test = Try::serving(&[Manner::Whole]);
    let error = test.hub().offline().fetch("resnet18").unwrap_err().to_string();
    assert!(error.contains("the network was not asked: offline was asked for"), "{error}");
    assert!(error.contains(&format!("save it as\n  {}", test.folder().join(FILE).display())));
    assert!(test.server.requests().is_empty());
    assert!(!test.folder().exists());
}

#[test]
fn what_the_package_index_has_names_the_command_that_makes_it() {
    let test = Try::new();
    let error = test.hub().offline().fetch("vgg16_features").unwrap_err().to_string();
    assert!(error.contains("`cargo xtask weights`"), "{error}");
    assert!(error.contains("/vgg16_features.safetensors"), "{error}");
    let error = test.hub().offline().fetch("vgg16").unwrap_err().to_string();
    assert!(error.contains("`cargo xtask weights`"), "{error}");
    assert!(error.contains("zoo::vgg16_features"), "{error}");
}

#[test]
fn hostile_names_are_refused_before_anything_is_touched() {
    let test = Try::new();
    for name in ["", "../../etc/passwd", "a/b", "a\\b", "resnet18\r\nHost: x", "\u{1b}[2J", ".."] {
        let error = test.error(name);
        assert!(error.contains("cannot be the name of an architecture"), "{error}");
        assert_eq!(test.hub().cached(name), None);
    }
    assert!(test.error("resnet19").contains("the closest are \"resnet18\""));
    assert!(test.server.requests().is_empty());
    assert!(!test.folder().exists());
}

#[test]
fn files_put_there_by_hand_are_taken() {
    let test = Try::new();
    test.put("resnet18.pth", "by hand");
    let plain = test.folder().join("resnet18.pth");
    assert_eq!(test.hub().fetch("resnet18").unwrap(), plain);
    test.put(FILE, "damaged");
    assert_eq!(test.hub().cached("resnet18"), Some(plain), "the damaged one is passed over");
    test.put(FILE, body());
    assert_eq!(test.hub().fetch("resnet18").unwrap(), test.folder().join(FILE));
    assert!(test.server.requests().is_empty());
}

#[test]
fn a_file_that_was_damaged_after_its_check_is_noticed_and_fetched_again() {
    let test = Try::serving(&[Manner::Whole]);
    test.fetch();
    test.put(FILE, &body()[..50_000]);
    test.fetch();
    assert_eq!(test.server.requests().len(), 2);
}

/// What the tests below run in a process of its own.
#[test]
fn child() {
    if std::env::var_os("CONVLENS_TEST_CHILD").is_some() {
        match hub::fetch("resnet18") {
            Ok(path) => println!("fetched {}", path.display()),
            Err(error) => println!("error {error}"),
        }
    }
}

fn process(cache: &Path, mirror: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env("CONVLENS_TEST_CHILD", "1");
    command.env("CONVLENS_CACHE", cache).env("CONVLENS_MIRROR", mirror);
    command.env_remove("CONVLENS_OFFLINE").stdout(std::process::Stdio::piped());
    command
}

fn said(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

/// What a process says, line by line, until a line contains `end`.
fn hear(lines: &mut impl Iterator<Item = std::io::Result<String>>, end: &str) -> String {
    let mut said = String::new();
    for line in lines {
        said += &(line.unwrap() + "\n");
        if said.contains(end) {
            return said;
        }
    }
    panic!("{end:?} was not said, but: {said}");
}

#[test]
fn two_processes_at_once_download_once_and_say_so() {
    let released = Arc::new(AtomicBool::new(false));
    let test = Try::serving(&[Manner::DripsUntil(released.clone())]);
    let mut command = process(test.dir.path(), &test.server.url);
    let mut start = || {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    };
    let (mut first, mut first_lines) = start();
    hear(&mut first_lines, &format!("resnet18 from {}: 0.", test.server.host()));
    let (mut second, mut second_lines) = start();
    hear(&mut second_lines, "resnet18: another process is downloading it; waiting");
    released.store(true, Ordering::Release);
    let fetched = format!("fetched {}", test.folder().join(FILE).display());
    hear(&mut first_lines, &fetched);
    hear(&mut second_lines, &fetched);
    // What they say until they end, so that nothing of theirs breaks.
    assert!(first_lines.chain(second_lines).all(|line| line.is_ok()));
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!(test.server.requests().len(), 1);
}

#[test]
fn a_proxy_of_the_environment_is_used_but_not_for_hosts_it_does_not_serve() {
    let test = Try::serving(&[Manner::Whole]);
    let mirror = "http://weights.invalid";
    let mut command = process(test.dir.path(), mirror);
    for name in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "http_proxy", "no_proxy"] {
        command.env_remove(name);
    }
    command.env("HTTP_PROXY", &test.server.url).env("NO_PROXY", "weights.invalid");
    let direct = said(command.output().unwrap());
    assert!(direct.contains("its host is not found"), "{direct}");
    assert!(test.server.requests().is_empty());
    command.env("NO_PROXY", "");
    let proxied = said(command.output().unwrap());
    assert!(proxied.contains("fetched"), "{proxied}");
    assert_eq!(test.server.requests()[0].path, "weights.invalid:80");
}

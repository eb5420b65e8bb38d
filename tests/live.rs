//! What a kernel that is alive gets: things that take each other's place, bars that move, and ends of work that somebody
//! stops. Each case is a process of its own, as a cell is, whose standard output is read as such a kernel reads it.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use convlens::prelude::*;
use convlens::show::Progress;
use tch::kind::FLOAT_CPU;

/// Set in the process that is the cell.
const CELL: &str = "CONVLENS_TEST_CELL";

/// The cell `name`, in a kernel that is alive or in another.
fn cell(name: &str, alive: bool) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--ignored", "--exact", name, "--nocapture"]).env(CELL, "1");
    command.env_remove("CONVLENS_PROGRESS").env_remove("RUST_NOTEBOOK_DISPLAY");
    if alive {
        command.env("RUST_NOTEBOOK_DISPLAY", "1");
    }
    let mut process = command.stdout(Stdio::piped()).spawn().expect("a process");
    let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
    Running { process, lines, heard: Vec::new() }
}

struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    heard: Vec<String>,
}

impl Running {
    /// Reads until a line has this in it.
    fn wait_for(&mut self, part: &str) {
        for line in self.lines.by_ref() {
            self.heard.push(line.expect("a line"));
            if self.heard.last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
        panic!("{part:?} never came: {:#?}", self.heard);
    }

    fn interrupt(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// All lines, and how it ended.
    fn end(mut self) -> (Vec<String>, ExitStatus) {
        self.heard.extend(self.lines.by_ref().map(|line| line.expect("a line")));
        (self.heard, self.process.wait().expect("its end"))
    }

    /// What follows `"said "` in the cell's own lines.
    fn said(self) -> String {
        let (lines, status) = self.end();
        assert!(status.success(), "{status}: {lines:#?}");
        let said = lines.iter().find_map(|line| line.strip_prefix("said "));
        said.unwrap_or_else(|| panic!("it said nothing: {lines:#?}")).to_owned()
    }
}

fn is_cell() -> bool {
    std::env::var_os(CELL).is_some()
}

fn blocks(lines: &[String], first: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(first)).count()
}

fn net() -> Model {
    let mut net = Model::builder("halves", [3, 32, 32]);
    let x = net.input();
    net.chain("layers", ops![Conv2d::new(3, 8, 3), Op::Relu, Op::Flatten, Linear::new(7200, 2)], x);
    net.build().expect("a network")
}

fn photo() -> Photo {
    let colours = |x, y| image::Rgb([(x * 8) as u8, (y * 8) as u8, 100]);
    Photo::from_image(&image::RgbImage::from_fn(32, 32, colours).into()).expect("a photo")
}

#[test]
#[ignore = "a cell of the tests below"]
fn shows_in_place() {
    if is_cell() {
        let live = show::live("first");
        live.update("second");
        live.update("third");
        println!("before its end");
    }
}

#[test]
fn what_is_shown_takes_the_place_of_what_was_there() {
    let (lines, _) = cell("shows_in_place", true).end();
    let starts: Vec<&String> =
        lines.iter().filter(|line| line.starts_with("EVCXR_BEGIN_DISPLAY")).collect();
    assert_eq!(starts.len(), 3, "{lines:#?}");
    let state = |line: &str| -> serde_json::Value {
        serde_json::from_str(line.trim_start_matches("EVCXR_BEGIN_DISPLAY ")).expect("JSON")
    };
    let states: Vec<_> = starts.iter().map(|line| state(line)).collect();
    assert!(states.iter().all(|state| state["id"] == states[0]["id"]), "{states:?}");
    let updates: Vec<_> = states.iter().map(|state| state["update"] == true).collect();
    assert_eq!(updates, [false, true, true]);
}

#[test]
fn where_nothing_can_be_replaced_the_last_state_is_shown_in_the_end() {
    let (lines, _) = cell("shows_in_place", false).end();
    assert_eq!(blocks(&lines, "EVCXR_BEGIN_DISPLAY"), 0, "{lines:#?}");
    assert_eq!(blocks(&lines, "EVCXR_BEGIN_CONTENT text/plain"), 1, "{lines:#?}");
    let at = |text: &str| lines.iter().position(|line| line.ends_with(text));
    assert!(at("third") > at("before its end") && at("first").is_none(), "{lines:#?}");
}

#[test]
#[ignore = "a cell of the tests below"]
fn counts() {
    if is_cell() {
        let mut progress = Progress::new("counting", 1_500);
        for done in 1..=1_500 {
            std::thread::sleep(Duration::from_millis(1));
            progress.advance(done).expect("nobody interrupts");
        }
        progress.finish();
    }
}

#[test]
fn a_bar_moves_at_most_ten_times_a_second_and_goes_where_the_work_was_short() {
    let began = std::time::Instant::now();
    let (lines, _) = cell("counts", true).end();
    let tenths = began.elapsed().as_millis() as usize / 100;
    let states: Vec<serde_json::Value> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("EVCXR_PROGRESS "))
        .map(|state| serde_json::from_str(state).expect("JSON"))
        .collect();
    let (last, moves) = states.split_last().expect("a bar");
    assert!(!moves.is_empty() && moves.len() <= tenths, "{} in {tenths} tenths", moves.len());
    assert!(moves.iter().all(|state| state["total"] == 1_500 && state["id"] == last["id"]));
    assert!(moves.windows(2).all(|two| two[0]["done"].as_u64() < two[1]["done"].as_u64()));
    assert!(moves[0]["text"].as_str().is_some_and(|text| text.contains(" left")), "{moves:?}");
    assert_eq!(last["end"], true);
}

#[test]
#[ignore = "a cell of the tests below"]
fn trains_for_ever() {
    if is_cell() {
        let photos = Tensor::rand([64, 3, 32, 32], FLOAT_CPU);
        let classes = Tensor::arange(64, tch::kind::INT64_CPU).remainder(2);
        let fitted = Fit::default().epochs(1_000_000).run(&net(), &photos, &classes);
        let fitted = fitted.expect("a network that is trained so far");
        assert_eq!(fitted.losses().len().min(2), 2);
        println!("said {fitted}");
    }
}

#[test]
fn a_training_that_is_stopped_gives_the_network_as_it_is_so_far() {
    let mut training = cell("trains_for_ever", true);
    training.wait_for(r#""text":"training halves, batches: "#);
    // Its curves, as they are by now, and as they grow.
    training.wait_for("EVCXR_BEGIN_DISPLAY");
    training.wait_for("EVCXR_BEGIN_DISPLAY");
    training.interrupt();
    let said = training.said();
    assert!(said.contains("(stopped: interrupted in epoch "), "{said}");
}

#[test]
fn in_another_kernel_an_interrupt_ends_the_process() {
    let mut training = cell("trains_for_ever", false);
    training.wait_for("halves: epoch");
    training.interrupt();
    let (lines, status) = training.end();
    assert!(!status.success() && blocks(&lines, "said") == 0, "{status}: {lines:#?}");
}

#[test]
#[ignore = "a cell of the tests below"]
fn explains_for_ever() {
    if is_cell() {
        let (model, photo) = (net(), photo());
        let look = model.look(&photo).expect("a look");
        let heat = look.explain(&Rise::default().samples(1_000_000)).expect("a partial map");
        println!("said {}", heat.remarks().join(" "));
        // Nothing long begins any more in this cell.
        let next = look.explain(&Rise::default().samples(1_000_000));
        assert!(matches!(next, Err(convlens::Error::Interrupted(_))), "{next:?}");
    }
}

#[test]
fn an_explanation_that_is_stopped_is_the_map_so_far_and_nothing_long_follows() {
    let mut explaining = cell("explains_for_ever", true);
    explaining.wait_for(r#""text":"RISE, masks: "#);
    explaining.interrupt();
    let said = explaining.said();
    assert!(said.contains("interrupted after") && said.contains("of 1000000 masks"), "{said}");
}

#[test]
#[ignore = "a cell of the tests below"]
fn excites_for_ever() {
    if is_cell() {
        let vis = FeatureVis::default().steps(1_000_000);
        let made = vis.run(&net(), [Objective::channel("layers.0", 1)]).expect("a picture so far");
        println!("said {}", made.stopped().expect("why it stopped"));
    }
}

#[test]
fn a_picture_that_is_stopped_is_the_picture_so_far() {
    let mut exciting = cell("excites_for_ever", true);
    exciting.wait_for("EVCXR_BEGIN_DISPLAY");
    exciting.wait_for("EVCXR_BEGIN_CONTENT image/");
    exciting.interrupt();
    let said = exciting.said();
    assert!(said.contains("interrupted after step"), "{said}");
}

#[test]
#[ignore = "a cell of the tests below"]
fn searches_for_ever() {
    if is_cell() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("only")).expect("a class");
        let file = folder.path().join("only/0.png");
        photo().picture().save(&file).expect("a file");
        for number in 1..5_000 {
            std::fs::hard_link(&file, folder.path().join(format!("only/{number}.png")))
                .expect("one");
        }
        let photos = ImageFolder::open(folder.path()).expect("photos");
        let found = PatchSearch::at(["layers.0"]).run(&net(), &photos);
        println!("said {}", found.expect_err("it was stopped"));
    }
}

#[test]
fn a_search_that_is_stopped_says_how_far_it_was() {
    let mut searching = cell("searches_for_ever", true);
    searching.wait_for("EVCXR_PROGRESS");
    searching.interrupt();
    let said = searching.said();
    assert!(said.contains("interrupted") && said.contains(" of 5000"), "{said}");
}

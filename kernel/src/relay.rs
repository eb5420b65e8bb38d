//! Between a child and evcxr: what a cell prints goes to the page, and evcxr hears its own signals alone.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::child::{Child, Nursery};
use crate::control::Control;
use crate::framing::{Parser, Piece, Signal};
use crate::page::Page;

/// How long a child may live on without its standard output.
const DEAF: Duration = Duration::from_secs(1);

/// Steps of progress are looked at this often, where they come faster.
const STEPS: Duration = Duration::from_millis(10);
/// A chunk below this, in bytes, leaves so much room in the pipe that the child need not wait for it.
const FEW: usize = 8 * 1024;

/// Serves every child that evcxr starts, for ever.
pub(crate) fn serve(nursery: Arc<Nursery>, page: Arc<Page>, control: Arc<Control>) {
    thread::spawn(move || {
        loop {
            match nursery.next() {
                Ok(child) => {
                    let (page, control) = (Arc::clone(&page), Arc::clone(&control));
                    if let Err(error) = attend(child, page, control) {
                        eprintln!("a process for the cells cannot be used: {error}");
                    }
                }
                Err(error) => {
                    eprintln!("a process for the cells cannot be used: {error}");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    });
}

fn attend(child: Child, page: Arc<Page>, control: Arc<Control>) -> std::io::Result<()> {
    let Child { pid, from_evcxr, to_evcxr, stdin, stdout, stderr } = child;
    ioctl_fionbio(&stdout, true)?;
    ioctl_fionbio(&stderr, true)?;
    let to_evcxr = Arc::new(ToEvcxr(Mutex::new(Some(File::from(to_evcxr)))));
    let refusals = Arc::clone(&to_evcxr);
    control.born(pid);

    // Closes its end when the child has ended.
    let (ended, ends) = pipe_with(PipeFlags::CLOEXEC)?;
    thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
        drop(ends);
    });
    let commands = Arc::clone(&control);
    thread::spawn(move || pass_commands(from_evcxr, stdin, &refusals, &commands));
    thread::spawn(move || {
        let mut relay =
            Relay { to_evcxr, stdout, stderr, parser: Parser::default(), page, control };
        relay.run(&ended);
        let how = how_it_ended(pid);
        relay.parser.finish(|piece| relay.page.stdout(piece));
        relay.control.died(pid, how);
        // Upon which evcxr starts another one.
        relay.to_evcxr.close();
    });
    Ok(())
}

/// Where evcxr reads the child's signals.
struct ToEvcxr(Mutex<Option<File>>);

impl ToEvcxr {
    fn send(&self, signals: &[Signal]) {
        let lines: Vec<String> = signals.iter().map(|signal| signal.line() + "\n").collect();
        if let Some(file) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // evcxr may have given the child up.
            let _ = file.write_all(lines.concat().as_bytes());
        }
    }

    /// The child says nothing any more.
    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// In the words that a reader knows: `signal: 9 (SIGKILL)`, `exit status: 1`.
fn how_it_ended(pid: rustix::process::Pid) -> String {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(pid), options).ok().flatten();
    let Some(status) = status else { return "it is gone".to_owned() };
    match (status.terminating_signal(), status.exit_status()) {
        (Some(signal), _) => {
            let name = match signal {
                2 => " (interrupt)",
                6 => " (abort)",
                9 => " (killed; where nobody did it, memory was short)",
                11 => " (invalid memory reference)",
                15 => " (terminated)",
                _ => "",
            };
            format!("signal {signal}{name}")
        }
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "it is gone".to_owned(),
    }
}

/// What evcxr tells the child, line by line. A cell that was stopped before it ran is taken back: to evcxr it
/// looks as if it had panicked at once, so that its variables are not there.
fn pass_commands(from_evcxr: OwnedFd, stdin: OwnedFd, refusals: &ToEvcxr, control: &Control) {
    let mut to_child = File::from(stdin);
    let mut lines = BufReader::new(File::from(from_evcxr));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if line.starts_with(b"LOAD_AND_RUN ") && !control.may_run() {
            refusals.send(&[Signal::Panic, Signal::Complete]);
        } else if to_child.write_all(&line).is_err() {
            return;
        }
        line.clear();
    }
}

struct Relay {
    to_evcxr: Arc<ToEvcxr>,
    stdout: OwnedFd,
    stderr: OwnedFd,
    parser: Parser,
    page: Arc<Page>,
    control: Arc<Control>,
}

impl Relay {
    /// Until the child has ended and everything it printed is read.
    fn run(&mut self, ended: &OwnedFd) {
        let mut chunk = vec![0; 64 * 1024];
        let (mut out, mut err) = (true, true);
        let mut deaf: Option<Instant> = None;
        loop {
            let due = [self.page.due(), deaf].into_iter().flatten().min();
            let ready = wait(&[(&self.stdout, out), (&self.stderr, err), (ended, true)], due);
            if out && ready[0] {
                out = self.read_stdout(&mut chunk).is_some();
                if !out {
                    deaf = Some(Instant::now() + DEAF);
                }
            }
            if err && ready[1] {
                err = self.read_stderr(&mut chunk).is_some();
            }
            let now = Instant::now();
            self.page.tick(now);
            if ready[2] {
                // What others hold open, such as processes that it started, is not waited for.
                while out && self.read_stdout(&mut chunk).is_some_and(|length| length > 0) {}
                while err && self.read_stderr(&mut chunk).is_some_and(|length| length > 0) {}
                return;
            }
            if deaf.is_some_and(|deaf| now >= deaf) {
                deaf = None;
                self.control.lost("it closed its standard output, by which the kernel hears of it");
            }
        }
    }

    /// How much there was; none when there will be no more.
    fn read_stdout(&mut self, chunk: &mut [u8]) -> Option<usize> {
        let length = read_some(&self.stdout, chunk)?;
        let mut pieces = Vec::new();
        self.parser.read(&chunk[..length], |piece| pieces.push(piece));
        let is_step = |piece: &Piece| matches!(piece, Piece::Progress(_));
        let only_steps = !pieces.is_empty() && pieces.iter().all(is_step) && length < FEW;
        for piece in pieces {
            match piece {
                Piece::Signal(signal) => self.signal(&signal),
                piece => self.page.stdout(piece),
            }
        }
        if only_steps {
            // To be woken for each of thousands would take the time that the work needs.
            thread::sleep(STEPS);
        }
        Some(length)
    }

    fn read_stderr(&mut self, chunk: &mut [u8]) -> Option<usize> {
        let length = read_some(&self.stderr, chunk)?;
        if length > 0 {
            self.page.stderr(&chunk[..length]);
        }
        Some(length)
    }

    fn signal(&mut self, signal: &Signal) {
        // What was printed before the signal stands before what follows from it.
        let mut chunk = [0; 4096];
        while self.read_stderr(&mut chunk).is_some_and(|length| length > 0) {}
        self.page.signal(signal);
        // A program may print the signal of the end itself, and then comes the real one.
        if *signal == Signal::Complete && !self.control.has_run() {
            return;
        }
        self.to_evcxr.send(std::slice::from_ref(signal));
    }
}

/// Waits until one of those that matter can be read, and says which.
fn wait(ends: &[(&OwnedFd, bool); 3], due: Option<Instant>) -> [bool; 3] {
    let mut polled: Vec<PollFd<'_>> = ends
        .iter()
        .filter(|(_, matters)| *matters)
        .map(|(end, _)| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN))
        .collect();
    let timeout = due.map(|due| {
        let left = due.saturating_duration_since(Instant::now());
        Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
    });
    let _ = poll(&mut polled, timeout.as_ref());
    let mut ready = polled.iter().map(|end| !end.revents().is_empty());
    ends.map(|(_, matters)| matters && ready.next().unwrap_or(false))
}

/// How much was read, 0 where nothing is there at the moment; none at the end.
fn read_some(from: &OwnedFd, chunk: &mut [u8]) -> Option<usize> {
    match read(from, chunk) {
        Ok(0) => None,
        Ok(length) => Some(length),
        Err(Errno::AGAIN | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}

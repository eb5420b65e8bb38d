//! What the kernel is doing at the moment, and how it is stopped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::processes;

/// A second interrupt within this time ends the child.
const AGAIN: Duration = Duration::from_secs(5);
/// And so does one that is unanswered for this time.
const UNANSWERED: Duration = Duration::from_secs(10);

/// The state that the threads share.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Counts the cells, so that whoever watches one knows whether it is still the same.
    cell: u64,
    child: Option<Pid>,
    interrupted: Option<Instant>,
    /// The cell was stopped before it ran.
    refused: bool,
    /// Why the kernel has ended the child.
    killed: Option<&'static str>,
    /// How the child ended, where it did.
    died: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Idle,
    /// evcxr itself is being loaded, with what its configuration runs: nothing of that is stopped.
    Loading,
    /// evcxr analyses and compiles; no code of the cell runs.
    Preparing,
    /// The child runs the cell.
    Running,
}

/// What happened to a cell beyond its own doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fate {
    pub(crate) interrupted: bool,
    /// It was stopped before it ran.
    pub(crate) refused: bool,
    /// Why the kernel has ended the child.
    pub(crate) killed: Option<&'static str>,
    /// How the child ended, where it did.
    pub(crate) died: Option<String>,
}

impl Control {
    /// evcxr is being loaded.
    pub(crate) fn load(&self) {
        self.lock().phase = Phase::Loading;
    }

    /// evcxr begins with a cell.
    pub(crate) fn begin(&self) {
        let mut state = self.lock();
        let (child, died) = (state.child, state.died.take());
        let cell = state.cell + 1;
        *state = State { phase: Phase::Preparing, cell, child, died, ..State::default() };
    }

    /// evcxr is done with it, or is loaded.
    pub(crate) fn end(&self) -> Fate {
        let mut state = self.lock();
        state.phase = Phase::Idle;
        self.changed.notify_all();
        Fate {
            interrupted: state.interrupted.take().is_some(),
            refused: state.refused,
            killed: state.killed.take(),
            died: state.died.take(),
        }
    }

    /// Whether somebody wants the cell to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.lock().interrupted.is_some()
    }

    /// There is a child, which waits for code.
    pub(crate) fn born(&self, child: Pid) {
        self.lock().child = Some(child);
    }

    /// The child is gone.
    pub(crate) fn died(&self, child: Pid, how: String) {
        let mut state = self.lock();
        if state.child == Some(child) {
            state.child = None;
            state.died = Some(how);
            // It leaves nothing behind that runs on.
            let _ = kill_process_group(child, Signal::KILL);
        }
    }

    /// evcxr hands a compiled cell to the child. Says whether the child may run it: a cell that was stopped
    /// before is not begun.
    pub(crate) fn may_run(&self) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Preparing && state.interrupted.is_some() {
            state.refused = true;
            return false;
        }
        if state.phase != Phase::Loading {
            state.phase = Phase::Running;
        }
        true
    }

    /// The child says that it has run the cell. Says whether it was running one.
    pub(crate) fn has_run(&self) -> bool {
        let mut state = self.lock();
        let running = matches!(state.phase, Phase::Running | Phase::Loading);
        if state.phase == Phase::Running {
            // evcxr may still compile it again, where a variable's type changed.
            state.phase = Phase::Preparing;
        }
        self.changed.notify_all();
        running
    }

    /// Somebody wants the cell to stop.
    pub(crate) fn interrupt(self: &Arc<Self>) {
        let now = Instant::now();
        let mut state = self.lock();
        let before = state.interrupted;
        match state.phase {
            Phase::Idle => return,
            Phase::Loading => {
                // A cell that waits for it is given up.
                state.interrupted.get_or_insert(now);
                return;
            }
            Phase::Preparing => {
                state.interrupted.get_or_insert(now);
            }
            Phase::Running => match before {
                Some(before) if now.saturating_duration_since(before) < AGAIN => {
                    kill(&mut state, "it was interrupted twice within five seconds");
                }
                _ => {
                    state.interrupted = Some(now);
                    if let Some(child) = state.child {
                        signal(child, Signal::INT);
                    }
                }
            },
        }
        let cell = state.cell;
        drop(state);
        if before.is_none() {
            let control = Arc::clone(self);
            thread::spawn(move || control.see_to_it(cell));
        }
    }

    /// Ends a child that is of no use any more.
    pub(crate) fn lost(&self, why: &'static str) {
        kill(&mut self.lock(), why);
    }

    /// Ends the child and all compilers, since the kernel ends.
    pub(crate) fn end_all(&self) {
        let mut state = self.lock();
        kill(&mut state, "the kernel ends");
        processes::signal_compilers(state.child, Signal::KILL);
    }

    /// Stays with an interrupted cell until it has stopped.
    fn see_to_it(&self, cell: u64) {
        let mut rounds = 0;
        let mut state = self.lock();
        while state.cell == cell && state.phase != Phase::Idle {
            let waits = match state.phase {
                Phase::Running => {
                    let since = state.interrupted.unwrap_or_else(Instant::now);
                    let left = (since + UNANSWERED).saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        kill(&mut state, "it did not answer an interrupt for ten seconds");
                        return;
                    }
                    left
                }
                // Compilers that evcxr starts after this are stopped, too.
                _ => {
                    let signal = if rounds < 20 { Signal::INT } else { Signal::KILL };
                    rounds += 1;
                    let child = state.child;
                    drop(state);
                    processes::signal_compilers(child, signal);
                    state = self.lock();
                    Duration::from_millis(100)
                }
            };
            if state.cell != cell || state.phase == Phase::Idle {
                return;
            }
            state =
                self.changed.wait_timeout(state, waits).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(state: &mut State, why: &'static str) {
    if let Some(child) = state.child {
        state.killed.get_or_insert(why);
        signal(child, Signal::KILL);
    }
}

/// To the child and to what it has started.
fn signal(child: Pid, signal: Signal) {
    if kill_process_group(child, signal).is_err() {
        let _ = kill_process(child, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};

    /// Ending everything that this process has started would end other tests' processes, too.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").process_group(0).spawn().unwrap()
    }

    fn pid(child: &Child) -> Pid {
        Pid::from_child(child)
    }

    #[test]
    fn an_interrupt_reaches_a_running_child_and_a_second_one_ends_it() {
        let _alone = alone();
        let control = Arc::new(Control::default());
        // A shell that ignores interrupts.
        let script = "trap '' INT; echo ready; while :; do sleep 1000; done";
        let mut child = Command::new("sh")
            .args(["-c", script])
            .process_group(0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        control.born(pid(&child));
        control.begin();
        assert!(control.may_run());
        control.interrupt();
        assert_eq!(child.try_wait().unwrap(), None);
        control.interrupt();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        control.died(pid(&child), "signal: 9".to_owned());
        let fate = control.end();
        assert!(fate.interrupted && fate.killed.unwrap().contains("twice"), "{fate:?}");
    }

    #[test]
    fn a_cell_that_is_stopped_while_it_is_compiled_is_not_run_and_the_child_lives() {
        let _alone = alone();
        let control = Arc::new(Control::default());
        let mut child = sleeper();
        control.born(pid(&child));
        control.begin();
        control.interrupt();
        assert!(!control.may_run());
        let fate = control.end();
        assert_eq!(fate, Fate { interrupted: true, refused: true, ..Fate::default() });
        assert_eq!(child.try_wait().unwrap(), None);
        control.begin();
        assert!(control.may_run() && control.has_run() && !control.has_run());
        assert_eq!(control.end(), Fate::default());
        control.end_all();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn an_interrupt_with_nothing_to_stop_does_nothing() {
        let _alone = alone();
        let control = Arc::new(Control::default());
        let mut child = sleeper();
        control.born(pid(&child));
        control.interrupt();
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(!control.is_interrupted());
        control.end_all();
        child.wait().unwrap();
    }
}

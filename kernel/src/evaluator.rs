//! evcxr in a thread of its own, loaded behind everything else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use evcxr::{CommandContext, EvalContext};

use crate::child::Nursery;
use crate::control::Control;

/// rust-analyzer goes down into a program as deep as it is nested. What is not used costs nothing.
const STACK: usize = 256 << 20;

type Work = Box<dyn FnOnce(&mut CommandContext) + Send>;

enum Job {
    Load,
    /// Go to a directory; the state that follows.
    Move(PathBuf, Load),
    Work(Work),
    End,
}

/// How far evcxr is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Load {
    Loading,
    /// With what its configuration said, if that failed.
    Ready(Option<String>),
    Failed(String),
    Ended,
}

/// The way to evcxr's thread.
#[derive(Clone)]
pub(crate) struct Evaluator {
    jobs: Sender<Job>,
    shared: Arc<Shared>,
}

struct Shared {
    load: Mutex<Load>,
    changed: Condvar,
    /// Where evcxr compiles, if that is a directory that ends with the kernel.
    scratch: Mutex<Option<PathBuf>>,
}

/// Why there is no result.
#[derive(Debug, PartialEq)]
pub(crate) enum Unfinished {
    /// evcxr or rust-analyzer has panicked.
    Panicked(String),
    /// The kernel ends.
    Ended,
}

impl Evaluator {
    /// Starts the thread, which begins to load at once.
    pub(crate) fn start(nursery: Arc<Nursery>, control: Arc<Control>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel();
        let shared = Arc::new(Shared {
            load: Mutex::new(Load::Loading),
            changed: Condvar::new(),
            scratch: Mutex::new(None),
        });
        let evaluator = Evaluator { jobs, shared: Arc::clone(&shared) };
        // The child ends with the thread that started it, so this one lives as long as the kernel.
        thread::Builder::new()
            .name("evcxr".to_owned())
            .stack_size(STACK)
            .spawn(move || work(&inbox, &shared, &nursery, &control))?;
        let _ = evaluator.jobs.send(Job::Load);
        Ok(evaluator)
    }

    /// How far evcxr is, after waiting for at most this time where it is being loaded.
    pub(crate) fn loaded_within(&self, time: Duration) -> Load {
        let load = self.shared.load.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            self.shared.changed.wait_timeout_while(load, time, |load| *load == Load::Loading);
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Tries again to load evcxr.
    pub(crate) fn reload(&self) {
        self.shared.set(Load::Loading);
        let _ = self.jobs.send(Job::Load);
    }

    /// Has the cells run in this directory, to which this process has gone already. Until then, evcxr counts as being
    /// loaded.
    pub(crate) fn move_to(&self, dir: PathBuf) {
        let load = self.loaded_within(Duration::ZERO);
        self.shared.set(Load::Loading);
        let _ = self.jobs.send(Job::Move(dir, load));
    }

    /// Has evcxr's thread do something, and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut CommandContext) -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let (done, result) = channel();
        let work = move |context: &mut CommandContext| {
            let result = catch_unwind(AssertUnwindSafe(|| work(context)));
            let _ = done.send(result.map_err(|panic| Unfinished::Panicked(words(&*panic))));
        };
        self.jobs.send(Job::Work(Box::new(work))).map_err(|_| Unfinished::Ended)?;
        result.recv().unwrap_or(Err(Unfinished::Ended))
    }

    /// Ends evcxr, and removes what it has on disk, within about this time.
    pub(crate) fn end(&self, time: Duration) {
        let _ = self.jobs.send(Job::End);
        let load = self.shared.load.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            self.shared.changed.wait_timeout_while(load, time, |load| *load != Load::Ended);
        drop(waited);
        let scratch = self.shared.scratch.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(scratch) = scratch {
            let _ = std::fs::remove_dir_all(scratch);
        }
    }
}

impl Shared {
    fn set(&self, load: Load) {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = load;
        self.changed.notify_all();
    }
}

fn work(inbox: &Receiver<Job>, shared: &Shared, nursery: &Nursery, control: &Control) {
    let mut context = None;
    for job in inbox {
        match job {
            Job::Load => {
                control.load();
                let loaded = catch_unwind(AssertUnwindSafe(|| load(nursery)));
                control.end();
                let loaded = loaded.unwrap_or_else(|panic| Err(words(&*panic)));
                let state = match loaded {
                    Ok((loaded, complaint)) => {
                        let context = context.insert(loaded);
                        *shared.scratch.lock().unwrap_or_else(PoisonError::into_inner) =
                            scratch_of(context);
                        Load::Ready(complaint)
                    }
                    Err(reason) => Load::Failed(reason),
                };
                shared.set(state);
            }
            Job::Move(dir, state) => {
                if let Some(context) = &mut context {
                    let code = format!("let _ = std::env::set_current_dir({dir:?});");
                    control.load();
                    let _ = catch_unwind(AssertUnwindSafe(|| context.execute(&code)));
                    control.end();
                }
                shared.set(state);
            }
            Job::Work(work) => {
                if let Some(context) = &mut context {
                    work(context);
                }
            }
            Job::End => break,
        }
    }
    drop(context);
    shared.set(Load::Ended);
}

fn load(nursery: &Nursery) -> Result<(CommandContext, Option<String>), String> {
    let command = nursery.command().map_err(|error| error.to_string())?;
    // Its outputs bring nothing: what a child prints never gets as far as there.
    let (context, _) =
        EvalContext::with_subprocess_command(command).map_err(|error| error.to_string())?;
    let mut context = CommandContext::with_eval_context(context);
    let complaint = context.execute(":load_config --quiet").err().map(|error| error.to_string());
    Ok((context, complaint))
}

/// evcxr's directory, where it made one of its own that is removed in the end.
fn scratch_of(context: &mut CommandContext) -> Option<PathBuf> {
    let outputs = context.execute(":last_compile_dir").ok()?;
    let dir = PathBuf::from(outputs.get("text/plain")?.trim());
    let is_ours = dir.parent() == Some(&std::env::temp_dir())
        && dir.file_name()?.to_str()?.starts_with(".tmp")
        && std::env::var_os("EVCXR_TMPDIR").is_none();
    is_ours.then_some(dir)
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it gives no reason".to_owned())
}

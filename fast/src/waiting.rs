//! How OpenMP's threads wait for more to do.
//!
//! GNU's OpenMP lets them turn on the spot for milliseconds, which is best on a quiet machine; it reads that
//! from the environment when it is loaded, before any code of ours runs. Beside another busy process that
//! waiting takes the time that the other threads need: everything becomes ten times as slow. But OpenMP
//! waits a thousandth of that while it manages more threads than there are processors. So while other
//! processes take some of them, a [`Crowd`] sleeps here.

use std::ffi::{c_uint, c_void};
use std::sync::mpsc;
use std::time::Duration;

use crate::load::Load;
use crate::openmp::{self, Parallel};

const NAME: &str = "convlens load";

/// From now on the machine's load is watched, and so many threads wait for a moment only while others work,
/// too. Once in a process, however often it is called, by whatever copy of this code. `wanted` is asked
/// again and again whether that is still to be done.
pub fn watch_the_load(threads: usize, wanted: impl Fn() -> bool + Send + 'static) {
    if threads < 2 {
        return;
    }
    let Some((parallel, processors)) = openmp::parallel().zip(openmp::processors()) else { return };
    let Some(sleepers) = sleepers(threads, processors) else { return };
    if has_thread(NAME) {
        return;
    }
    let (ready, is_ready) = mpsc::channel();
    let begin = move || Crowd::begin(parallel, sleepers);
    let spawned = std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        let _ = ready.send(());
        watch(threads, wanted, begin);
    });
    if spawned.is_ok() {
        // It has its name when it runs.
        let _ = is_ready.recv();
    }
}

fn watch(threads: usize, wanted: impl Fn() -> bool, begin: impl Fn() -> Option<Crowd>) {
    let mut load = Load::new();
    let (mut crowd, mut works, mut calm) = (None, true, 0);
    loop {
        std::thread::sleep(if works { OFTEN } else { SELDOM });
        if !wanted() {
            crowd = None;
            continue;
        }
        let Some(load) = &mut load else {
            crowd = crowd.or_else(&begin); // One never knows.
            continue;
        };
        let Some((left, own)) = load.left() else { continue };
        works = own > 0.05;
        calm = if left < ENOUGH * threads as f64 { 0 } else { calm + 1 };
        match calm {
            0 if crowd.is_none() => crowd = begin(),
            CALM => crowd = None,
            _ => {}
        }
    }
}

/// How often the load is looked at while this process works, and while it does not.
const OFTEN: Duration = Duration::from_millis(150);
const SELDOM: Duration = Duration::from_millis(400);
/// Others work here when less than this share of our threads' processors is left to us.
const ENOUGH: f64 = 0.85;
/// They are gone when that was not so for as many times.
const CALM: usize = 4;

/// How many threads make these more than the processors, unless they are so many that a container which
/// counts processes might end this one.
fn sleepers(threads: usize, processors: usize) -> Option<usize> {
    const MOST: usize = 64;
    let sleepers = (processors + 1).saturating_sub(threads).max(1);
    (sleepers <= MOST).then_some(sleepers)
}

/// A thread with so many others of its own, all of which sleep, until this is dropped.
struct Crowd {
    _awake: mpsc::Sender<()>,
}

impl Crowd {
    const NAME: &str = "convlens crowd";

    fn begin(parallel: Parallel, sleepers: usize) -> Option<Crowd> {
        let threads = c_uint::try_from(sleepers + 1).unwrap_or(2);
        let (awake, is_over) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name(Crowd::NAME.to_owned()).spawn(move || {
            // SAFETY: the function takes any argument and does nothing.
            unsafe { parallel(nothing, std::ptr::null_mut(), threads, 0) }
            // OpenMP's threads live as long as the one that asked for them.
            let _ = is_over.recv();
        });
        thread.ok().map(|_| Crowd { _awake: awake })
    }
}

extern "C" fn nothing(_: *mut c_void) {}

/// Whether a thread of this process has this name.
fn has_thread(name: &str) -> bool {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return false };
    tasks.flatten().any(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|found| found.trim() == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_crowd_sleeps_until_it_is_dropped() {
        let Some(parallel) = openmp::loaded() else {
            return println!("skipped: there is no GNU OpenMP here");
        };
        let until = |count: usize| {
            loop {
                let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
                let names =
                    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
                if names.filter(|name| name.trim() == Crowd::NAME).count() == count {
                    return;
                }
                std::thread::yield_now();
            }
        };
        let crowd = Crowd::begin(parallel, 1).expect("a thread");
        // Those that it brings along have its name, and leave with it.
        until(2);
        drop(crowd);
        until(0);
    }

    #[test]
    fn no_crowd_of_threads_is_started_to_sleep() {
        assert_eq!(sleepers(2, 2), Some(1));
        assert_eq!(sleepers(128, 128), Some(1));
        assert_eq!(sleepers(2, 16), Some(15));
        assert_eq!(sleepers(2, 128), None);
        assert_eq!(sleepers(9, 2), Some(1));
    }
}

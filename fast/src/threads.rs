//! Work in several threads, and in those of libtorch where they can be had.
//!
//! Libtorch's threads wait for more to do by turning on the spot, for milliseconds. Threads beside them
//! would get half of a processor each.

use std::any::Any;
use std::ffi::{c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::openmp::{self, Parallel};

/// Each item is one thread's work; who is done takes the next.
///
/// # Panics
/// As [`on_all`].
pub fn for_each<T: Send>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let items = Mutex::new(items);
    on_all(threads, &|_| {
        loop {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            match item {
                Some(item) => work(item),
                None => return,
            }
        }
    });
}

/// How many of so many threads are woken for so much work, of which at least this pays for one.
pub(crate) fn worthwhile(threads: usize, work: usize, least: usize) -> usize {
    const MOST: usize = 1024;
    if work < least { 1 } else { threads.clamp(1, MOST) }
}

/// Each thread, by its number, works on a piece; who is done takes the next.
///
/// # Panics
/// As [`on_all`].
pub(crate) fn in_pieces(threads: usize, pieces: usize, work: impl Fn(usize, usize) + Sync) {
    let next = AtomicUsize::new(0);
    on_all(threads, &|thread| {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            work(thread, piece);
        }
    });
}

/// Runs `work` in so many threads at once, each with a number of its own from 0 to `threads - 1`.
/// There may be fewer of them than asked for, but there is always one.
///
/// # Panics
/// With what `work` panicked with in one of the threads, once all of them have left it.
pub fn on_all(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    on_all_by(openmp::parallel(), threads, work);
}

fn on_all_by(parallel: Option<Parallel>, threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = threads.max(1);
    let call = Call { work, next: AtomicUsize::new(0), panics: Mutex::new(Vec::new()) };
    match parallel {
        Some(parallel) => {
            let count = c_uint::try_from(threads).unwrap_or(1);
            // SAFETY: it returns when all threads have left `enter`, up to which the call lives.
            unsafe { parallel(enter, (&raw const call) as *mut c_void, count, 0) }
        }
        None => std::thread::scope(|scope| {
            for _ in 1..threads {
                // Where no more threads are to be had, fewer do the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, || call.enter());
            }
            call.enter();
        }),
    }
    let panics = call.panics.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(first) = panics.into_iter().next() {
        resume_unwind(first);
    }
}

/// What the work of one call shares.
struct Call<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    /// The next thread's number.
    next: AtomicUsize,
    /// What `work` panicked with. OpenMP's threads know nothing of Rust: a panic that left ours into them
    /// would end the process.
    panics: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl Call<'_> {
    fn enter(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Nobody looks at what the work has left half done: the caller panics, too.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.work)(number))) {
            self.panics.lock().unwrap_or_else(PoisonError::into_inner).push(panic);
        }
    }
}

extern "C" fn enter(call: *mut c_void) {
    // SAFETY: it is `on_all_by`'s, which waits.
    let call = unsafe { &*(call as *const Call) };
    call.enter();
}

/// A pointer to what threads write to, each elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) *mut f32);

// SAFETY: who writes through it says why nobody else writes there.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn at(&self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenMP does it: the function is called in threads that know nothing of it.
    unsafe extern "C" fn foreign(
        function: extern "C" fn(*mut c_void),
        argument: *mut c_void,
        threads: c_uint,
        _: c_uint,
    ) {
        let argument = argument as usize;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(move || function(argument as *mut c_void));
            }
        });
    }

    #[test]
    fn a_panic_arrives_when_all_threads_have_left_and_the_next_work_runs() {
        let openmp = openmp::loaded();
        if openmp.is_none() {
            println!("skipped for OpenMP, which is not here");
        }
        for parallel in [None, Some(foreign as Parallel), openmp] {
            let left = AtomicUsize::new(0);
            let work = |number: usize| {
                assert!(number != 1, "thread {number} fails");
                left.fetch_add(1, Ordering::Relaxed);
            };
            let panic = catch_unwind(AssertUnwindSafe(|| on_all_by(parallel, 4, &work)));
            let panic = panic.expect_err("a panic");
            let text = panic.downcast_ref::<String>().expect("its message");
            assert!(text.contains("thread 1 fails"), "{text}");
            assert_eq!(left.load(Ordering::Relaxed), 3);
            let sum = AtomicUsize::new(0);
            on_all_by(parallel, 4, &|number| {
                sum.fetch_add(number + 1, Ordering::Relaxed);
            });
            assert_eq!(sum.load(Ordering::Relaxed), 1 + 2 + 3 + 4);
        }
    }

    #[test]
    fn the_other_threads_go_on_when_one_panics() {
        let done = AtomicUsize::new(0);
        let work = |item: usize| {
            assert!(item != 3);
            done.fetch_add(item, Ordering::Relaxed);
        };
        let all = || for_each(3, 0..10, work);
        assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
        assert_eq!(done.load(Ordering::Relaxed), 45 - 3);
    }

    #[test]
    fn no_threads_are_one() {
        let calls = AtomicUsize::new(0);
        on_all(0, &|_| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

//! Work in several threads, and in those of libtorch where they can be had.
//!
//! Libtorch's threads wait for more to do by turning on the spot, for milliseconds. Threads beside them
//! would get half of a processor each.

use std::ffi::{c_char, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the work of one call shares.
struct Call<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    /// The next thread's number.
    next: AtomicUsize,
}

/// How many of them libtorch has.
pub(super) fn count() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1)
}

/// Each item is one thread's work; who is done takes the next.
pub(super) fn for_each<T: Send>(items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let items = Mutex::new(items);
    on_all(count(), &|_| {
        loop {
            let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
            match item {
                Some(item) => work(item),
                None => return,
            }
        }
    });
}

/// Runs `work` in so many threads at once, each with a number of its own from 0 to `threads - 1`.
/// There may be fewer of them than asked for.
pub(super) fn on_all(threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let call = Call { work, next: AtomicUsize::new(0) };
    let Some(parallel) = gomp_parallel() else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| enter(&raw const call as *mut c_void));
            }
        });
        return;
    };
    let count = c_uint::try_from(threads).unwrap_or(1);
    // SAFETY: it returns when all threads have left `enter`, up to which the call lives.
    unsafe { parallel(enter, (&raw const call) as *mut c_void, count, 0) }
}

extern "C" fn enter(call: *mut c_void) {
    // SAFETY: it is `on_all`'s, which waits.
    let call = unsafe { &*(call as *const Call) };
    (call.work)(call.next.fetch_add(1, Ordering::Relaxed));
}

/// Of GNU's OpenMP, <https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html>: calls
/// a function with an argument in so many threads.
type GompParallel = unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

/// That of the OpenMP which libtorch brought along, if it is GNU's.
fn gomp_parallel() -> Option<GompParallel> {
    static FOUND: OnceLock<Option<GompParallel>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        #[cfg(target_os = "linux")]
        {
            unsafe extern "C" {
                fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
            }
            // SAFETY: a null handle means all that is loaded; what has this name has this type.
            unsafe {
                let found = dlsym(std::ptr::null_mut(), c"GOMP_parallel".as_ptr());
                std::mem::transmute::<*mut c_void, Option<GompParallel>>(found)
            }
        }
        #[cfg(not(target_os = "linux"))]
        None
    })
}

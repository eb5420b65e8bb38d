//! Work in several threads, and in those of libtorch where they can be had.
//!
//! Libtorch's threads wait for more to do by turning on the spot, for milliseconds. Threads beside them
//! would get half of a processor each.
//!
//! Beside another busy process that waiting takes the time that the other threads need: everything becomes
//! ten times as slow. So from the first work on the machine's load is watched, and the threads wait for a
//! moment only while others work, too; and where a container allows fewer processors than the machine has,
//! there are as many threads as that. A user's own `OMP_NUM_THREADS`, `MKL_NUM_THREADS`, `OMP_WAIT_POLICY`
//! and `GOMP_SPINCOUNT` stay in force, and so does a number given to `tch::set_num_threads`.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use super::load::Load;

/// Called before libtorch's work; does its own only once.
///
/// "Once" is once a cell in a notebook, since each has statics of its own, so all of it can be repeated.
pub(super) fn prepare() {
    thread_local! {
        static DONE: Cell<bool> = const { Cell::new(false) };
    }
    static WATCHING: Once = Once::new();
    if DONE.replace(true) {
        return;
    }
    // Libtorch notes the number for each thread that works with it.
    fit_to_quota();
    WATCHING.call_once(watch_the_load);
}

fn is_set(names: &[&str]) -> bool {
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Libtorch takes the machine's processors, whatever a container allows.
fn fit_to_quota() {
    static ALLOWED: OnceLock<usize> = OnceLock::new();
    if is_set(&["OMP_NUM_THREADS", "MKL_NUM_THREADS"]) {
        return;
    }
    let allowed = *ALLOWED
        .get_or_init(|| std::thread::available_parallelism().map_or(usize::MAX, usize::from));
    let Some(processors) = gomp_processors() else { return };
    if is_beyond_quota(count(), processors, allowed)
        && let Ok(allowed) = i32::try_from(allowed)
    {
        tch::set_num_threads(allowed);
    }
}

/// Whether libtorch chose these threads itself and they are too many. It takes the machine's processors,
/// or, through MKL, its cores, which have one or two of them; any other number is a user's own.
fn is_beyond_quota(threads: usize, processors: usize, allowed: usize) -> bool {
    threads > allowed && (threads == processors || 2 * threads == processors)
}

/// How many threads make these more than the processors, unless they are so many that a container which
/// counts processes might end this one.
fn sleepers(threads: usize, processors: usize) -> Option<usize> {
    const MOST: usize = 64;
    let sleepers = (processors + 1).saturating_sub(threads).max(1);
    (sleepers <= MOST).then_some(sleepers)
}

/// GNU's OpenMP lets its threads turn on the spot for milliseconds while they wait, which is best on a
/// quiet machine; it reads that from the environment when it is loaded, before any code of ours runs. But
/// it waits a thousandth of that while it manages more threads than there are processors. So while other
/// processes take some of them, a [`Crowd`] sleeps here.
fn watch_the_load() {
    const NAME: &str = "convlens load";
    let threads = count();
    if is_set(&["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]) || threads < 2 {
        return;
    }
    let Some((parallel, processors)) = gomp_parallel().zip(gomp_processors()) else { return };
    let Some(sleepers) = sleepers(threads, processors) else { return };
    if has_thread(NAME) {
        return; // of an earlier cell
    }
    let (ready, is_ready) = mpsc::channel();
    let spawned = std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        let _ = ready.send(());
        let begin = || Crowd::begin(parallel, sleepers);
        let Some(mut load) = Load::new() else {
            let _crowd = begin(); // One never knows.
            loop {
                std::thread::park();
            }
        };
        let (mut crowd, mut works, mut calm) = (None, true, 0);
        loop {
            std::thread::sleep(if works { OFTEN } else { SELDOM });
            let Some((left, own)) = load.left() else { continue };
            works = own > 0.05;
            calm = if left < ENOUGH * threads as f64 { 0 } else { calm + 1 };
            match calm {
                0 if crowd.is_none() => crowd = begin(),
                CALM => crowd = None,
                _ => {}
            }
        }
    });
    if spawned.is_ok() {
        // It has its name when it runs.
        let _ = is_ready.recv();
    }
}

/// How often the load is looked at while this process works, and while it does not.
const OFTEN: Duration = Duration::from_millis(150);
const SELDOM: Duration = Duration::from_millis(400);
/// Others work here when less than this share of our threads' processors is left to us.
const ENOUGH: f64 = 0.85;
/// They are gone when that was not so for as many times.
const CALM: usize = 4;

/// A thread with so many others of its own, all of which sleep, until this is dropped.
struct Crowd {
    _awake: mpsc::Sender<()>,
}

impl Crowd {
    const NAME: &str = "convlens crowd";

    fn begin(parallel: GompParallel, sleepers: usize) -> Option<Crowd> {
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
    // SAFETY: what has this name has this type.
    *FOUND.get_or_init(|| unsafe {
        std::mem::transmute::<*mut c_void, Option<GompParallel>>(symbol(c"GOMP_parallel"))
    })
}

/// How many processors it knows of.
fn gomp_processors() -> Option<usize> {
    // SAFETY: what has this name has this type.
    let get = unsafe {
        std::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn() -> c_int>>(symbol(
            c"omp_get_num_procs",
        ))
    };
    // SAFETY: it takes nothing and returns a number.
    get.and_then(|get| usize::try_from(unsafe { get() }).ok())
}

/// What has this name among all that is loaded; null for nothing.
fn symbol(name: &CStr) -> *mut c_void {
    #[cfg(target_os = "linux")]
    {
        unsafe extern "C" {
            fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
        }
        // SAFETY: a null handle means all that is loaded.
        unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _: *const c_char = name.as_ptr();
        std::ptr::null_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whose environment this stands, is a process without variables about threads.
    const ALONE: &str = "CONVLENS_TEST_ALONE";

    #[test]
    #[cfg(target_os = "linux")]
    fn the_load_is_watched_once_in_a_process() {
        if std::env::var_os(ALONE).is_none() {
            let mut command = std::process::Command::new(std::env::current_exe().expect("a test"));
            for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]
            {
                command.env_remove(name);
            }
            let name = "model::threads::tests::the_load_is_watched_once_in_a_process";
            command.args(["--exact", name, "--nocapture"]).env(ALONE, "");
            let output = command.output().expect("a process");
            let said = String::from_utf8_lossy(&output.stdout);
            print!("{said}");
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        if gomp_parallel().is_none() || count() < 2 {
            return println!("skipped: libtorch has no GNU OpenMP here, or a single thread");
        }
        let named = |wanted: &str| {
            let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
            let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
            names.filter(|name| name.trim() == wanted).count()
        };
        let until = |count: usize| {
            while named(Crowd::NAME) != count {
                std::thread::yield_now();
            }
        };
        let crowd = Crowd::begin(gomp_parallel().expect("checked"), 1).expect("a thread");
        // Those that it brings along have its name, and leave with it.
        until(2);
        drop(crowd);
        until(0);

        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        prepare();
        assert!(count() <= threads, "{} threads for {threads} processors", count());
        assert_eq!(named("convlens load"), 1);
        // As the next cell of a notebook does, whose statics know nothing of this one's.
        watch_the_load();
        assert_eq!(named("convlens load"), 1);
    }

    #[test]
    fn only_libtorchs_own_number_is_fitted_to_what_a_container_allows() {
        assert!(is_beyond_quota(128, 128, 2) && is_beyond_quota(64, 128, 2));
        assert!(!is_beyond_quota(128, 128, 128) && !is_beyond_quota(1, 2, 1));
        assert!(!is_beyond_quota(8, 128, 2), "eight are a user's choice");
    }

    #[test]
    fn no_crowd_of_threads_is_started_to_sleep() {
        assert_eq!(sleepers(2, 2), Some(1));
        assert_eq!(sleepers(128, 128), Some(1));
        assert_eq!(sleepers(2, 16), Some(15));
        assert_eq!(sleepers(2, 128), None);
        assert_eq!(sleepers(9, 2), Some(1));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_users_own_variables_stay_in_force() {
        if std::env::var_os(ALONE).is_none() {
            let mut command = std::process::Command::new(std::env::current_exe().expect("a test"));
            command.env("OMP_WAIT_POLICY", "ACTIVE").env(ALONE, "");
            let name = "model::threads::tests::a_users_own_variables_stay_in_force";
            let output = command.args(["--exact", name]).output().expect("a process");
            let said = String::from_utf8_lossy(&output.stdout);
            return assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        prepare();
        assert!(!has_thread("convlens waits"));
    }
}

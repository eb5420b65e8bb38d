//! How many threads libtorch has, and how they wait.
//!
//! Beside another busy process OpenMP's way of waiting makes everything ten times as slow. So from the first
//! work on the machine's load is watched, and the threads wait for a moment only while others work, too; and
//! where a container allows fewer processors than the machine has, there are as many threads as that. A
//! user's own `OMP_NUM_THREADS`, `MKL_NUM_THREADS`, `OMP_WAIT_POLICY` and `GOMP_SPINCOUNT` stay in force, and
//! so does a number given to `tch::set_num_threads`.

use std::cell::Cell;
use std::sync::{Once, OnceLock};

use super::is_on;

/// Called before libtorch's work; does its own only once.
///
/// "Once" is once a cell in a notebook, since each has statics of its own, so all of it can be repeated.
pub(in crate::model) fn prepare() {
    thread_local! {
        static DONE: Cell<bool> = const { Cell::new(false) };
    }
    static WATCHING: Once = Once::new();
    if DONE.get() || !is_on() {
        return;
    }
    DONE.set(true);
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
    let Some(processors) = convlens_fast::processors() else { return };
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

fn watch_the_load() {
    if !is_set(&["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"]) {
        convlens_fast::watch_the_load(count(), is_on);
    }
}

/// How many threads libtorch has.
pub(super) fn count() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// In whose environment this stands, is a process of its own for one test.
    const ALONE: &str = "CONVLENS_TEST_ALONE";

    /// Runs a test of this module by itself, without variables about threads but for this one.
    fn alone(test: &str, variable: Option<(&str, &str)>) {
        let mut command = Command::new(std::env::current_exe().expect("a test"));
        for name in [
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OMP_WAIT_POLICY",
            "GOMP_SPINCOUNT",
            "CONVLENS_PLAIN",
        ] {
            command.env_remove(name);
        }
        command.envs(variable);
        let name = format!("model::fast::threads::tests::{test}");
        command.args(["--exact", &name, "--nocapture"]).env(ALONE, "");
        let output = command.output().expect("a process");
        let said = String::from_utf8_lossy(&output.stdout);
        print!("{said}");
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    fn is_alone() -> bool {
        std::env::var_os(ALONE).is_some()
    }

    fn has_threads() -> bool {
        convlens_fast::processors().is_some() && count() > 1
    }

    #[cfg(target_os = "linux")]
    fn watchers() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
        let names = tasks.filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok());
        names.filter(|name| name.trim() == "convlens load").count()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_load_is_watched_once_in_a_process() {
        if !is_alone() {
            return alone("the_load_is_watched_once_in_a_process", None);
        }
        if !has_threads() {
            return println!("skipped: libtorch has no GNU OpenMP here, or a single thread");
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        prepare();
        assert!(count() <= threads, "{} threads for {threads} processors", count());
        assert_eq!(watchers(), 1);
        // As the next cell of a notebook does, whose statics know nothing of this one's.
        watch_the_load();
        assert_eq!(watchers(), 1);
    }

    #[test]
    fn only_libtorchs_own_number_is_fitted_to_what_a_container_allows() {
        assert!(is_beyond_quota(128, 128, 2) && is_beyond_quota(64, 128, 2));
        assert!(!is_beyond_quota(128, 128, 128) && !is_beyond_quota(1, 2, 1));
        assert!(!is_beyond_quota(8, 128, 2), "eight are a user's choice");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_users_own_variables_stay_in_force() {
        if !is_alone() {
            return alone(
                "a_users_own_variables_stay_in_force",
                Some(("OMP_WAIT_POLICY", "ACTIVE")),
            );
        }
        prepare();
        assert_eq!(watchers(), 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_plain_way_leaves_threads_alone() {
        if !is_alone() {
            return alone("the_plain_way_leaves_threads_alone", Some(("CONVLENS_PLAIN", "1")));
        }
        let threads = count();
        prepare();
        assert_eq!((watchers(), count()), (0, threads));
    }

    #[test]
    fn a_panic_in_libtorchs_threads_arrives_and_libtorch_goes_on() {
        if !has_threads() {
            return println!("skipped: libtorch has no GNU OpenMP here, or a single thread");
        }
        let product = || {
            let matrix = tch::Tensor::ones([512, 512], tch::kind::FLOAT_CPU);
            matrix.matmul(&matrix).sum(tch::Kind::Double).double_value(&[])
        };
        let before = product();
        let items = AtomicUsize::new(0);
        let work = |item: usize| {
            items.fetch_add(1, Ordering::Relaxed);
            assert!(item != 1, "item {item} fails");
        };
        let panic = catch_unwind(AssertUnwindSafe(|| convlens_fast::for_each(count(), 0..9, work)));
        let panic = panic.expect_err("a panic");
        assert!(panic.downcast_ref::<String>().is_some_and(|text| text.contains("item 1 fails")));
        assert_eq!(items.load(Ordering::Relaxed), 9);
        assert_eq!(product(), before);
        let sum = AtomicUsize::new(0);
        convlens_fast::for_each(count(), 0..9, |item| {
            sum.fetch_add(item, Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 36);
    }
}

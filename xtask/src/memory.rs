//! How many compilers fit into memory at once.

use std::process::Command;

use crate::available_memory::available;

/// What the largest of them takes, with room to spare: tch's C++ takes 1.3 GB.
const ONE_JOB: u64 = 1_600_000_000;

/// Lets cargo start no more compilers at once than memory allows; says so in words when these are
/// fewer than there are processors.
pub(crate) fn limit_jobs(cargo: &mut Command) -> Option<String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    // What is swapped out while it compiles makes it no faster.
    let free = available(&["MemAvailable:"])?;
    let jobs = fitting(free, processors)?;
    cargo.env("CARGO_BUILD_JOBS", jobs.to_string());
    let what =
        if jobs == 1 { "one job at a time".to_owned() } else { format!("{jobs} jobs at once") };
    Some(format!("{what}, since {:.1} GB of memory are free", free as f64 / 1e9))
}

/// How many jobs fit, when that is fewer than the processors could do.
fn fitting(free: u64, processors: usize) -> Option<u64> {
    let jobs = (free / ONE_JOB).max(1);
    (jobs < processors as u64).then_some(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_jobs_run_as_memory_holds() {
        assert_eq!(fitting(1_000_000_000, 2), Some(1));
        assert_eq!(fitting(1_900_000_000, 2), Some(1));
        assert_eq!(fitting(8_000_000_000, 8), Some(5));
        assert_eq!(fitting(8_000_000_000, 2), None);
    }
}

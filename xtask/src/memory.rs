//! What fits into memory: how many compilers at once, and whether one more kernel.

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

/// What a kernel and the process behind it take.
const ONE_KERNEL: u64 = 1_100_000_000;

/// For the log of a Jupyter whose next kernel may be killed: whoever only sees the page is told that it
/// "appears to have died", and not why.
pub(crate) fn short_for_a_kernel() -> Option<String> {
    short_of(available(&["MemAvailable:", "SwapFree:"])?)
}

fn short_of(free: u64) -> Option<String> {
    (free < ONE_KERNEL).then(|| {
        format!(
            "memory is short: {:.1} GB are free, and a kernel takes {:.1} GB, so it may be killed\n\
             End the kernels that nobody uses (Kernel > Shut Down All Kernels), or give Jupyter more memory.",
            free as f64 / 1e9,
            ONE_KERNEL as f64 / 1e9
        )
    })
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

    #[test]
    fn a_kernel_that_memory_does_not_hold_is_told_of_beforehand() {
        let text = short_of(400_000_000).unwrap();
        assert!(text.contains("0.4 GB are free") && text.contains("Shut Down"), "{text}");
        assert_eq!(short_of(2_000_000_000), None);
    }
}

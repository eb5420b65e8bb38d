//! What a process holds, and how far it rises while something runs. Linux with glibc only: nobody else
//! tells a process its own peak.

/// A line of `/proc/self/status`, in bytes.
pub(crate) fn status(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|value| value.parse::<i64>().ok());
    kilobytes.expect("a number") * 1024
}

unsafe extern "C" {
    /// glibc's: gives back to the system what is free. Otherwise memory that an earlier pass used
    /// serves the next one, and nobody sees it.
    pub(crate) safe fn malloc_trim(pad: usize) -> i32;
    safe fn mallopt(parameter: i32, value: i32) -> i32;
}

/// How far above what is held before, in bytes, memory rises while `work` runs.
pub(crate) fn peak(work: impl FnOnce()) -> i64 {
    malloc_trim(0);
    // Of glibc's M_MMAP_THRESHOLD: what is larger than a megabyte goes back to the system where it is given up. Otherwise
    // the peak is that of free blocks that do not fit, too, and another one in each run.
    assert_eq!(mallopt(-3, 1 << 20), 1, "glibc takes it");
    // Writing 5 sets the peak back to what is held now.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux allows it");
    let before = status("VmRSS");
    work();
    status("VmHWM") - before
}

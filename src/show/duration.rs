//! How long something takes, in words. Set-up says it so as well, and includes this file.

use std::time::Duration;

/// `0.4 s`, `42 s`, `3 min 20 s`: as exact as anyone wants to know it.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

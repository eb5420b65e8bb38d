//! What memory there is, and what is said before work that takes a lot of it.

mod available;

use crate::error::{Error, Result};

/// Work that takes less is not announced.
const LARGE: u64 = 1 << 30;

/// Says that `what` takes about so many bytes, if these are many, and refuses where there are not so
/// many; `way_out` says how it takes less.
pub(crate) fn announce(
    what: &str,
    bytes: u64,
    way_out: &str,
    listener: impl FnOnce(&str),
) -> Result<()> {
    announce_against(free(), what, bytes, way_out, listener)
}

fn announce_against(
    free: Option<u64>,
    what: &str,
    bytes: u64,
    way_out: &str,
    listener: impl FnOnce(&str),
) -> Result<()> {
    check_against(free, what, bytes, way_out)?;
    if bytes >= LARGE {
        listener(&format!("{what}: about {} of memory; {way_out}", gigabytes(bytes)));
    }
    Ok(())
}

/// Refuses what takes more memory than there is: the process would be killed.
pub(crate) fn check(what: &str, bytes: u64, way_out: &str) -> Result<()> {
    check_against(free(), what, bytes, way_out)
}

fn check_against(free: Option<u64>, what: &str, bytes: u64, way_out: &str) -> Result<()> {
    match free {
        Some(free) if bytes >= LARGE && bytes > free => Err(Error::Argument(format!(
            "{what}: this takes about {} of memory, and {} are free; {way_out}",
            gigabytes(bytes),
            gigabytes(free)
        ))),
        _ => Ok(()),
    }
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// Gives what was freed back to the system. glibc keeps it for what comes next, and in a notebook that is
/// a compiler's turn, in another process.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(keep: usize) -> std::ffi::c_int;
        }
        // SAFETY: a call of glibc's, for any thread at any time; it touches what nobody has alone.
        unsafe { malloc_trim(0) };
    }
}

/// The bytes that this process can still have, swap included; `None` where nobody says.
fn free() -> Option<u64> {
    available::available(&["MemAvailable:", "SwapFree:"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_more_memory_than_there_is_is_refused() {
        let check =
            |free: Option<u64>, bytes| check_against(free, "a picture", bytes, "make it smaller");
        let text = check(Some(2_000_000_000), 6_700_000_000).expect_err("too much").to_string();
        assert_eq!(
            text,
            "a picture: this takes about 6.7 GB of memory, and 2.0 GB are free; make it smaller"
        );
        assert!(check(Some(8_000_000_000), 6_700_000_000).is_ok());
        // Where nobody knows, or where it is little, it is tried.
        assert!(check(None, u64::MAX).is_ok());
        assert!(check(Some(0), 1_000_000).is_ok());
    }

    #[test]
    fn much_memory_is_announced() {
        let mut said = Vec::new();
        let mut announce = |free, bytes| {
            let listener = |line: &str| said.push(line.to_owned());
            announce_against(free, "a picture", bytes, "take less", listener)
        };
        for free in [Some(2 * LARGE), None] {
            announce(free, LARGE - 1).expect("enough");
            announce(free, LARGE).expect("enough");
        }
        announce(Some(LARGE / 2), LARGE).expect_err("too much");
        assert_eq!(said, ["a picture: about 1.1 GB of memory; take less"; 2]);
    }
}

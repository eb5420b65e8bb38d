//! The stop button of a kernel that is alive: long work ends early and says so, and all variables stay.
//!
//! Such a kernel sends the process that runs the cells an interrupt, which ends it unless it is expected. While the library
//! works for long, it is: the work ends as soon as it looks, once ended nothing long begins any more in this cell.

use std::sync::atomic::{AtomicBool, Ordering};

use super::live::is_alive;

/// Whether an interrupt came. In a notebook each cell has statics of its own, so that the next cell knows nothing of it.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether the work is to end.
pub(crate) fn is_interrupted() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// While it is there, an interrupt is noted and ends nothing by itself.
pub(crate) struct Watch {
    #[cfg(unix)]
    before: libc::sigaction,
}

#[cfg(unix)]
impl Watch {
    /// `None` where no kernel would interrupt in this way.
    pub(crate) fn begin() -> Option<Watch> {
        if !is_alive() {
            return None;
        }
        // SAFETY: all zeros are a `sigaction` without flags and with an empty mask, and its handler does nothing but what is
        // allowed in one: it sets an atomic.
        unsafe {
            let mut noted: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            noted.sa_sigaction = note as *const () as usize;
            noted.sa_flags = libc::SA_RESTART;
            let is_set = libc::sigaction(libc::SIGINT, &raw const noted, &raw mut before) == 0;
            is_set.then_some(Watch { before })
        }
    }
}

#[cfg(not(unix))]
impl Watch {
    pub(crate) fn begin() -> Option<Watch> {
        let _ = is_alive();
        None
    }
}

#[cfg(unix)]
extern "C" fn note(_: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

#[cfg(unix)]
impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: what was in force before is in force again.
        unsafe { libc::sigaction(libc::SIGINT, &raw const self.before, std::ptr::null_mut()) };
    }
}

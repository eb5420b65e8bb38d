//! GNU's OpenMP, if this process has loaded it: libtorch brings it along.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

/// <https://gcc.gnu.org/onlinedocs/libgomp/Implementing-PARALLEL-construct.html>: calls a function with an
/// argument in so many threads.
pub(crate) type Parallel =
    unsafe extern "C" fn(extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

/// `None` where it is not loaded.
pub(crate) fn parallel() -> Option<Parallel> {
    static FOUND: OnceLock<Option<Parallel>> = OnceLock::new();
    // SAFETY: what has this name has this type.
    *FOUND.get_or_init(|| unsafe {
        std::mem::transmute::<*mut c_void, Option<Parallel>>(symbol(c"GOMP_parallel"))
    })
}

/// How many processors it knows of; `None` where it is not loaded.
pub fn processors() -> Option<usize> {
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

/// The same in a test, whose process has none until it asks; `None` where the system has none.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn loaded() -> Option<Parallel> {
    unsafe extern "C" {
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    }
    const NOW: c_int = 2;
    const GLOBAL: c_int = 0x100;
    // SAFETY: GNU's OpenMP may be loaded at any time; what has this name has this type.
    unsafe {
        dlopen(c"libgomp.so.1".as_ptr(), NOW | GLOBAL);
        std::mem::transmute::<*mut c_void, Option<Parallel>>(symbol(c"GOMP_parallel"))
    }
}

#[cfg(all(test, not(target_os = "linux")))]
pub(crate) fn loaded() -> Option<Parallel> {
    None
}

//! Where this project keeps large files outside of a checkout: one rule, for the library and for
//! `cargo xtask`, which includes this file.

use std::env;
use std::path::PathBuf;

/// `$CONVLENS_CACHE`; else `convlens` in `$XDG_CACHE_HOME` or in the platform's cache directory:
/// `~/.cache`, on macOS `~/Library/Caches`, on Windows `%LOCALAPPDATA%`. `None` where no variable
/// says.
pub(crate) fn cache_root() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = set("CONVLENS_CACHE") {
        return Some(root);
    }
    let base = set("XDG_CACHE_HOME").or_else(|| {
        if cfg!(windows) {
            return set("LOCALAPPDATA");
        }
        let base = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        Some(set("HOME")?.join(base))
    })?;
    Some(base.join("convlens"))
}

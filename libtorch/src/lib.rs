//! Its build script says in a sentence when there is no libtorch for torch-sys to find. The crate is empty.
//!
//! It is a crate of its own, and convlens' build script needs it, because cargo starts first what most others
//! wait for: a build script of convlens itself would start after torch-sys has failed.

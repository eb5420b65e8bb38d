//! Its build script says in a sentence when there is no libtorch for torch-sys to find. The crate is empty.
//!
//! It is a crate of its own, which convlens' build script needs, because cargo starts first what most other steps
//! wait for. A build script of convlens itself would wait until torch-sys has failed.

//! A Jupyter kernel for Rust notebooks, on [evcxr](https://docs.rs/evcxr): output is live, errors are errors, and the
//! stop button stops.
//!
//! evcxr compiles a cell into a library and has a child process run it. This crate stands around that:
//!
//! ```text
//! front ends ── server ── dispatch ── evaluator (evcxr) ── compilers
//!                  │                        │ signals alone
//!                  └─────── page ─────── relay ── child, which runs the cells
//! ```
//!
//! The child's standard output never reaches evcxr as it is: `relay` takes it apart, sends text and pictures to the page
//! at once, and tells evcxr no more than that a cell is done. README.md describes what programs may print.

#[cfg(not(unix))]
compile_error!("convlens-kernel passes files between processes, which it can on Unix alone");

mod available_memory;
mod child;
pub mod connection;
mod control;
mod dispatch;
mod evaluator;
mod framing;
pub mod install;
mod language;
mod message;
mod page;
mod processes;
mod relay;
mod report;
mod server;
mod session;
mod spare;

pub use child::run_if_child;
pub use server::{RunError, run, wait_as_spare};

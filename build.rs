//! Does nothing: it is here to need convlens-libtorch, whose build script looks for libtorch.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

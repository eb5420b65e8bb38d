//! Tells the crate how well it is optimised: a workspace's profile decides that, and no attribute in the
//! code can see it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(optimised)");
    if std::env::var("OPT_LEVEL").is_ok_and(|level| ["2", "3"].contains(&level.as_str())) {
        println!("cargo::rustc-cfg=optimised");
    }
}

//! `.cargo/local.toml`: with it, plain `cargo test`, `cargo doc` and `cargo run` find libtorch, and
//! compile tch's native part as set-up does.

use crate::cache;
use crate::compiler;
use crate::libtorch::Libtorch;
use crate::process::LIBRARY_PATH;
use crate::step::Step;
use anyhow::Result;
use std::path::Path;

pub(crate) fn write(checkout: &Path, libtorch: &Libtorch) -> Result<()> {
    let step = Step::start("cargo");
    let file = checkout.join(".cargo/local.toml");
    cache::write_atomically(&file, &config(libtorch))?;
    step.done("finds libtorch through .cargo/local.toml");
    Ok(())
}

/// cargo's `[env]` cannot set the library path of what it runs, nor look at the user's variables; a
/// runner can, for doctests too.
fn config(libtorch: &Libtorch) -> String {
    let lib = shell_double_quoted(&libtorch.lib());
    let gpu = libtorch.gpu().map(|file| {
        format!("LD_PRELOAD=\"{}${{LD_PRELOAD:+:$LD_PRELOAD}}\" ", shell_double_quoted(&file))
    });
    let script = format!(
        "{LIBRARY_PATH}=\"{lib}${{{LIBRARY_PATH}:+:${LIBRARY_PATH}}}\" {}exec \"$0\" \"$@\"",
        gpu.unwrap_or_default()
    );
    format!(
        "# Written by `cargo xtask setup`: where libtorch lies on this machine.\n\
         [env]\n\
         LIBTORCH = {}\n\
         {} = {}\n\n\
         [target.'cfg(unix)']\n\
         runner = [\"/bin/sh\", \"-c\", {}]\n",
        toml(&libtorch.root.to_string_lossy()),
        compiler::FLAGS_VARIABLE,
        toml(compiler::FLAGS),
        toml(&script)
    )
}

fn shell_double_quoted(path: &Path) -> String {
    let mut text = String::new();
    for character in path.to_string_lossy().chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// A TOML basic string.
fn toml(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_for_gpus_is_loaded_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let libtorch = Libtorch { root: dir.path().into() };
        assert!(!config(&libtorch).contains("LD_PRELOAD"));
        std::fs::create_dir(libtorch.lib()).unwrap();
        std::fs::write(libtorch.lib().join("libtorch_cuda.so"), "").unwrap();
        assert!(config(&libtorch).contains("lib/libtorch_cuda.so${LD_PRELOAD:+:$LD_PRELOAD}"));
    }

    #[test]
    fn the_runner_puts_libtorch_first_and_keeps_what_was_there() {
        let text = config(&Libtorch { root: "/lib torch".into() });
        assert!(text.contains("LIBTORCH = \"/lib torch\""), "{text}");
        let line = text.lines().find(|line| line.starts_with("runner")).unwrap();
        let script = line.split("\"-c\", ").nth(1).unwrap().trim_end_matches(']');
        let script: String = serde_json::from_str(script).unwrap();
        let output = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                &script,
                "/bin/sh",
                "-c",
                "echo $LD_LIBRARY_PATH$DYLD_LIBRARY_PATH $1",
                "-",
                "x",
            ])
            .env("LD_LIBRARY_PATH", "/before")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(said.trim(), "/lib torch/lib:/before x");
        }
    }
}

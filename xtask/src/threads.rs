//! How the threads of libtorch's OpenMP wait for more work, in kernels and in what cargo runs.
//!
//! They turn on the spot, by default for 3 ms. Beside another busy process that takes the time which the
//! threads that they wait for need, and everything becomes ten times as slow and more. Asleep at once, as
//! with `OMP_WAIT_POLICY=PASSIVE`, they take a fifth longer on a quiet machine. In between lies a wait
//! that is as long as the gaps between two layers of a network are.

use std::env;
use std::process::Command;

const NAME: &str = "GOMP_SPINCOUNT";
/// Turns on the spot, a hundred of which take a microsecond or some more.
const TURNS: &str = "2000";
/// With one of these, the user has said how it should be.
const USERS: [&str; 2] = [NAME, "OMP_WAIT_POLICY"];

/// Lets `command` and what it starts wait shortly, unless the user's variables say otherwise.
pub(crate) fn wait_shortly(command: &mut Command) {
    if !USERS.iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty())) {
        command.env(NAME, TURNS);
    }
}

/// The same as a command of the shell.
pub(crate) fn for_the_shell() -> String {
    let users: String = USERS.iter().map(|name| format!("${name}")).collect();
    format!("[ -n \"{users}\" ] || export {NAME}={TURNS}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn a_shell_waits_shortly_unless_the_user_said_otherwise() {
        let seen = |variables: &[(&str, &str)]| {
            let script = format!("{}; echo \"$GOMP_SPINCOUNT,$OMP_WAIT_POLICY\"", for_the_shell());
            let mut shell = process::command("/bin/sh");
            for name in USERS {
                shell.env_remove(name);
            }
            shell.args(["-c", &script]).envs(variables.iter().copied());
            process::capture(&mut shell).unwrap().trim().to_owned()
        };
        assert_eq!(seen(&[]), "2000,");
        assert_eq!(seen(&[("OMP_WAIT_POLICY", "ACTIVE")]), ",ACTIVE");
        assert_eq!(seen(&[("GOMP_SPINCOUNT", "7")]), "7,");
    }
}

//! The connection file, by which Jupyter tells a kernel where to listen.

use std::fmt;
use std::path::{Path, PathBuf};

use jupyter_protocol::ConnectionInfo;

/// Why a connection file cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// It is no JSON, or something is missing in it.
    Malformed(PathBuf, serde_json::Error),
    /// Messages would be signed in a way that this kernel does not know.
    UnknownSignature(PathBuf, String),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::Unreadable(file, error) => write!(
                f,
                "the connection file {} cannot be read ({error}); Jupyter writes it and names it when it \
                 starts a kernel",
                file.display()
            ),
            ConnectionError::Malformed(file, error) => write!(
                f,
                "{} is not a connection file ({error}); one is JSON with transport, ip, key, \
                 signature_scheme and five ports",
                file.display()
            ),
            ConnectionError::UnknownSignature(file, scheme) => write!(
                f,
                "{} wants messages signed by {scheme:?}; this kernel signs by \"hmac-sha256\"",
                file.display()
            ),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// Reads a connection file.
///
/// # Errors
/// Where it cannot be read, is malformed, or wants other signatures than `hmac-sha256`.
pub fn read(file: &Path) -> Result<ConnectionInfo, ConnectionError> {
    let text =
        std::fs::read(file).map_err(|error| ConnectionError::Unreadable(file.to_owned(), error))?;
    let info: ConnectionInfo = serde_json::from_slice(&text)
        .map_err(|error| ConnectionError::Malformed(file.to_owned(), error))?;
    // Without a key nothing is signed, however the scheme is called.
    if !info.key.is_empty() && info.signature_scheme != "hmac-sha256" {
        let scheme = info.signature_scheme;
        return Err(ConnectionError::UnknownSignature(file.to_owned(), scheme));
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<ConnectionInfo, ConnectionError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kernel.json");
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    const WHOLE: &str = r#"{"transport": "tcp", "ip": "127.0.0.1", "key": "k", "kernel_name": "x",
        "signature_scheme": "hmac-sha256", "shell_port": 1, "iopub_port": 2, "stdin_port": 3,
        "control_port": 4, "hb_port": 5}"#;

    #[test]
    fn a_connection_file_is_read() {
        let info = of(WHOLE).unwrap();
        assert_eq!((info.shell_port, info.hb_port), (1, 5));
    }

    #[test]
    fn a_file_that_is_missing_or_broken_is_said_to_be() {
        let missing = read(Path::new("/nowhere/kernel.json"));
        assert!(matches!(missing, Err(ConnectionError::Unreadable(..))), "{missing:?}");
        for broken in
            ["", "{", "[]", &WHOLE.replace("5}", "99999}"), &WHOLE.replace("\"ip\"", "\"x\"")]
        {
            let error = of(broken).unwrap_err();
            assert!(matches!(error, ConnectionError::Malformed(..)), "{error}");
            assert!(error.to_string().contains("kernel.json"), "{error}");
        }
    }

    #[test]
    fn an_unknown_way_to_sign_is_refused_unless_nothing_is_signed() {
        let other = WHOLE.replace("hmac-sha256", "hmac-md5");
        assert!(of(&other).unwrap_err().to_string().contains("hmac-md5"));
        assert!(of(&other.replace("\"k\"", "\"\"")).is_ok());
    }
}

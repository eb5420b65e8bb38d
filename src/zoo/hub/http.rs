//! One GET over HTTP: redirects, proxies, certificates, and reasons that a reader understands.

use std::env;
use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, BodyReader, Proxy, Timeout};

use crate::show::duration;

/// No server sends a chain longer than this to get rid of us.
const REDIRECTS: usize = 10;

pub(super) struct Client {
    agent: Agent,
    patience: Duration,
}

/// What a server said, before its body.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The SHA-256 that the Hugging Face hub tells of its large files.
    pub(super) sha256: Option<String>,
    response: Response<Body>,
}

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No server answered.
    Unreachable(String),
    /// The connection broke, or the server asks for patience: worth another attempt.
    Cut(String),
    /// The answer will be the same another time.
    Refused(String),
}

impl Client {
    /// A client that gives up when a server keeps silent for longer than `patience`; connections
    /// have half of that.
    pub(super) fn new(patience: Duration) -> Client {
        let tls = TlsConfig::builder().root_certs(certificates()).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("convlens/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience / 2))
            .timeout_connect(Some(patience / 2))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        Client { agent: config.into(), patience }
    }

    /// The first answer to `url` that is no redirect.
    pub(super) fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Answer, Trouble> {
        let mut url = url.to_owned();
        let mut sha256 = None;
        for hop in 0..=REDIRECTS {
            let response = self.ask(&url, headers)?;
            // A repository that has moved announces the hash one hop later.
            if hop <= 1 {
                sha256 = sha256.or_else(|| announced_sha256(&response));
            }
            let status = response.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer { status, sha256, response });
            }
            let Some(location) = header(&response, "location") else {
                return Err(Trouble::Refused(format!("answered {status} without saying where to")));
            };
            let next = join(&url, location);
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(Trouble::Refused(
                    "redirects from https to another protocol".to_owned(),
                ));
            }
            url = next;
        }
        Err(Trouble::Refused(format!("redirects more than {REDIRECTS} times")))
    }

    fn ask(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>, Trouble> {
        let address: Uri = url
            .parse()
            .map_err(|_| Trouble::Refused(format!("leads to {url:?}, which is no address")))?;
        let mut request = self.agent.get(&address).config().proxy(proxy_for(&address)?).build();
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        request.call().map_err(|error| self.trouble(error))
    }

    /// An error while waiting for an answer, or for more of a body.
    pub(super) fn trouble(&self, error: ureq::Error) -> Trouble {
        use ureq::Error;
        let half = duration(self.patience / 2);
        let text = match &error {
            Error::HostNotFound => "its host is not found".to_owned(),
            Error::Timeout(Timeout::Resolve) => format!("its host is not found within {half}"),
            Error::Timeout(Timeout::Connect) => format!("no connection within {half}"),
            Error::Timeout(_) => format!("silent for {}", duration(self.patience)),
            Error::Io(error) => return broken(error),
            Error::ConnectProxyFailed(text) => format!("the proxy refuses: {text}"),
            Error::BadUri(text) => return Trouble::Refused(format!("no address: {text}")),
            other => other.to_string(),
        };
        match error {
            Error::Timeout(Timeout::PerRead | Timeout::RecvBody) => Trouble::Cut(text),
            Error::Protocol(_) | Error::Http(_) => Trouble::Cut(text),
            _ => Trouble::Unreachable(text),
        }
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.response, name)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    /// `404 Not Found`
    pub(super) fn describe(&self) -> String {
        self.response.status().to_string()
    }

    pub(super) fn into_reader(self) -> Reader {
        Reader(self.response.into_body().into_reader())
    }
}

/// A body, piece by piece.
pub(super) struct Reader(BodyReader<'static>);

impl Reader {
    /// The next bytes; none at the end.
    pub(super) fn read(&mut self, client: &Client, buffer: &mut [u8]) -> Result<usize, Trouble> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(client.trouble(error.into())),
                Ok(count) => return Ok(count),
            }
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The hub keeps large files in another store, to which it redirects; only its own answers know the
/// SHA-256, as the file's tag.
fn announced_sha256(response: &Response<Body>) -> Option<String> {
    let from_hub = || header(response, "x-repo-commit").and_then(|_| header(response, "etag"));
    let tag = header(response, "x-linked-etag").or_else(from_hub)?.trim_matches('"');
    let is_hash = tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| tag.to_ascii_lowercase())
}

fn broken(error: &io::Error) -> Trouble {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, InvalidData, NetworkDown, NetworkUnreachable,
        UnexpectedEof,
    };
    match error.kind() {
        ConnectionRefused => Trouble::Unreachable("nobody listens there".to_owned()),
        HostUnreachable | NetworkUnreachable | NetworkDown => {
            Trouble::Unreachable("no road leads there".to_owned())
        }
        // So rustls reports certificates that it does not trust.
        InvalidData => Trouble::Unreachable(format!(
            "{error}; behind a proxy that opens https, name its certificates in SSL_CERT_FILE"
        )),
        UnexpectedEof => Trouble::Cut("the connection broke".to_owned()),
        _ if error.to_string().contains("lookup address") => {
            Trouble::Unreachable("its host is not found".to_owned())
        }
        _ => Trouble::Cut(error.to_string()),
    }
}

/// The certificates of `SSL_CERT_FILE`, as behind proxies that open the traffic; else Mozilla's.
fn certificates() -> RootCerts {
    let named = env::var_os("SSL_CERT_FILE").and_then(|file| std::fs::read(file).ok());
    let certificates: Vec<_> = named
        .iter()
        .flat_map(|pem| parse_pem(pem))
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { RootCerts::WebPki } else { certificates.into() }
}

/// The proxy that the environment names for this kind of address; never one for this machine.
fn proxy_for(address: &Uri) -> Result<Option<Proxy>, Trouble> {
    let host = address.host().unwrap_or_default();
    if host == "localhost" || host == "[::1]" || host.starts_with("127.") {
        return Ok(None);
    }
    // ureq takes one proxy for everything; what it knows better is NO_PROXY.
    if Proxy::try_from_env().is_none_or(|proxy| proxy.is_no_proxy(address)) {
        return Ok(None);
    }
    let names = match address.scheme_str() {
        Some("https") => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = |name: &&str| env::var(name).is_ok_and(|value| !value.is_empty());
    let Some(name) = names.iter().find(|name| set(name)) else { return Ok(None) };
    match Proxy::new(&env::var(name).unwrap_or_default()) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(error) => {
            Err(Trouble::Refused(format!("{name} is not the address of a proxy: {error}")))
        }
    }
}

/// Where a `Location` leads that stands in an answer of `base`.
fn join(base: &str, location: &str) -> String {
    let scheme = location.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.ends_with(':') && location.contains("://") {
        return location.to_owned();
    }
    let after_scheme = base.find("://").map_or(0, |at| at + 3);
    let path = base[after_scheme..].find('/').map_or(base.len(), |at| after_scheme + at);
    if location.starts_with("//") {
        format!("{}{location}", &base[..after_scheme.saturating_sub(2)])
    } else if location.starts_with('/') {
        format!("{}{location}", &base[..path])
    } else {
        let plain = base.split(['?', '#']).next().unwrap_or(base);
        let folder = plain.rfind('/').filter(|at| *at >= path).unwrap_or(plain.len());
        format!("{}/{location}", &plain[..folder])
    }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn a_location_is_read_beside_the_address_that_said_it() {
        let base = "https://host:1/a/b?x=/y";
        for (location, expected) in [
            ("https://other/c", "https://other/c"),
            ("//other/c", "https://other/c"),
            ("/c?d", "https://host:1/c?d"),
            ("c", "https://host:1/a/c"),
        ] {
            assert_eq!(join(base, location), expected);
        }
        assert_eq!(join("http://host", "c"), "http://host/c");
    }
}

//! A real HTTP server on loopback that breaks off, lies, stalls and redirects as told. The tests of
//! set-up include this file.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    Whole,
    /// Announces everything, sends this many bytes, closes.
    BreaksAfter(usize),
    /// Announces everything, sends this many bytes, and keeps silent.
    StallsAfter(usize),
    /// Sends everything in this many pieces, with a pause before each.
    Slow(usize, Duration),
    /// Sends a byte now and then until this becomes true, and then the rest.
    DripsUntil(Arc<AtomicBool>),
    /// Sends the whole file whatever range was asked for.
    IgnoresRange,
    /// Accepts and never answers.
    Silent,
    /// This status, no body.
    Status(u16),
    /// To this place, with the SHA-256 as the Hugging Face hub tells it.
    Redirect(String, Option<String>),
    /// A page that wants a password.
    LoginPage,
}

/// A file and how its requests go, one after the other; the last manner stays.
struct Served {
    path: String,
    body: Vec<u8>,
    manners: Vec<Manner>,
    etag: Option<&'static str>,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    files: Arc<Mutex<Vec<Served>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Server {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            files: Arc::default(),
            requests: Arc::default(),
        };
        std::thread::spawn({
            let server = server.clone();
            move || {
                for stream in listener.incoming().flatten() {
                    let server = server.clone();
                    std::thread::spawn(move || server.answer(stream));
                }
            }
        });
        server
    }

    /// Serves a file with the tag `"first"`.
    pub(crate) fn serve(&self, file: &str, body: &[u8], manners: &[Manner]) {
        self.serve_tagged(file, body, manners, Some("\"first\""));
    }

    pub(crate) fn serve_tagged(
        &self,
        file: &str,
        body: &[u8],
        manners: &[Manner],
        etag: Option<&'static str>,
    ) {
        let served = Served {
            path: format!("/{}", file.trim_start_matches('/')),
            body: body.to_owned(),
            manners: manners.to_owned(),
            etag,
        };
        self.files.lock().unwrap().push(served);
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        self.requests().into_iter().map(|request| request.range).collect()
    }

    /// `127.0.0.1:12345`
    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut request = Request::default();
        let first = read_head(&mut reader, &mut request)?;
        if first.starts_with("CONNECT ") {
            // As a proxy that is the server as well.
            self.requests.lock().unwrap().push(std::mem::take(&mut request));
            write!(stream, "HTTP/1.1 200 Connected\r\n\r\n").ok()?;
            read_head(&mut reader, &mut request)?;
        }
        self.serve_request(stream, request)
    }

    fn serve_request(&self, mut stream: TcpStream, request: Request) -> Option<()> {
        let mut files = self.files.lock().unwrap();
        self.requests.lock().unwrap().push(request.clone());
        let Some(served) = files.iter_mut().find(|served| served.path == request.path) else {
            return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
        };
        let manner = served.manners[0].clone();
        if served.manners.len() > 1 {
            served.manners.remove(0);
        }
        let total = served.body.len();
        let from: usize = match &request.range {
            _ if matches!(manner, Manner::IgnoresRange) => 0,
            Some(_) if request.if_range.as_deref().is_some_and(|tag| Some(tag) != served.etag) => 0,
            Some(text) => text.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()?,
            None => 0,
        };
        let body = served.body.get(from..).unwrap_or_default().to_owned();
        let tag = served.etag.map_or(String::new(), |tag| format!("ETag: {tag}\r\n"));
        drop(files);
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{tag}\
             Content-Range: bytes {from}-{}/{total}\r\nConnection: close\r\n\r\n",
            body.len(),
            total.saturating_sub(1),
        );
        match manner {
            Manner::Redirect(location, sha256) => {
                let linked =
                    sha256.map_or(String::new(), |hash| format!("X-Linked-Etag: \"{hash}\"\r\n"));
                write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nLocation: {location}\r\n{linked}Content-Length: 0\r\n\r\n"
                )
                .ok()?;
            }
            _ if from >= total && from > 0 => {
                write!(
                    stream,
                    "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\n\
                     Content-Length: 0\r\n\r\n"
                )
                .ok()?;
            }
            Manner::Silent => wait_for_the_end(&mut stream),
            Manner::Status(status) => {
                write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").ok()?;
            }
            Manner::LoginPage => {
                let page = "<html>password?</html>";
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\
                     Content-Length: {}\r\n\r\n{page}",
                    page.len()
                )
                .ok()?;
            }
            Manner::Whole | Manner::IgnoresRange => {
                stream.write_all(head.as_bytes()).ok()?;
                stream.write_all(&body).ok()?;
            }
            Manner::BreaksAfter(count) => {
                stream.write_all(head.as_bytes()).ok()?;
                stream.write_all(&body[..count.min(body.len())]).ok()?;
            }
            Manner::StallsAfter(count) => {
                stream.write_all(head.as_bytes()).ok()?;
                stream.write_all(&body[..count.min(body.len())]).ok()?;
                wait_for_the_end(&mut stream);
            }
            Manner::Slow(pieces, pause) => {
                stream.write_all(head.as_bytes()).ok()?;
                for piece in body.chunks(body.len().div_ceil(pieces)) {
                    std::thread::sleep(pause);
                    stream.write_all(piece).ok()?;
                }
            }
            Manner::DripsUntil(released) => {
                stream.write_all(head.as_bytes()).ok()?;
                let mut rest = &body[..];
                while let ([byte, after @ ..], false) = (rest, released.load(Ordering::Acquire)) {
                    stream.write_all(&[*byte]).ok()?;
                    rest = after;
                    std::thread::sleep(Duration::from_millis(20));
                }
                stream.write_all(rest).ok()?;
            }
        }
        Some(())
    }
}

/// Until the client has had enough and closes the connection.
fn wait_for_the_end(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

/// Reads a request's head; its path and ranges go to `request`.
fn read_head(reader: &mut impl BufRead, request: &mut Request) -> Option<String> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    request.path = first.split(' ').nth(1)?.to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { return Some(first) };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

//! A real HTTP server on loopback, for the tests of downloads: it breaks off, lies and keeps
//! silent as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Whole,
    /// Announces everything, sends this many bytes, closes.
    BreaksAfter(usize),
    /// Accepts and never answers.
    Silent,
    /// This status, no body.
    Status(u16),
}

/// A file and how its requests go, one after the other; the last manner stays.
struct Served {
    path: String,
    body: Vec<u8>,
    manners: Vec<Manner>,
    etag: &'static str,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    files: Arc<Mutex<Vec<Served>>>,
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            url: format!("http://{}", listener.local_addr().unwrap()),
            files: Arc::default(),
            ranges: Arc::default(),
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

    pub(crate) fn serve(&self, path: &str, body: &[u8], manners: &[Manner]) {
        let served = Served {
            path: path.to_owned(),
            body: body.to_owned(),
            manners: manners.to_owned(),
            etag: "\"first\"",
        };
        self.files.lock().unwrap().push(served);
    }

    /// The `Range` headers of the requests so far.
    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        self.ranges.lock().unwrap().clone()
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut request = String::new();
        reader.read_line(&mut request).ok()?;
        let (mut range, mut if_range) = (None, None);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Range: ") {
                range = Some(value.to_owned());
            }
            if let Some(value) = line.strip_prefix("If-Range: ") {
                if_range = Some(value.to_owned());
            }
        }
        let path = request.split(' ').nth(1)?.to_owned();
        let mut files = self.files.lock().unwrap();
        let Some(served) = files.iter_mut().find(|served| served.path == path) else {
            return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
        };
        let manner = served.manners[0];
        if served.manners.len() > 1 {
            served.manners.remove(0);
        }
        self.ranges.lock().unwrap().push(range.clone());
        let from = match &range {
            Some(_) if if_range.as_deref().is_some_and(|tag| tag != served.etag) => 0,
            Some(text) => text.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()?,
            None => 0,
        };
        let (body, etag) = (served.body[from..].to_owned(), served.etag);
        let total = served.body.len();
        drop(files);
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {etag}\r\n\
             Content-Range: bytes {from}-{}/{total}\r\nConnection: close\r\n\r\n",
            body.len(),
            total.saturating_sub(1),
        );
        match manner {
            Manner::Silent => std::thread::sleep(Duration::from_secs(30)),
            Manner::Status(status) => {
                write!(stream, "HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").ok()?;
            }
            Manner::Whole => {
                stream.write_all(head.as_bytes()).ok()?;
                stream.write_all(&body).ok()?;
            }
            Manner::BreaksAfter(count) => {
                stream.write_all(head.as_bytes()).ok()?;
                stream.write_all(&body[..count.min(body.len())]).ok()?;
            }
        }
        Some(())
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

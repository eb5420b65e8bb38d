//! A kernel that is loaded before anybody asks for one.
//!
//! `convlens-kernel spare` loads evcxr and waits at a socket. A kernel that starts where `CONVLENS_SPARE` is set goes there
//! first: the spare becomes that kernel, and the process that Jupyter has started stays between them, passes signals on
//! and ends when the kernel does.
//!
//! The spare speaks first, so that one that does not answer is not waited for; what it hears next commits both.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jupyter_protocol::ConnectionInfo;
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::available_memory::available;
use crate::{connection, processes};

/// Whether spares are wanted: `1`, or [`NONE`] where a kernel that starts shall not look for one.
const WANTED: &str = "CONVLENS_SPARE";
const NONE: &str = "none";
/// Where a spare waits, if not where [`socket`] says.
const SOCKET: &str = "CONVLENS_SPARE_SOCKET";
/// A program around this one: its command `spare` starts a spare, and its command `kernel FILE` a kernel.
const PROGRAM: &str = "CONVLENS_SPARE_PROGRAM";

/// A spare that says nothing within this time is none.
const ANSWER: Duration = Duration::from_millis(500);
/// A spare that was taken is replaced when the first cells of the new kernel are likely to be done.
const REPLACED: Duration = Duration::from_secs(10);
/// What a front end says to a spare is at most this long, in bytes.
const LONGEST: usize = 16 * 1024;

/// What a spare is told when it becomes a kernel.
pub(crate) struct Taken {
    pub(crate) info: ConnectionInfo,
    /// Where that kernel was started.
    pub(crate) dir: PathBuf,
    /// Open as long as the process is there that Jupyter has started.
    pub(crate) proxy: UnixStream,
}

/// The socket of a spare, which nobody else has.
pub(crate) struct Place {
    socket: PathBuf,
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Whether `CONVLENS_SPARE` asks for spares.
fn wanted() -> Option<OsString> {
    std::env::var_os(WANTED).filter(|value| !value.is_empty() && value != "0")
}

/// The process that a spare waits for and ends with: Jupyter, or whoever has started this one.
fn server() -> Option<Pid> {
    let named = std::env::var("JPY_PARENT_PID").ok().and_then(|text| text.parse().ok());
    named.and_then(Pid::from_raw).or_else(rustix::process::getppid)
}

/// Where the spare of this Jupyter waits: in a directory that is this user's alone.
fn socket() -> io::Result<PathBuf> {
    if let Some(named) = std::env::var_os(SOCKET).filter(|value| !value.is_empty()) {
        return Ok(named.into());
    }
    let server = server().ok_or_else(|| io::Error::other("there is no Jupyter"))?;
    let user = rustix::process::getuid().as_raw();
    let dir = std::env::temp_dir().join(format!("convlens-kernel-{user}"));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&dir)?;
    if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("{} is not this user's alone", dir.display())));
    }
    Ok(dir.join(format!("{}.sock", server.as_raw_nonzero())))
}

/// Takes the place where a spare waits; none where another one has it.
pub(crate) fn claim() -> io::Result<Option<Place>> {
    let socket = socket()?;
    let lock = File::create(socket.with_extension("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    // Of one that was killed.
    let _ = std::fs::remove_file(&socket);
    Ok(Some(Place { socket, _lock: lock }))
}

impl Place {
    pub(crate) fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::bind(&self.socket)
    }
}

/// Waits until somebody takes this spare.
pub(crate) async fn taken(listener: &UnixListener) -> io::Result<Taken> {
    loop {
        let (stream, _) = listener.accept().await?;
        if let Ok(Ok(taken)) = tokio::time::timeout(ANSWER, greet(stream)).await {
            return Ok(taken);
        }
    }
}

async fn greet(proxy: UnixStream) -> io::Result<Taken> {
    is_ours(&proxy)?;
    let pid = std::process::id().to_ne_bytes();
    proxy.writable().await?;
    proxy.try_write(&pid)?;
    let (bytes, streams) = proxy.async_io(Interest::READABLE, || receive(&proxy)).await?;
    let broken = || io::Error::other("what was said to a spare makes no sense");
    let request: Value = serde_json::from_slice(&bytes)?;
    let path = |name: &str| Some(PathBuf::from(request[name].as_str()?));
    let (file, dir) = (path("file").ok_or_else(broken)?, path("dir").ok_or_else(broken)?);
    let info = connection::read(&file).map_err(io::Error::other)?;
    let [stdout, stderr] = <[OwnedFd; 2]>::try_from(streams).map_err(|_| broken())?;
    // What the kernel has to say goes where Jupyter looks for it.
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(Taken { info, dir, proxy })
}

fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let length = recvmsg(stream, parts, &mut ancillary, RecvFlags::empty())?.bytes;
    let mut streams = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            streams.extend(received);
        }
    }
    for stream in &streams {
        fcntl_setfd(stream, FdFlags::CLOEXEC)?;
    }
    bytes.truncate(length);
    Ok((bytes, streams))
}

/// Nobody else may become this user's kernel, or have one.
fn is_ours(stream: &UnixStream) -> io::Result<()> {
    match stream.peer_cred()?.uid() == rustix::process::getuid().as_raw() {
        true => Ok(()),
        false => Err(io::Error::other("somebody else is there")),
    }
}

/// Has a spare become the kernel of this connection file, if one waits, and says by which code this process is
/// to end when that one has. Without a spare it comes back at once, or does not come back where a program around
/// this one starts kernels in the ordinary way.
pub(crate) async fn take(file: &Path) -> Option<u8> {
    let value = wanted().filter(|value| value != NONE)?;
    if let Ok((kernel, stream)) = hand_over(file).await {
        return Some(stand_between(kernel, stream).await);
    }
    if let Some(program) = std::env::var_os(PROGRAM) {
        let error = Command::new(&program).arg("kernel").arg(file).env(WANTED, NONE).exec();
        eprintln!("{WANTED}={value:?}, and {program:?} cannot be started: {error}");
    }
    None
}

async fn hand_over(file: &Path) -> io::Result<(Pid, UnixStream)> {
    let (file, dir) = (std::path::absolute(file)?, std::env::current_dir()?);
    let (Some(path), Some(dir)) = (file.to_str(), dir.to_str()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let request = json!({"file": path, "dir": dir}).to_string();
    // A file that cannot be used is complained of in the ordinary way.
    connection::read(&file).map_err(io::Error::other)?;
    let stream = UnixStream::connect(socket()?).await?;
    is_ours(&stream)?;
    let mut pid = [0; 4];
    let length = tokio::time::timeout(ANSWER, read(&stream, &mut pid)).await??;
    let kernel = Pid::from_raw(i32::from_ne_bytes(pid)).filter(|_| length == pid.len());
    let kernel = kernel.ok_or_else(|| io::Error::other("a spare has ended"))?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let streams = [stdout.as_fd(), stderr.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&streams));
    let parts = [IoSlice::new(request.as_bytes())];
    sendmsg(&stream, &parts, &mut ancillary, SendFlags::empty())?;
    Ok((kernel, stream))
}

/// Passes signals on until the kernel has ended; says how.
async fn stand_between(kernel: Pid, stream: UnixStream) -> u8 {
    for (kind, passed) in [
        (SignalKind::interrupt(), Signal::INT),
        (SignalKind::terminate(), Signal::TERM),
        (SignalKind::hangup(), Signal::HUP),
    ] {
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    let _ = kill_process(kernel, passed);
                }
            });
        }
    }
    // Where it says nothing it was killed.
    let mut code = 1;
    let mut byte = [0];
    while read(&stream, &mut byte).await.is_ok_and(|length| length > 0) {
        code = byte[0];
    }
    code
}

/// Ends when the process is gone that Jupyter has started.
pub(crate) async fn left_alone(proxy: &UnixStream) {
    while read(proxy, &mut [0]).await.is_ok_and(|length| length > 0) {}
}

/// Ends when the Jupyter is gone whose next kernel a spare would be.
pub(crate) async fn without_server() {
    let Some(server) = server() else { return };
    // Somebody else's process is one, too.
    while test_kill_process(server) != Err(Errno::SRCH) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn read(stream: &UnixStream, bytes: &mut [u8]) -> io::Result<usize> {
    stream.async_io(Interest::READABLE, || Ok(rustix::io::read(stream, &mut *bytes)?)).await
}

/// Brings up a spare for the next kernel, if spares are wanted and memory allows.
pub(crate) async fn bring_up() {
    if wanted().is_none() {
        return;
    }
    tokio::time::sleep(REPLACED).await;
    // It grows as this one has, and both go on to work.
    let taken = processes::resident();
    if available(&["MemAvailable:"]).is_some_and(|free| free < 2 * taken) {
        return;
    }
    let program = std::env::var_os(PROGRAM).map(PathBuf::from);
    let Ok(program) = program.map_or_else(std::env::current_exe, Ok) else { return };
    // What this kernel starts is ended with it, and this one is to stay: the shell leaves it to the system.
    let mut command = Command::new("sh");
    command.args(["-c", "\"$0\" spare &"]).arg(program).env(WANTED, "1").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(server) = server() {
        command.env("JPY_PARENT_PID", server.as_raw_nonzero().to_string());
    }
    if let Err(error) = command.status() {
        eprintln!("no spare kernel can be started: {error}");
    }
}

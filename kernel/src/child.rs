//! The process that runs the cells, before evcxr's own part in it begins.
//!
//! evcxr starts this program once more for that and holds the ends of three pipes. The child hands
//! evcxr's ends to the kernel, and takes pipes in their place whose other ends the kernel has. So the
//! kernel reads what a cell prints as it is printed, and tells evcxr no more than evcxr needs.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

/// Set for the child: the number of the socket to the kernel, a colon, and the kernel's process.
const SOCKET: &str = "CONVLENS_KERNEL_SOCKET";

/// Programs that find this in their environment may use the framing that README.md describes.
pub(crate) const DISPLAY: &str = "RUST_NOTEBOOK_DISPLAY";
/// The version of that framing.
const DISPLAY_VERSION: &str = "1";

/// A started child, as it introduced itself.
pub(crate) struct Child {
    pub(crate) pid: Pid,
    /// What evcxr writes to the child.
    pub(crate) from_evcxr: OwnedFd,
    /// Where evcxr reads the child's signals.
    pub(crate) to_evcxr: OwnedFd,
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Where the kernel hears of children.
pub(crate) struct Nursery {
    ours: UnixDatagram,
    theirs: UnixDatagram,
}

impl Nursery {
    pub(crate) fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixDatagram::pair()?;
        Ok(Nursery { ours, theirs })
    }

    /// The command by which evcxr starts children, any number of times.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let socket = self.theirs.as_raw_fd();
        command.env(SOCKET, format!("{socket}:{}", std::process::id()));
        // An interrupt reaches the child from the kernel alone, also from a terminal or a Jupyter that
        // signals the whole group, and reaches what the child has started.
        command.process_group(0);
        let clear = move || {
            // SAFETY: the kernel keeps the socket as long as it starts children.
            let socket = unsafe { BorrowedFd::borrow_raw(socket) };
            Ok(fcntl_setfd(socket, FdFlags::empty())?)
        };
        // SAFETY: between fork and exec this calls fcntl alone, which is safe there.
        unsafe { command.pre_exec(clear) };
        Ok(command)
    }

    /// Waits for the next child.
    pub(crate) fn next(&self) -> io::Result<Child> {
        let mut bytes = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut bytes)];
        while let Err(error) = recvmsg(&self.ours, parts, &mut ancillary, RecvFlags::empty()) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut ends = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                ends.extend(received);
            }
        }
        for end in &ends {
            // cargo, which evcxr starts meanwhile, must not keep them open.
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
        }
        let broken = || io::Error::other("a child introduced itself wrongly");
        let pid = Pid::from_raw(i32::from_ne_bytes(bytes)).ok_or_else(broken)?;
        let [from_evcxr, to_evcxr, stdin, stdout, stderr] =
            <[OwnedFd; 5]>::try_from(ends).map_err(|_| broken())?;
        Ok(Child { pid, from_evcxr, to_evcxr, stdin, stdout, stderr })
    }
}

/// The first thing that `main` does: in the child it makes the connection to the kernel, and evcxr's part never
/// returns; in the wrapper around rustc, which evcxr makes of this program, too, that is all.
pub fn run_if_child() {
    if let Some(socket) = std::env::var_os(SOCKET)
        && let Err(error) = prepare(&socket)
    {
        eprintln!("The process that runs the cells cannot reach the kernel: {error}");
        std::process::exit(98);
    }
    evcxr::runtime_hook();
}

fn prepare(socket: &OsString) -> io::Result<()> {
    let words = socket.to_string_lossy();
    let (socket, kernel) =
        words.split_once(':').ok_or_else(|| io::Error::other("there is no kernel"))?;
    let number = |text: &str| text.parse::<i32>().map_err(io::Error::other);
    let (socket, kernel) = (number(socket)?, number(kernel)?);
    end_with(kernel)?;
    // SAFETY: the kernel left this one open for us, and nobody else here knows of it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };

    let (stdin, to_stdin) = pipe_with(PipeFlags::CLOEXEC)?;
    let (from_stdout, stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (from_stderr, stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let (evcxr_in, evcxr_out) = (io::stdin(), io::stdout());
    let ends = [
        evcxr_in.as_fd(),
        evcxr_out.as_fd(),
        to_stdin.as_fd(),
        from_stdout.as_fd(),
        from_stderr.as_fd(),
    ];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&ends));
    let pid = std::process::id().to_ne_bytes();
    sendmsg(&socket, &[IoSlice::new(&pid)], &mut ancillary, SendFlags::empty())?;
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;

    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::remove_var(SOCKET);
        std::env::set_var(DISPLAY, DISPLAY_VERSION);
        // evcxr asks for every backtrace. Errors would carry theirs in what a cell says of them.
        std::env::set_var("RUST_LIB_BACKTRACE", "0");
        // A kernel that was started in the background may have been told to ignore interrupts.
        libc::signal(libc::SIGINT, libc::SIG_DFL);
    }
    Ok(())
}

/// Ends this process when the kernel ends, whatever a cell is doing.
fn end_with(kernel: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let orphaned =
        move || rustix::process::getppid().is_none_or(|it| it.as_raw_nonzero().get() != kernel);
    // It may have ended before.
    if orphaned() {
        std::process::exit(0);
    }
    #[cfg(not(target_os = "linux"))]
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(500));
            if orphaned() {
                std::process::exit(0);
            }
        }
    });
    Ok(())
}

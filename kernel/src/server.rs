//! The five sockets, and what is answered without evcxr.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use jupyter_protocol::{ConnectionInfo, JupyterMessage, KernelInfoRequest};
use jupyter_zmq_client::{
    KernelControlConnection, KernelHeartbeatConnection, KernelIoPubConnection,
    KernelShellConnection, KernelStdinConnection, RawMessage, RouterRecvConnection, RuntimeError,
    create_kernel_control_connection, create_kernel_heartbeat_connection,
    create_kernel_iopub_connection, create_kernel_shell_connection, create_kernel_stdin_connection,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use zeromq::{SocketRecv, SocketSend};

use crate::child::Nursery;
use crate::connection::{self, ConnectionError};
use crate::control::Control;
use crate::dispatch::{Dispatcher, Memory};
use crate::evaluator::{Evaluator, Load};
use crate::language::{Completeness, PARSER_STACK, completeness};
use crate::message::{Channel, Outgoing, PROTOCOL, Publisher, Request, Unusable};
use crate::page::Page;
use crate::relay;
use crate::session::Session;
use crate::spare;

/// How long evcxr has to end when the kernel ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the dispatcher answers, one after the other.
const EVCXRS: [&str; 3] = ["execute_request", "complete_request", "inspect_request"];

/// Why a kernel does not run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The connection file cannot be used.
    Connection(ConnectionError),
    /// A port is taken, or the address is none of this machine: its URL, and the reason.
    Socket(String, String),
    /// The system refuses threads, sockets or signals.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Connection(error) => error.fmt(f),
            RunError::Socket(url, reason) => write!(
                f,
                "the kernel cannot listen at {url} ({reason}); does another kernel use this connection file?"
            ),
            RunError::System(error) => write!(f, "the kernel cannot start: {error}"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        RunError::System(error)
    }
}

/// Runs a kernel for this connection file until it is told to shut down, then ends the process. Where a spare
/// becomes that kernel, this process ends with it.
///
/// # Errors
/// Where the connection file cannot be used or a port is taken.
pub fn run(file: &Path) -> Result<(), RunError> {
    let runtime = runtime()?;
    if let Some(code) = runtime.block_on(spare::take(file)) {
        std::process::exit(code.into());
    }
    let info = connection::read(file).map_err(RunError::Connection)?;
    let sockets = runtime.block_on(Sockets::open(&info))?;
    let engine = Engine::start()?;
    let (control, evaluator) = (Arc::clone(&engine.control), engine.evaluator.clone());
    let served = runtime.block_on(serve(sockets, engine, orphaned()));
    end(runtime, &control, &evaluator);
    served?;
    // Threads may still wait for what never comes.
    std::process::exit(0);
}

/// Loads evcxr, waits to become a kernel, and then is that kernel. Ends with the Jupyter that it waits for, and at
/// once where another one waits already.
///
/// # Errors
/// Where evcxr cannot be loaded, or the kernel cannot open its sockets.
pub fn wait_as_spare() -> Result<(), RunError> {
    let Some(place) = spare::claim()? else { return Ok(()) };
    let runtime = runtime()?;
    let engine = Engine::start()?;
    let (control, evaluator) = (Arc::clone(&engine.control), engine.evaluator.clone());
    let served: Result<(), RunError> = runtime.block_on(async {
        let Some(taken) = wait_to_be_taken(&evaluator, place).await? else { return Ok(()) };
        std::env::set_current_dir(&taken.dir)?;
        evaluator.move_to(taken.dir);
        let sockets = Sockets::open(&taken.info).await?;
        serve(sockets, engine, spare::left_alone(&taken.proxy)).await?;
        let _ = taken.proxy.try_write(&[0]);
        // Closed when all is done.
        std::mem::forget(taken.proxy);
        Ok(())
    });
    end(runtime, &control, &evaluator);
    served?;
    std::process::exit(0);
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("sockets")
        .thread_stack_size(PARSER_STACK)
        .enable_all()
        .build()
}

/// Closes the sockets, so that another kernel can have the ports, and then ends evcxr and what it has started.
fn end(runtime: Runtime, control: &Control, evaluator: &Evaluator) {
    runtime.shutdown_timeout(Duration::from_millis(100));
    control.end_all();
    evaluator.end(FAREWELL);
}

/// Until a spare becomes a kernel; none where nobody will want it any more.
async fn wait_to_be_taken(
    evaluator: &Evaluator,
    place: spare::Place,
) -> Result<Option<spare::Taken>, RunError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let taken = async {
        if let Load::Failed(reason) = loaded(evaluator).await {
            return Err(io::Error::other(format!("Rust cannot be loaded: {reason}")));
        }
        // The first variable would have rust-analyzer read the standard library, which takes seconds.
        let evaluator = evaluator.clone();
        let read = move || evaluator.run(|context| context.completions("1.", 2).is_ok());
        let _ = tokio::task::spawn_blocking(read).await;
        spare::taken(&place.listen()?).await
    };
    tokio::select! {
        taken = taken => Ok(Some(taken?)),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
        _ = hang_up.recv() => Ok(None),
        () = spare::without_server() => Ok(None),
    }
}

/// Waits until evcxr is loaded, or cannot be.
async fn loaded(evaluator: &Evaluator) -> Load {
    loop {
        match evaluator.loaded_within(Duration::ZERO) {
            Load::Loading => tokio::time::sleep(Duration::from_millis(50)).await,
            load => return load,
        }
    }
}

/// All of a kernel but its sockets. evcxr begins to load at once.
struct Engine {
    publisher: Publisher,
    outgoing: Receiver<Outgoing>,
    page: Arc<Page>,
    control: Arc<Control>,
    evaluator: Evaluator,
}

impl Engine {
    fn start() -> io::Result<Self> {
        let (publisher, outgoing) = Publisher::new();
        let nursery = Arc::new(Nursery::new()?);
        let control = Arc::new(Control::default());
        let page = Arc::new(Page::new(publisher.clone()));
        relay::serve(Arc::clone(&nursery), Arc::clone(&page), Arc::clone(&control));
        let evaluator = Evaluator::start(nursery, Arc::clone(&control))?;
        Ok(Engine { publisher, outgoing, page, control, evaluator })
    }
}

/// What front ends are spoken with by.
struct Sockets {
    heartbeat: KernelHeartbeatConnection,
    shell: KernelShellConnection,
    control: KernelControlConnection,
    stdin: KernelStdinConnection,
    iopub: KernelIoPubConnection,
}

impl Sockets {
    async fn open(info: &ConnectionInfo) -> Result<Self, RunError> {
        // Any random name will do.
        let session = JupyterMessage::new(KernelInfoRequest {}, None).header.session;
        let failed =
            |url: String| move |error: RuntimeError| RunError::Socket(url, error.to_string());
        let heartbeat = create_kernel_heartbeat_connection(info).await;
        let heartbeat = heartbeat.map_err(failed(info.hb_url()))?;
        let shell = create_kernel_shell_connection(info, &session).await;
        let shell = shell.map_err(failed(info.shell_url()))?;
        let control = create_kernel_control_connection(info, &session).await;
        let control = control.map_err(failed(info.control_url()))?;
        let stdin = create_kernel_stdin_connection(info, &session).await;
        let stdin = stdin.map_err(failed(info.stdin_url()))?;
        let iopub = create_kernel_iopub_connection(info, &session).await;
        let iopub = iopub.map_err(failed(info.iopub_url()))?;
        Ok(Sockets { heartbeat, shell, control, stdin, iopub })
    }
}

/// Is a kernel until it is told to end, or nobody wants it any more, which is what `left` waits for.
async fn serve(sockets: Sockets, engine: Engine, left: impl Future<Output = ()>) -> io::Result<()> {
    let Engine { publisher, outgoing, page, control, evaluator } = engine;
    let (to_shell, from_shell) = sockets.shell.split();
    let (to_control, from_control) = sockets.control.split();
    let (to_stdin, from_stdin) = sockets.stdin.split();
    let senders =
        Senders { shell: to_shell, control: to_control, stdin: to_stdin, iopub: sockets.iopub };
    tokio::spawn(senders.run(outgoing));
    tokio::spawn(beat(sockets.heartbeat));
    publisher.announce(None, "status", json!({"execution_state": "starting"})).await;

    let session = Arc::new(Session::default());
    let (requests, inbox) = channel();
    let (lines, inputs) = channel();
    let dispatcher = Dispatcher {
        inbox,
        inputs: Arc::new(Mutex::new(inputs)),
        publisher: publisher.clone(),
        page,
        control: Arc::clone(&control),
        evaluator: evaluator.clone(),
        session: Arc::clone(&session),
        memory: Memory::default(),
    };
    let requests_thread = thread::Builder::new().name("requests".to_owned());
    requests_thread.stack_size(PARSER_STACK).spawn(move || dispatcher.run())?;

    let desk = Desk {
        publisher: publisher.clone(),
        control: Arc::clone(&control),
        session,
        requests,
        lines,
        ended: Arc::new(Notify::new()),
    };
    let ended = Arc::clone(&desk.ended);
    tokio::spawn(desk.clone().serve(Channel::Shell, from_shell));
    tokio::spawn(desk.clone().serve(Channel::Control, from_control));
    tokio::spawn(desk.serve(Channel::Stdin, from_stdin));
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        while interrupt.recv().await.is_some() {
            control.interrupt();
        }
    });
    tokio::spawn(async move {
        loaded(&evaluator).await;
        spare::bring_up().await;
    });
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        () = ended.notified() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
        () = left => return Ok(()),
    }
    // What a queue of cells still sends is of no use to anybody.
    let _ = tokio::time::timeout(FAREWELL, publisher.flush()).await;
    Ok(())
}

/// Ends when the Jupyter is gone that has started the kernel, as far as one says that it has.
async fn orphaned() {
    let parent = rustix::process::getppid();
    if std::env::var_os("JPY_PARENT_PID").is_none() || parent.is_none() {
        return std::future::pending().await;
    }
    while rustix::process::getppid() == parent {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Sends back whatever comes, so that Jupyter knows the kernel lives.
async fn beat(mut heartbeat: KernelHeartbeatConnection) {
    loop {
        match heartbeat.socket.recv().await {
            Ok(message) => {
                let _ = heartbeat.socket.send(message).await;
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The ends of the sockets by which the kernel sends, in one place, so that the order stays.
struct Senders {
    shell: jupyter_zmq_client::RouterSendConnection,
    control: jupyter_zmq_client::RouterSendConnection,
    stdin: jupyter_zmq_client::RouterSendConnection,
    iopub: KernelIoPubConnection,
}

impl Senders {
    async fn run(mut self, mut outgoing: Receiver<Outgoing>) {
        while let Some(next) = outgoing.recv().await {
            match next {
                Outgoing::Message(channel, message) => {
                    // Whoever has gone away misses nothing.
                    let _ = match channel {
                        Channel::Shell => self.shell.send(*message).await,
                        Channel::Control => self.control.send(*message).await,
                        Channel::Stdin => self.stdin.send(*message).await,
                        Channel::Iopub => self.iopub.send(*message).await,
                    };
                }
                Outgoing::Flushed(done) => {
                    // The sockets' own tasks write what they were given.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let _ = done.send(());
                }
            }
        }
    }
}

/// Takes what comes and answers what needs no evcxr.
#[derive(Clone)]
struct Desk {
    publisher: Publisher,
    control: Arc<Control>,
    session: Arc<Session>,
    requests: Sender<Request>,
    lines: Sender<String>,
    ended: Arc<Notify>,
}

impl Desk {
    async fn serve(self, channel: Channel, mut from: RouterRecvConnection) {
        loop {
            let multipart = match from.socket.recv().await {
                Ok(multipart) => multipart,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let request = match RawMessage::from_multipart(multipart, &from.mac) {
                Ok(raw) => Request::parse(channel, raw),
                Err(RuntimeError::VerifyError(_) | RuntimeError::DecodeError(_)) => Err(
                    Unusable::Ignored("a message is not signed with this kernel's key".to_owned()),
                ),
                Err(error) => Err(Unusable::Ignored(format!("a message is none: {error}"))),
            };
            match request {
                Ok(request) if channel == Channel::Stdin => {
                    if request.kind() == "input_reply" {
                        let _ = self.lines.send(request.text("value").to_owned());
                    }
                }
                Ok(request) if EVCXRS.contains(&request.kind()) => {
                    let _ = self.requests.send(request);
                }
                Ok(request) => self.take(request, None).await,
                Err(Unusable::Answered(request, problem)) => {
                    self.take(*request, Some(problem)).await;
                }
                Err(Unusable::Ignored(problem)) => eprintln!("{problem}; it is ignored"),
            }
        }
    }

    /// Answers what comes, or says what the problem with it is.
    async fn take(&self, request: Request, problem: Option<String>) {
        let tell = async |parent: &Request, state: &str| {
            let content = json!({"execution_state": state});
            self.publisher.announce(Some(parent), "status", content).await;
        };
        tell(&request, "busy").await;
        match problem {
            Some(problem) => self.refuse(&request, &problem).await,
            None => self.act(&request).await,
        }
        tell(&request, "idle").await;
        // A cell that runs meanwhile still does, whatever front ends have just heard.
        if let Some(running) = self.session.running() {
            tell(&running, "busy").await;
        }
    }

    async fn act(&self, request: &Request) {
        match request.kind() {
            "kernel_info_request" => self.answer(request, kernel_info()).await,
            "history_request" => self.answer(request, self.session.history(request)).await,
            "comm_info_request" => {
                self.answer(request, json!({"status": "ok", "comms": {}})).await;
            }
            "is_complete_request" => {
                let content = match completeness(request.text("code")) {
                    Completeness::Complete => json!({"status": "complete"}),
                    Completeness::Invalid => json!({"status": "invalid"}),
                    Completeness::Incomplete(indent) => {
                        json!({"status": "incomplete", "indent": indent})
                    }
                };
                self.answer(request, content).await;
            }
            "interrupt_request" => {
                self.control.interrupt();
                self.answer(request, json!({"status": "ok"})).await;
            }
            "shutdown_request" => {
                let restart = request.flag("restart", false);
                let content = json!({"status": "ok", "restart": restart});
                self.publisher.announce(Some(request), "shutdown_reply", content.clone()).await;
                self.answer(request, content).await;
                self.ended.notify_one();
            }
            // Nobody here speaks with pages: what opens a comm learns that it is closed.
            "comm_open" => {
                let content = json!({"comm_id": request.content["comm_id"], "data": {}});
                self.publisher.announce(Some(request), "comm_close", content).await;
            }
            "comm_msg" | "comm_close" => {}
            kind => self.refuse(request, &format!("this kernel knows no {kind}")).await,
        }
    }

    async fn answer(&self, request: &Request, content: Value) {
        let kind = request.kind().replace("_request", "_reply");
        self.publisher.answer(request, &kind, content).await;
    }

    async fn refuse(&self, request: &Request, problem: &str) {
        if request.kind().ends_with("_request") {
            let content = json!({
                "status": "error", "ename": "BadRequest", "evalue": problem, "traceback": [problem],
            });
            self.answer(request, content).await;
        } else {
            eprintln!("{problem}; it is ignored");
        }
    }
}

fn kernel_info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "convlens-kernel",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "rust",
            "version": "",
            "mimetype": "text/rust",
            "file_extension": ".rs",
            "pygments_lexer": "rust",
            "codemirror_mode": "rust",
            "nbconvert_exporter": "script",
        },
        "banner": concat!(
            "convlens-kernel ", env!("CARGO_PKG_VERSION"), ": Rust, evaluated by evcxr. Commands begin with \
             a colon; :help lists them."
        ),
        "help_links": [{"text": "Rust's standard library", "url": "https://doc.rust-lang.org/std/"}],
        "debugger": false,
        "supported_features": [],
    })
}

//! A broker process of its own for a test, and a client that speaks raw frames to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// How long a test waits for something that must happen; only ever reached by a failure.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `barnabas` with a data directory of its own.
pub struct Broker {
    child: Child,
    pub port: u16,
    pub metrics_port: u16,
    pub dir: PathBuf,
    overrides: Vec<String>,
    log: Receiver<String>,
    /// Everything the broker has logged so far, as far as a test has read it.
    pub seen: Vec<String>,
    _temp: Option<tempfile::TempDir>,
}

impl Broker {
    /// Starts a broker on free ports with a fresh directory.
    pub fn start(overrides: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("data");
        let mut broker = Self::start_in(&dir, overrides);
        broker._temp = Some(temp);
        broker
    }

    /// Starts a broker on free ports over `dir`.
    pub fn start_in(dir: &Path, overrides: &[&str]) -> Self {
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        let (child, log) = spawn(dir, &overrides);
        let mut broker =
            Self { child, port: 0, metrics_port: 0, dir: dir.to_owned(), overrides, log, seen: vec![], _temp: None };
        broker.await_start();
        broker
    }

    /// Runs the broker over `dir` and waits for its end; for starts that must fail.
    pub fn run_to_end(dir: &Path, overrides: &[&str]) -> (Option<i32>, String) {
        let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
        let output = command(dir, &overrides).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    fn await_start(&mut self) {
        self.port = self.port_of("listening");
        self.metrics_port = self.port_of("serving metrics");
        self.await_log("Kafka Server started");
    }

    fn port_of(&mut self, message: &str) -> u16 {
        let line = self.await_log(message);
        let digits = line.split("port=").nth(1).unwrap_or_else(|| panic!("no port in {line}"));
        digits.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }

    /// Waits for a log line that contains `text`.
    pub fn await_log(&mut self, text: &str) -> String {
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                Err(why) => panic!("no line with {text:?} ({why}); log:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }

    /// Starts again over the same directory, on new ports.
    pub fn restart(&mut self) {
        let (child, log) = spawn(&self.dir, &self.overrides);
        self.child = child;
        self.log = log;
        self.seen.clear();
        self.await_start();
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(dir: &Path, overrides: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_barnabas"));
    command.args(["--override", &format!("log.dirs={}", dir.display())]);
    for given in ["listeners=PLAINTEXT://127.0.0.1:0", "metrics.listener=127.0.0.1:0"] {
        command.args(["--override", given]);
    }
    for given in overrides {
        command.args(["--override", given]);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spawn(dir: &Path, overrides: &[String]) -> (Child, Receiver<String>) {
    let mut child = command(dir, overrides).spawn().unwrap();
    let (to, log) = channel();
    let streams: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for stream in streams {
        let to = to.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    return;
                }
            }
        });
    }
    (child, log)
}

/// A connection on which a test controls every byte.
pub struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, correlation_id: 0 }
    }

    /// Sends `request` and reads its answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        let id = self.send(request, version);
        self.receive::<R>(id, version)
    }

    /// Sends `request`; gives its correlation id.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> i32 {
        self.correlation_id += 1;
        let frame = frame(request, version, self.correlation_id);
        self.stream.write_all(&frame).unwrap();
        self.correlation_id
    }

    /// Reads the answer to the request with correlation id `id`.
    pub fn receive<R: Request>(&mut self, id: i32, version: i16) -> R::Response {
        let mut body = self.read_frame().expect("the broker closed the connection");
        let header = ResponseHeader::decode(&mut body, R::Response::header_version(version)).unwrap();
        assert_eq!(header.correlation_id, id, "answers come in request order");
        let response = R::Response::decode(&mut body, version).unwrap();
        assert!(!body.has_remaining(), "bytes after the response");
        response
    }

    /// One frame without its length prefix; `None` if the broker closed the connection.
    pub fn read_frame(&mut self) -> Option<Bytes> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len).ok()?;
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
        self.stream.read_exact(&mut body).ok()?;
        Some(body.into())
    }
}

/// `request` as a frame with its length prefix.
pub fn frame<R: Request>(request: &R, version: i16, correlation_id: i32) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut body = BytesMut::new();
    header.encode(&mut body, R::header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::new();
    frame.put_i32(i32::try_from(body.len()).unwrap());
    frame.put_slice(&body);
    frame.freeze()
}

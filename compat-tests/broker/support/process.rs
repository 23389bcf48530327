//! A broker process of its own for a test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::apache_kafka::ApacheKafka;
use super::{Client, eventually, has_come};

/// How long a test waits for something that must happen; only ever reached by a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The line behind which everything is served.
const STARTED: &str = "Kafka Server started";

/// Whether the tests run against Apache Kafka, or another broker, instead of barnabas.
pub fn tests_kafka() -> bool {
    std::env::var_os("BROKER_UNDER_TEST").is_some()
}

/// A running broker, with a data directory of its own unless it is `BROKER_UNDER_TEST`.
pub struct Broker {
    running: Option<Running>,
    pub host: String,
    /// The port of the first listener.
    pub port: u16,
    /// The ports of all listeners, in the order of their start.
    pub ports: Vec<u16>,
    pub metrics_port: u16,
    pub dir: PathBuf,
    program: Program,
    /// Everything the broker has logged so far, as far as a test has read it.
    pub seen: Vec<String>,
    /// Warnings and errors of processes that have ended.
    complaints: Vec<String>,
    expected: Vec<&'static str>,
    _temp: Option<tempfile::TempDir>,
}

struct Running {
    child: Child,
    log: Receiver<String>,
}

/// What a broker is started from.
enum Program {
    Barnabas(Invocation),
    Kafka(ApacheKafka),
}

impl Broker {
    /// A broker with default settings, which it may share with other tests.
    pub fn shared() -> Self {
        let Ok(address) = std::env::var("BROKER_UNDER_TEST") else {
            return Self::start(&[]).expect("barnabas is the broker under test");
        };
        let (host, port) = address.rsplit_once(':').expect("host:port");
        let port = port.parse().expect("host:port");
        Self {
            running: None,
            host: host.to_owned(),
            port,
            ports: vec![port],
            metrics_port: 0,
            dir: PathBuf::new(),
            program: Program::Barnabas(Invocation::over(Path::new("."), &[])),
            seen: vec![],
            complaints: vec![],
            expected: vec![],
            _temp: None,
        }
    }

    /// A broker with a fresh directory and these settings; `None` if the broker under test is another one
    /// that cannot be started.
    pub fn start(overrides: &[&str]) -> Option<Self> {
        let temp = tempfile::tempdir().unwrap();
        let mut broker = Self::start_in(&temp.path().join("data"), overrides)?;
        broker._temp = Some(temp);
        Some(broker)
    }

    /// The same over a directory of the test.
    pub fn start_in(dir: &Path, overrides: &[&str]) -> Option<Self> {
        let program = match (tests_kafka(), std::env::var("KAFKA_LIB")) {
            (false, _) => Program::Barnabas(Invocation::over(dir, overrides)),
            (true, Ok(lib)) => Program::Kafka(ApacheKafka::new(&lib, dir, overrides)),
            (true, Err(_)) => return None,
        };
        Some(Self::launch(dir, program))
    }

    /// Barnabas over directories of the test, not started yet; `None` if another broker is under test.
    pub fn unstarted(dir: &Path, overrides: &[&str]) -> Option<Self> {
        (!tests_kafka()).then(|| Self::of(dir, Program::Barnabas(Invocation::over(dir, overrides))))
    }

    /// Apache Kafka over `dir`, whatever is under test.
    pub fn apache_kafka_in(lib: &str, dir: &Path) -> Self {
        Self::launch(dir, Program::Kafka(ApacheKafka::new(lib, dir, &[])))
    }

    /// Barnabas as somebody would call it; `None` if another broker is under test.
    pub fn invoked(invocation: Invocation) -> Option<Self> {
        let dir = invocation.working_directory.clone();
        (!tests_kafka()).then(|| Self::launch(&dir, Program::Barnabas(invocation)))
    }

    fn launch(dir: &Path, program: Program) -> Self {
        let mut broker = Self::of(dir, program);
        broker.restart();
        broker
    }

    fn of(dir: &Path, program: Program) -> Self {
        Self {
            running: None,
            host: "127.0.0.1".to_owned(),
            port: 0,
            ports: vec![],
            metrics_port: 0,
            dir: dir.to_owned(),
            program,
            seen: vec![],
            complaints: vec![],
            expected: vec![],
            _temp: None,
        }
    }

    /// The same for what is expected of barnabas alone.
    pub fn barnabas(overrides: &[&str]) -> Option<Self> {
        if tests_kafka() { None } else { Self::start(overrides) }
    }

    /// Takes warnings and errors with this text for a part of the test; all others fail it.
    pub fn expect_complaint(&mut self, text: &'static str) {
        self.expected.push(text);
    }

    fn is_expected(&self, line: &str) -> bool {
        self.expected.iter().any(|text| line.contains(text))
    }

    /// Makes sure that the process is gone, and keeps what it complained of.
    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
            self.seen.extend(running.log.iter());
        }
        let is_complaint =
            |line: &String| ["] WARN", "] ERROR", "panicked at"].iter().any(|mark| line.contains(mark));
        self.complaints.extend(self.seen.drain(..).filter(is_complaint));
    }

    /// Starts over the same directory, again after it was stopped or killed; ports may change.
    pub fn restart(&mut self) {
        self.end();
        let mut command = match &self.program {
            Program::Barnabas(invocation) => invocation.command(),
            Program::Kafka(kafka) => kafka.command(),
        };
        self.running = Some(Running::spawn(&mut command));
        if let Program::Kafka(kafka) = &self.program {
            self.ports.clone_from(&kafka.ports);
            self.port = self.ports[0];
            let address = (self.host.clone(), self.port);
            has_come("Apache Kafka is there", || std::net::TcpStream::connect(&address).is_ok());
            has_come("Apache Kafka answers", || ApacheKafka::answers(&address));
            return;
        }
        self.await_log(STARTED);
        self.note_ports();
    }

    /// The same where the broker may refuse to start: whether it is there.
    pub fn try_restart(&mut self) -> bool {
        let Program::Barnabas(invocation) = &self.program else { return false };
        let mut command = invocation.command();
        self.end();
        self.running = Some(Running::spawn(&mut command));
        let started = self.find_log(STARTED).is_ok();
        if started {
            self.note_ports();
        }
        started
    }

    fn note_ports(&mut self) {
        self.metrics_port = self.ports_of("serving metrics").first().copied().unwrap_or_default();
        self.ports = self.ports_of("listening");
        self.port = self.ports[0];
    }

    /// Starts and waits for a log line only; gives up if it never comes because the start is over.
    pub fn start_until(&mut self, text: &str) {
        let Program::Barnabas(invocation) = &self.program else { return };
        let mut command = invocation.command();
        self.end();
        self.running = Some(Running::spawn(&mut command));
        while !self.seen.iter().any(|line| line.contains(text) || line.contains(STARTED)) {
            let line = self.running.as_ref().expect("just started").log.recv_timeout(PATIENCE);
            self.seen.push(line.expect("the start goes on"));
        }
    }

    fn ports_of(&self, message: &str) -> Vec<u16> {
        let lines = self.seen.iter().filter(|line| line.contains(message));
        lines.filter_map(|line| port_in(line)).collect()
    }

    /// Waits for a log line that contains `text`.
    pub fn await_log(&mut self, text: &str) -> String {
        self.find_log(text)
            .unwrap_or_else(|why| panic!("no line with {text:?} ({why}); log:\n{}", self.seen.join("\n")))
    }

    fn find_log(&mut self, text: &str) -> Result<String, RecvTimeoutError> {
        loop {
            if let Some(line) = self.seen.iter().find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            let line = self.running.as_ref().expect("not stopped").log.recv_timeout(PATIENCE)?;
            self.seen.push(line);
        }
    }

    /// Everything that the process has logged so far; all of it once it has ended.
    pub fn logged(&mut self) -> &[String] {
        let has_ended = !self.is_running();
        if let Some(running) = &self.running {
            if has_ended {
                self.seen.extend(running.log.iter());
            } else {
                self.seen.extend(running.log.try_iter());
            }
        }
        &self.seen
    }

    fn child(&mut self) -> &mut Child {
        &mut self.running.as_mut().expect("a process of the test's own that runs").child
    }

    /// Resident memory in bytes; `None` for a broker that the test did not start.
    pub fn resident_bytes(&self) -> Option<u64> {
        let id = self.running.as_ref()?.child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
        Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child().kill().unwrap();
        self.child().wait().unwrap();
    }

    /// Sends SIGTERM.
    pub fn terminate(&mut self) {
        let pid = rustix::process::Pid::from_child(self.child());
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end of the process; its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        eventually("the process ends", || self.child().try_wait().unwrap()).code()
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Whether the process is still there.
    pub fn is_running(&mut self) -> bool {
        self.running.is_none() || self.child().try_wait().unwrap().is_none()
    }

    pub fn connect(&self) -> Client {
        Client::connect((self.host.as_str(), self.port))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
        if !std::thread::panicking() && !tests_kafka() {
            let unlisted: Vec<&String> =
                self.complaints.iter().filter(|line| !self.is_expected(line)).collect();
            assert!(unlisted.is_empty(), "a broker complains of what no test expects: {unlisted:#?}");
        }
    }
}

impl Running {
    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (to, log) = channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let to = to.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // Read on when nobody listens, or the broker would block on a full pipe.
                    let _ = to.send(line);
                }
            });
        }
        Self { child, log }
    }
}

/// A call of the command.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    pub working_directory: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
}

impl Invocation {
    /// On free ports, with its data in `dir`.
    pub fn over(dir: &Path, overrides: &[&str]) -> Self {
        let dirs = format!("log.dirs={}", dir.display());
        Self::in_directory(Path::new(".")).and(&[&dirs]).and(overrides)
    }

    /// On free ports, without more being said.
    pub fn in_directory(working_directory: &Path) -> Self {
        let free = ["listeners=PLAINTEXT://127.0.0.1:0", "metrics.listener=127.0.0.1:0"];
        Self { working_directory: working_directory.to_owned(), ..Self::default() }.and(&free)
    }

    /// With further overrides; later ones win.
    pub fn and(mut self, overrides: &[&str]) -> Self {
        for given in overrides {
            self.arguments.extend(["--override".to_owned(), (*given).to_owned()]);
        }
        self
    }

    /// With an environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barnabas"));
        command.args(&self.arguments).current_dir(&self.working_directory);
        command.env_remove("RUST_LOG").envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self) -> Ended {
        let output = self.command().output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// What a process left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

fn port_in(line: &str) -> Option<u16> {
    let digits = line.split("port=").nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

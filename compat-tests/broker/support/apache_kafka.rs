//! Apache Kafka from its jars, to learn what it does and to prove what the tests expect.

use std::path::Path;
use std::process::Command;

use super::client::Client;
use super::free_port;
use kafka_protocol::messages::ApiVersionsRequest;

/// How to start one broker, as often as a test likes.
pub struct ApacheKafka {
    class_path: String,
    properties: std::path::PathBuf,
    /// The ports of its listeners for clients.
    pub ports: Vec<u16>,
    _temp: tempfile::TempDir,
}

impl ApacheKafka {
    /// Writes the properties and formats `dir` if nobody has.
    pub fn new(lib: &str, dir: &Path, overrides: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let properties = temp.path().join("server.properties");
        let given = |key: &str| overrides.iter().filter_map(|o| o.split_once('=')).rfind(|(k, _)| *k == key);
        let mut listeners = given("listeners").map_or("PLAINTEXT://127.0.0.1:0", |(_, v)| v).to_owned();
        let mut ports = Vec::new();
        while listeners.contains(":0,") || listeners.ends_with(":0") {
            let port = free_port();
            ports.push(port);
            listeners = format!("{listeners},").replacen(":0,", &format!(":{port},"), 1);
            listeners.truncate(listeners.len() - 1);
        }
        let controller = free_port();
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\nlog.dirs={}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECOND:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\noffsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n",
            dir.display()
        );
        for line in overrides.iter().filter(|o| !o.starts_with("listener")) {
            text.push_str(&format!("{line}\n"));
        }
        std::fs::write(&properties, text).unwrap();
        let kafka = Self { class_path: format!("{lib}/*"), properties, ports, _temp: temp };
        if !dir.join("meta.properties").exists() {
            kafka.format();
        }
        kafka
    }

    fn format(&self) {
        let mut command = self.java("kafka.tools.StorageTool");
        command.args(["format", "-t", "AAAAAAAAQACAAAAAAAAAAQ", "-c"]).arg(&self.properties);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xms256m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", &self.class_path, class]);
        command
    }

    pub fn command(&self) -> Command {
        let mut command = self.java("kafka.Kafka");
        command.arg(&self.properties);
        command
    }

    /// Whether it serves; it accepts connections before it does.
    pub fn answers(address: &(String, u16)) -> bool {
        if std::net::TcpStream::connect((address.0.as_str(), address.1)).is_err() {
            return false;
        }
        let mut client = Client::connect((address.0.as_str(), address.1));
        client.call(&ApiVersionsRequest::default(), 0).error_code == 0
            && !client.metadata(None).brokers.is_empty()
    }
}

//! Listening sockets and the accept loop.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::connection::{Connection, End, MEMORY_UNIT, Shared};
use super::eager::Latest;
use super::limits::Quota;
pub use super::limits::{Limits, Pace, Window};
use crate::api::Api;

/// How long the accept loop rests after the system refused it a socket (out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What connections are held to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `socket.request.max.bytes`.
    pub frame_bytes_max: usize,
    /// `connections.max.idle.ms`; none = never.
    pub idle: Option<Duration>,
    /// Request bytes that all connections together may hold.
    pub memory_bytes: usize,
    /// `socket.listen.backlog.size`.
    pub backlog: i32,
    /// `socket.send.buffer.bytes`, if it is to be set.
    pub send_buffer: Option<usize>,
    /// `socket.receive.buffer.bytes`, if it is to be set.
    pub receive_buffer: Option<usize>,
    /// Connection limits.
    pub limits: Limits,
}

/// Accepts connections for all listeners of the broker.
pub struct Server {
    settings: Settings,
    shared: Arc<Shared>,
    quota: Arc<Quota>,
    accepting: CancellationToken,
    /// The listeners that are served.
    listeners: Mutex<BTreeMap<Arc<str>, Served>>,
    tasks: TaskTracker,
    /// Open connections of each listener.
    open: Mutex<BTreeMap<Arc<str>, Arc<AtomicUsize>>>,
}

/// What ends a listener.
struct Served {
    accepting: CancellationToken,
    connections: CancellationToken,
    /// The tasks that hold its sockets.
    acceptors: TaskTracker,
}

/// A bound listener that does not accept yet.
pub struct Bound {
    /// Kafka's listener name.
    pub name: Arc<str>,
    sockets: Vec<TcpListener>,
}

impl Bound {
    /// The port that was bound.
    pub fn port(&self) -> io::Result<u16> {
        self.sockets.first().ok_or(io::ErrorKind::NotConnected)?.local_addr().map(|a| a.port())
    }

    pub(super) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }
}

/// Binds every address of `host` (empty = all interfaces, both address families) on `port`.
pub fn bind(name: &str, host: &str, port: u16, backlog: i32) -> io::Result<Bound> {
    let mut sockets = Vec::new();
    let mut port = port;
    for address in addresses(host, port)? {
        let mut address = address;
        address.set_port(port);
        match bind_one(address, host.is_empty(), backlog) {
            Ok(socket) => {
                // Port 0 means any: the other addresses of the host get the one that was found.
                port = socket.local_addr()?.port();
                sockets.push(socket);
            }
            // A machine without IPv6 still resolves localhost to ::1.
            Err(error) if address.is_ipv6() && is_no_ipv6(&error) => {}
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() {
        if !host.is_empty() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        sockets.push(bind_one((Ipv4Addr::UNSPECIFIED, port).into(), false, backlog)?);
    }
    Ok(Bound { name: name.into(), sockets })
}

fn is_no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]
        .into_iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host {
        "" => Ok(vec![(Ipv6Addr::UNSPECIFIED, port).into()]),
        "localhost" => Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]),
        _ => {
            let mut found: Vec<_> = (host, port).to_socket_addrs()?.collect();
            found.sort_unstable();
            found.dedup();
            Ok(found)
        }
    }
}

fn bind_one(address: SocketAddr, dual_stack: bool, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

impl Server {
    /// A server that accepts nothing until [`Server::serve`].
    pub fn new(api: Arc<Api>, settings: Settings) -> Self {
        let units = (settings.memory_bytes + 4).div_ceil(MEMORY_UNIT).min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            api,
            frame_bytes_max: settings.frame_bytes_max,
            idle: settings.idle,
            memory: Arc::new(Semaphore::new(units)),
            shutdown: CancellationToken::new(),
            latest: Latest::default(),
        });
        let quota = Quota::new(settings.limits.clone());
        let (accepting, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (listeners, open) = (Mutex::default(), Mutex::default());
        Self { settings, shared, quota, accepting, listeners, tasks, open }
    }

    /// Holds what is accepted from now on to `limits`.
    pub fn set_limits(&self, limits: Limits) {
        self.quota.set_limits(limits);
    }

    /// Starts accepting on `bound`.
    pub fn serve(&self, bound: Bound) {
        let open = self.open.lock().entry(bound.name.clone()).or_default().clone();
        let (stop, close) = (self.accepting.child_token(), self.shared.shutdown.child_token());
        let acceptors = TaskTracker::new();
        let served =
            Served { accepting: stop.clone(), connections: close.clone(), acceptors: acceptors.clone() };
        self.listeners.lock().insert(bound.name.clone(), served);
        for socket in bound.sockets {
            let acceptor = Acceptor {
                socket,
                name: bound.name.clone(),
                settings: self.settings.clone(),
                shared: self.shared.clone(),
                quota: self.quota.clone(),
                tasks: self.tasks.clone(),
                open: open.clone(),
                close: close.clone(),
            };
            let stop = stop.clone();
            self.tasks.spawn(acceptors.track_future(async move {
                stop.run_until_cancelled(acceptor.run()).await;
            }));
        }
    }

    /// The listeners that are served.
    pub fn serving(&self) -> Vec<Arc<str>> {
        self.listeners.lock().keys().cloned().collect()
    }

    /// Accepts nothing more on a listener; afterwards its port is free. Its connections end when what they have under
    /// way is answered (`SocketServer.removeListeners`).
    pub async fn stop_serving(&self, listener: &str) {
        let served = self.listeners.lock().remove(listener);
        if let Some(Served { accepting, connections, acceptors }) = served {
            accepting.cancel();
            connections.cancel();
            acceptors.close();
            acceptors.wait().await;
        }
    }

    /// How many connections each listener has open.
    pub fn connections(&self) -> Vec<(Arc<str>, usize)> {
        let open = self.open.lock();
        open.iter().map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed))).collect()
    }

    /// Stops accepting, lets requests under way finish, closes every connection; gives up after `limit`.
    pub async fn shutdown(&self, limit: Duration) {
        self.accepting.cancel();
        self.shared.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait()).await.is_err() {
            info!(connections = self.tasks.len(), "connections cut off with requests under way");
        }
    }
}

struct Acceptor {
    socket: TcpListener,
    name: Arc<str>,
    settings: Settings,
    shared: Arc<Shared>,
    quota: Arc<Quota>,
    tasks: TaskTracker,
    open: Arc<AtomicUsize>,
    /// Ends its connections.
    close: CancellationToken,
}

/// A connection that counts as open.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Acceptor {
    async fn run(self) {
        loop {
            match self.socket.accept().await {
                Ok((stream, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    self.quota.pace(&self.name).await;
                    // At a limit the next connections wait in the backlog.
                    let slot = self.quota.slot(&self.name).await;
                    let Some(counted) = slot.admit(from.ip(), self.close.child_token()) else {
                        debug!(%from, "too many connections from this address");
                        continue;
                    };
                    if let Err(error) = self.set_options(&stream) {
                        debug!(%from, %error, "socket options refused");
                        continue;
                    }
                    let (name, used) = (self.name.clone(), counted.used.clone());
                    let connection = Connection::new(stream, name, from, used, self.shared.clone());
                    let open = Open::new(&self.open);
                    self.tasks.spawn(async move {
                        let end = connection.run().await;
                        drop((counted, open));
                        report(from, &end);
                    });
                }
                Err(error) => {
                    warn!(%error, listener = %self.name, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn set_options(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if let Some(bytes) = self.settings.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.settings.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(())
    }
}

fn report(from: SocketAddr, end: &End) {
    match end {
        End::Client | End::Closed => {}
        End::Idle => debug!(%from, "idle connection closed"),
        End::Protocol(why) => debug!(%from, why, "connection closed"),
        End::Io(error) => debug!(%from, %error, "connection lost"),
    }
}

//! Consumer groups: how long many members need to become stable, how many commits a second are acknowledged.

mod classic;
mod commit;
mod consumer;
mod link;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use kafka_protocol::messages::FindCoordinatorRequest;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

pub(crate) use self::commit::run as commit;
use self::link::Link;
use crate::args::Args;
use crate::report::Report;

const NONE: i16 = 0;
const REBALANCE_IN_PROGRESS: i16 = 27;
/// The coordinator of a new cluster loads, is not there yet, or is elsewhere for the moment.
const NOT_YET: [i16; 3] = [14, 15, 16];
const NOT_YET_PAUSE: Duration = Duration::from_millis(20);
const GIVE_UP: Duration = Duration::from_secs(300);

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Waits until groups can be used.
async fn coordinator(bootstrap: &str, group: &str) -> Result<()> {
    let mut link = Link::open(bootstrap).await?;
    let keys = vec![StrBytes::from_string(group.to_owned())];
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    let deadline = Instant::now() + GIVE_UP;
    while Instant::now() < deadline {
        let answer = link.call(&request, 4).await?;
        if answer.coordinators.first().is_some_and(|c| c.error_code == NONE) {
            return Ok(());
        }
        tokio::time::sleep(NOT_YET_PAUSE).await;
    }
    bail!("no coordinator")
}

/// What a member is told to do.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Stay,
    Leave,
    Vanish,
}

/// One member, whatever its protocol.
struct Member {
    bootstrap: Arc<str>,
    group: Arc<str>,
    topic: Arc<str>,
    index: usize,
    session_ms: i32,
    heartbeat: Duration,
    order: watch::Receiver<Order>,
    board: Arc<Board>,
}

impl Member {
    /// Waits for the next heartbeat; true if the member has to go.
    async fn wait(&self) -> bool {
        let mut order = self.order.clone();
        let told = order.wait_for(|order| *order != Order::Stay);
        tokio::time::timeout(self.heartbeat, told).await.is_ok()
    }

    fn leaves(&self) -> bool {
        *self.order.borrow() == Order::Leave
    }
}

/// The epoch or generation that each member has reached, and how many partitions it owns.
struct Board {
    members: std::sync::Mutex<Vec<(i32, usize)>>,
    changed: Notify,
}

impl Board {
    fn new(members: usize) -> Arc<Self> {
        Arc::new(Self { members: std::sync::Mutex::new(vec![(-1, 0); members]), changed: Notify::new() })
    }

    fn note(&self, index: usize, epoch: i32, partitions: usize) {
        let mut members = self.members.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if members[index] != (epoch, partitions) {
            members[index] = (epoch, partitions);
            self.changed.notify_one();
        }
    }

    /// Waits until the members from `first` on satisfy `is_stable`.
    async fn stable(&self, first: usize, is_stable: impl Fn(&[(i32, usize)]) -> bool) -> Result<()> {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                let is_there = {
                    let members = self.members.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    is_stable(&members[first..])
                };
                if is_there {
                    return;
                }
                changed.await;
            }
        };
        ensure!(tokio::time::timeout(GIVE_UP, reached).await.is_ok(), "the group does not become stable");
        Ok(())
    }
}

struct Crowd {
    tasks: JoinSet<Result<()>>,
    orders: Vec<watch::Sender<Order>>,
    board: Arc<Board>,
}

impl Crowd {
    /// Starts `count` members; `group` names the group of each.
    async fn gather(args: &Args, count: usize, group: impl Fn(usize) -> String) -> Result<Self> {
        let bootstrap: Arc<str> = args.bootstrap()?.into();
        let is_classic = args.text_or("protocol", "classic") == "classic";
        coordinator(&bootstrap, &group(0)).await?;
        let board = Board::new(count);
        let mut crowd = Self { tasks: JoinSet::new(), orders: Vec::new(), board: board.clone() };
        for index in 0..count {
            let (tell, order) = watch::channel(Order::Stay);
            crowd.orders.push(tell);
            let member = Member {
                bootstrap: bootstrap.clone(),
                group: group(index).into(),
                topic: args.text_or("topic", "none").into(),
                index,
                session_ms: args.number("session-ms", 30_000)?,
                heartbeat: Duration::from_millis(args.number("heartbeat-ms", 1000)?),
                order,
                board: board.clone(),
            };
            crowd.tasks.spawn(async move {
                if is_classic { classic::run(member).await } else { consumer::run(member).await }
            });
        }
        Ok(crowd)
    }

    /// Waits for `condition`, unless a member fails first.
    async fn until(&mut self, first: usize, condition: impl Fn(&[(i32, usize)]) -> bool) -> Result<()> {
        let board = self.board.clone();
        let stable = board.stable(first, condition);
        tokio::pin!(stable);
        loop {
            tokio::select! {
                done = &mut stable => return done,
                Some(ended) = self.tasks.join_next() => ended??,
            }
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// `group-rebalance --members N --protocol classic|consumer --topic T --partitions P`: N members join one group, one
/// leaves, one vanishes (its session is 6 s in the classic protocol). Prints how long each took.
pub(crate) fn rebalance(args: &Args) -> Result<Report> {
    let count: usize = args.number("members", 100)?;
    let partitions: usize = args.number("partitions", 100)?;
    let is_classic = args.text_or("protocol", "classic") == "classic";
    let stable = |members: &[(i32, usize)]| {
        let is_even = members.iter().all(|(epoch, _)| *epoch > 0 && *epoch == members[0].0);
        let owned: usize = members.iter().map(|(_, owned)| owned).sum();
        is_even && (is_classic || owned == partitions)
    };
    runtime()?.block_on(async {
        let mut report = Report::default();
        let begin = Instant::now();
        let group = format!("rebalance-{}", args.text_or("group", "1"));
        let mut crowd = Crowd::gather(args, count, |_| group.clone()).await?;
        crowd.until(0, stable).await?;
        report.set("join_ms", milliseconds(begin));
        if count > 2 && args.text_or("leave", "yes") == "yes" {
            for (index, order, name) in [(0, Order::Leave, "leave_ms"), (1, Order::Vanish, "die_ms")] {
                let begin = Instant::now();
                crowd.orders[index].send(order)?;
                let before = crowd.board.members.lock().map(|m| m[count - 1].0).unwrap_or(0);
                crowd.until(index + 1, |members| members[0].0 > before && stable(members)).await?;
                report.set(name, milliseconds(begin));
            }
        }
        Ok(report)
    })
}

/// `group-many --groups N --protocol classic|consumer --hold-s S`: N groups of one member each, until all are stable;
/// then they heartbeat for S seconds.
pub(crate) fn many(args: &Args) -> Result<Report> {
    let count: usize = args.number("groups", 10_000)?;
    runtime()?.block_on(async {
        let begin = Instant::now();
        let mut crowd = Crowd::gather(args, count, |index| format!("many-{index}")).await?;
        crowd.until(0, |members| members.iter().all(|(epoch, _)| *epoch > 0)).await?;
        let mut report = Report::default();
        report.set("stable_ms", milliseconds(begin));
        println!("{report}");
        tokio::time::sleep(Duration::from_secs_f64(args.number("hold-s", 0.0)?)).await;
        // Members that failed meanwhile have ended.
        while let Some(ended) = crowd.tasks.try_join_next() {
            ended??;
        }
        Ok(report)
    })
}

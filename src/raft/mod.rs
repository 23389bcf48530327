//! stub
#![allow(missing_docs)]
use std::sync::Arc;
use std::path::Path;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use crate::base::clock::Clock;
use crate::config::broker::Config;
use crate::controller::{Input, Reply, Controller, Settings, default_bootstrap};
use crate::log::disk::Disk;
use crate::machine::{Driver, Sink};
use crate::meta::{Image, Provenance};
use crate::meta::delta::Changes;
use crate::wire::kraft::Record;
pub struct Mem(i64);
impl Sink<Record> for Mem { type Error = std::convert::Infallible;
 fn next_offset(&self)->i64 {self.0}
 fn append(&mut self, _n: i64, r: &[Record]) -> Result<(), Self::Error> { self.0 += r.len() as i64; Ok(()) } }
type D = Driver<Controller, Mem, tokio::sync::oneshot::Sender<Reply>>;
struct Inner { driver: D, sub: Box<dyn Fn(&Image,&Changes)+Send> }
#[derive(Clone)]
pub struct Quorum { inner: Arc<Mutex<Inner>>, image: Arc<ArcSwap<Image>>, clock: Clock }
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Unavailable;
pub struct Parts(Settings, Clock);
impl Parts { pub fn new(_d: Arc<dyn Disk>, _p: &Path, c: Settings, clock: Clock) -> Self { Self(c, clock) } }
pub struct Loaded(Parts);
impl Loaded { pub fn image(&self) -> Arc<Image> { Arc::new(Image::empty()) }
 pub fn run(self, sub: Box<dyn Fn(&Image,&Changes)+Send>) -> Result<Quorum, Unavailable> {
   let Parts(settings, clock) = self.0;
   let c = Controller::new(settings, Image::empty());
   let q = Quorum { inner: Arc::new(Mutex::new(Inner { driver: Driver::new(c, Mem(0), 0), sub })), image: Arc::new(ArcSwap::from_pointee(Image::empty())), clock };
   q.go(Input::Activate(crate::controller::request::Activate { bootstrap: default_bootstrap() }));
   Ok(q) } }
impl Quorum {
 pub fn load(p: Parts) -> Result<Loaded, Unavailable> { Ok(Loaded(p)) }
 fn go(&self, i: Input) -> tokio::sync::oneshot::Receiver<Reply> {
   let (tx, rx) = tokio::sync::oneshot::channel();
   let mut g = self.inner.lock();
   let g = &mut *g;
   let now = self.clock.now_ms();
   let _ = g.driver.step(now, i, tx);
   let end = g.driver.sink_mut().0;
   g.driver.machine_mut().set_provenance(Provenance { offset: end - 1, epoch: 1, timestamp_ms: now });
   g.driver.commit(end);
   let changes = g.driver.machine_mut().take_changes();
   let image = Arc::new(g.driver.machine().image().clone());
   self.image.store(image.clone());
   (g.sub)(&image, &changes);
   while let Some((tx, r)) = g.driver.release() { let _ = tx.send(r); }
   rx
 }
 pub async fn submit(&self, i: Input) -> Result<Reply, Unavailable> { self.go(i).await.map_err(|_| Unavailable) }
 pub fn image(&self) -> Arc<Image> { self.image.load_full() }
 pub fn stop(&self) {}
}

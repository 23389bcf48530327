//! `/metrics`, `/livez` and `/readyz` over HTTP.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::listener::Bound;
use crate::metrics;

/// Connections open at once; the oldest makes room for the next, so that a probe always gets in.
const CONNECTIONS_MAX: usize = 64;
/// Connections that may hold a page of metrics at once; the next request for one waits.
const PAGES_MAX: usize = 4;
/// How long a connection may take, from its start until its one answer is sent.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);

/// What the pages show.
pub trait Pages: Send + Sync + 'static {
    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Whether the broker serves clients.
    fn ready(&self) -> bool;
}

/// Serves until `stop`.
pub fn serve(bound: Bound, pages: &Arc<dyn Pages>, stop: &CancellationToken) {
    let exhibit = Arc::new(Exhibit { pages: pages.clone(), slots: Arc::new(Semaphore::new(PAGES_MAX)) });
    for socket in bound.into_sockets() {
        let accepting = accept(socket, exhibit.clone(), stop.clone());
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(accepting).await });
    }
}

struct Exhibit {
    pages: Arc<dyn Pages>,
    slots: Arc<Semaphore>,
}

async fn accept(socket: TcpListener, exhibit: Arc<Exhibit>, stop: CancellationToken) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS_MAX
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let (exhibit, stop) = (exhibit.clone(), stop.clone());
        let connection = async move { stop.run_until_cancelled(answer(stream, exhibit)).await };
        open.push_back(tokio::spawn(connection).abort_handle());
    }
}

/// One request and its answer. A client that comes again connects again: what hangs is only ever one exchange.
async fn answer(stream: TcpStream, exhibit: Arc<Exhibit>) {
    // Held until the page is sent.
    let slot = Arc::new(OnceLock::new());
    let service = service_fn(|request| {
        let (exhibit, slot) = (exhibit.clone(), slot.clone());
        async move { Ok::<_, Infallible>(respond(&request, &exhibit, &slot).await) }
    });
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(EXCHANGE_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "http connection ended"),
        Err(_) => debug!("http connection took too long"),
    }
}

async fn respond(
    request: &Request<Incoming>,
    exhibit: &Exhibit,
    slot: &OnceLock<Arc<OwnedSemaphorePermit>>,
) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => metrics_page(exhibit, slot).await,
        "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if exhibit.pages.ready() => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
    }
}

async fn metrics_page(
    exhibit: &Exhibit,
    slot: &OnceLock<Arc<OwnedSemaphorePermit>>,
) -> Response<Full<Bytes>> {
    let permit = exhibit.slots.clone().acquire_owned().await.ok().map(Arc::new);
    if let Some(permit) = &permit {
        // A connection asks once.
        let _ = slot.set(permit.clone());
    }
    let pages = exhibit.pages.clone();
    // Off the threads that serve clients: every replica is looked at.
    match tokio::task::spawn_blocking(move || {
        // The page is made to its end even if the client goes meanwhile.
        let _held = permit;
        pages.metrics()
    })
    .await
    {
        Ok(page) => typed(StatusCode::OK, metrics::CONTENT_TYPE, page),
        Err(error) => {
            error!(%error, "metrics cannot be shown");
            text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be shown\n".to_owned())
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::listener::bind;
    use super::*;

    struct Large;

    impl Pages for Large {
        fn metrics(&self) -> String {
            // More than a socket takes, so that a client who does not read is waited for.
            "x".repeat(16 << 20)
        }

        fn ready(&self) -> bool {
            true
        }
    }

    async fn ask(port: u16, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn probes_are_answered_while_scrapers_hang() {
        let bound = bind("metrics", "127.0.0.1", 0, 128).unwrap();
        let port = bound.port().unwrap();
        let (pages, stop): (Arc<dyn Pages>, _) = (Arc::new(Large), CancellationToken::new());
        serve(bound, &pages, &stop);
        let mut hanging = Vec::new();
        for _ in 0..CONNECTIONS_MAX + 3 {
            hanging.push(ask(port, "/metrics").await);
        }
        let mut answer = String::new();
        ask(port, "/readyz").await.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        stop.cancel();
    }
}

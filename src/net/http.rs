//! `/metrics`, `/livez` and `/readyz` over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::listener::Bound;

/// Connections served at once; more wait in the backlog.
const CONNECTIONS_MAX: usize = 16;
/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pages show.
pub trait Pages: Send + Sync + 'static {
    /// The metrics in Prometheus' text format.
    fn metrics(&self) -> String;
    /// Whether the broker serves clients.
    fn ready(&self) -> bool;
}

/// Serves until `stop`.
pub fn serve(bound: Bound, pages: &Arc<dyn Pages>, stop: &CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for socket in bound.into_sockets() {
        let accepting = accept(socket, pages.clone(), slots.clone(), stop.clone());
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(accepting).await });
    }
}

async fn accept(socket: TcpListener, pages: Arc<dyn Pages>, slots: Arc<Semaphore>, stop: CancellationToken) {
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = socket.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let pages = pages.clone();
        let stop = stop.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = respond(&request, &*pages);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            if let Some(Err(error)) = stop.run_until_cancelled(connection).await {
                debug!(%error, "http connection ended");
            }
            drop(slot);
        });
    }
}

fn respond(request: &Request<Incoming>, pages: &dyn Pages) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => text(StatusCode::OK, pages.metrics()),
        "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if pages.ready() => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

//! `/metrics`, `/livez` and `/readyz` over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::listener::Bound;
use crate::metrics;

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
                let pages = pages.clone();
                async move { Ok::<_, Infallible>(respond(&request, pages).await) }
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

async fn respond(request: &Request<Incoming>, pages: Arc<dyn Pages>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".to_owned());
    }
    match request.uri().path() {
        // Off the threads that serve clients: every replica is looked at.
        "/metrics" => match tokio::task::spawn_blocking(move || pages.metrics()).await {
            Ok(page) => typed(StatusCode::OK, metrics::CONTENT_TYPE, page),
            Err(error) => {
                error!(%error, "metrics cannot be shown");
                text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be shown\n".to_owned())
            }
        },
        "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" if pages.ready() => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
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

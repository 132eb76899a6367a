//! Serves the metrics over HTTP, on a Unix socket or a loopback address.

use std::convert::Infallible;
use std::fs;
use std::net::TcpListener as StdTcp;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdUnix;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::address::MetricsAddress;
use crate::daemon::Daemon;
use crate::metrics;

/// Most connections at once. Further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// Time for a client to send the head of its request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Time of a whole connection.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// The format of the answer.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) enum Listener {
    Unix(StdUnix),
    Tcp(StdTcp),
}

impl Listener {
    /// Opens the socket. A socket that nobody serves any more is replaced.
    pub(crate) fn bind(address: &MetricsAddress) -> Result<Self> {
        match address {
            MetricsAddress::Unix(path) => {
                let shown = path.display();
                match fs::symlink_metadata(path) {
                    Ok(file) if !file.file_type().is_socket() => {
                        bail!("{shown} exists and is no socket; move it away or name another path with --metrics")
                    }
                    Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                        bail!("{shown} is served by another program; name another path with --metrics")
                    }
                    Ok(_) => fs::remove_file(path).with_context(|| format!("cannot replace {shown}"))?,
                    Err(_) => {}
                }
                let listener = StdUnix::bind(path).with_context(|| format!("cannot listen at {shown}"))?;
                fs::set_permissions(path, fs::Permissions::from_mode(0o660))
                    .with_context(|| format!("cannot set the mode of {shown}"))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(listener))
            }
            MetricsAddress::Loopback(address) => {
                let listener = StdTcp::bind(address).with_context(|| format!("cannot listen at {address}"))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
        }
    }

    /// Serves until the program ends.
    pub(crate) fn serve(self, daemon: &Daemon) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            match self {
                Self::Unix(listener) => {
                    let listener = UnixListener::from_std(listener)?;
                    loop {
                        let place = Arc::clone(&places).acquire_owned().await?;
                        match listener.accept().await {
                            Ok((stream, _)) => drop(tokio::spawn(connection(stream, daemon.clone(), place))),
                            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                        }
                    }
                }
                Self::Tcp(listener) => {
                    let listener = TcpListener::from_std(listener)?;
                    loop {
                        let place = Arc::clone(&places).acquire_owned().await?;
                        match listener.accept().await {
                            Ok((stream, _)) => drop(tokio::spawn(connection(stream, daemon.clone(), place))),
                            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                        }
                    }
                }
            }
        })
    }
}

async fn connection<S>(stream: S, daemon: Daemon, _place: tokio::sync::OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, daemon.clone()));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    // A client that fails or takes too long is cut off, and needs no answer.
    let _ = tokio::time::timeout(CONNECTION_TIME, serving).await;
}

async fn answer(request: Request<Incoming>, daemon: Daemon) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics" | "/") => match metrics(daemon).await {
            Ok(text) => (StatusCode::OK, OPEN_METRICS, text),
            Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", format!("{why:#}\n")),
        },
        (&Method::GET | &Method::HEAD, _) => {
            (StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "the metrics are at /metrics\n".to_owned())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "only GET is allowed\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}

/// The daemon's metrics. If the daemon does not answer, the metrics say that it is down.
async fn metrics(daemon: Daemon) -> Result<String> {
    let work = move || {
        let status = daemon.status();
        if let Err(error) = &status {
            crate::log::say(&error.to_string());
        }
        metrics::text(status.ok().as_ref(), daemon.tally())
    };
    // The socket's client blocks.
    Ok(tokio::task::spawn_blocking(work).await.context("the metrics could not be made")??)
}

//! The HTTP server itself: binding, the token at the door, the handlers.

use std::{
    io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use mail_wire::Secret;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, UnixListener};

use super::{AdminState, Health, Part, ROWS_MAX, Status, page, token::Token};
use crate::config::AdminAddress;

/// Rows of an answer when the caller names no limit.
const ROWS_DEFAULT: usize = 1000;

const NO_QUEUE: &str = "this node has no queue\n";

const BAD_LIMIT: &str = "limit: allowed: 1 to 10000\n";

/// Why the admin HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be bound.
    #[error("admin address: {0}")]
    Io(#[from] io::Error),
    /// The name led to an address that others can reach.
    #[error("admin address: not a loopback address")]
    NotLoopback,
    /// Another process listens on this socket.
    #[error("admin address: another process listens on {}", .0.display())]
    InUse(PathBuf),
    /// The system gives no randomness.
    #[error("admin token: no randomness")]
    Randomness,
}

/// A bound admin HTTP, not yet serving.
pub struct Server {
    socket: Socket,
    token: Arc<Token>,
    state: Arc<dyn AdminState>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Clone)]
struct App {
    token: Arc<Token>,
    state: Arc<dyn AdminState>,
}

impl Server {
    /// Binds the address. From here on metrics of this process are collected.
    ///
    /// # Errors
    ///
    /// When it cannot be bound, or is not this machine's alone.
    pub async fn bind(
        address: &AdminAddress,
        token: &Secret<String>,
        state: Arc<dyn AdminState>,
    ) -> Result<Self, BindError> {
        recorder();
        let token = Arc::new(Token::new(token).map_err(|_| BindError::Randomness)?);
        let socket = match address {
            AdminAddress::Tcp(address) => {
                let listener = TcpListener::bind((address.host.as_str(), address.port)).await?;
                if !listener.local_addr()?.ip().is_loopback() {
                    return Err(BindError::NotLoopback);
                }
                Socket::Tcp(listener)
            }
            AdminAddress::Unix(path) => Socket::Unix(bind_unix(path).await?),
        };
        Ok(Self { socket, token, state })
    }

    /// The TCP address that was bound, when it is one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Serves until `shutdown` is over.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let app = App { token: self.token, state: self.state };
        let guarded = Router::new()
            .route("/", get(|| async { Redirect::temporary("/status") }))
            .route("/metrics", get(metrics))
            .route("/status", get(status))
            .route("/status.json", get(status_json))
            .route("/mailboxes", get(mailboxes))
            .route("/queue", get(queue))
            .route("/queue/flush", post(flush_queue))
            .layer(middleware::from_fn_with_state(app.clone(), guard));
        let router = Router::new()
            .route("/health", get(health))
            .merge(guarded)
            .layer(middleware::map_response(with_headers))
            .with_state(app);
        match self.socket {
            Socket::Tcp(listener) => axum::serve(listener, router).with_graceful_shutdown(shutdown).await,
            Socket::Unix(listener) => axum::serve(listener, router).with_graceful_shutdown(shutdown).await,
        }
    }
}

/// The recorder of this process: one, however many nodes run in it. `None` when the embedder installed another.
fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}

/// Binds a Unix socket for this user alone; a socket that a dead process left is replaced, a living one is not.
async fn bind_unix(path: &Path) -> Result<UnixListener, BindError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(BindError::InUse(path.to_owned()));
            }
            std::fs::remove_file(path)?;
        }
        // Anything else is somebody's: binding fails and says so.
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.token.is_in(request.headers()) {
        return next.run(request).await;
    }
    let challenges = [
        (header::WWW_AUTHENTICATE, "Bearer realm=\"corbie\""),
        (header::WWW_AUTHENTICATE, "Basic realm=\"corbie: the token is the password\""),
    ];
    let mut response = (StatusCode::UNAUTHORIZED, "the admin token is needed\n").into_response();
    for (name, value) in challenges {
        response.headers_mut().append(name, HeaderValue::from_static(value));
    }
    response
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Says only whether: what is wrong is for those who have the token.
async fn health(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.state.health().is_well() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "degraded\n")
    }
}

async fn metrics() -> Response {
    match recorder() {
        Some(recorder) => {
            recorder.run_upkeep();
            let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
            ([kind], recorder.render()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "metrics of this process are recorded elsewhere\n").into_response(),
    }
}

#[derive(Serialize)]
struct StatusAnswer {
    health: Health,
    #[serde(flatten)]
    status: Status,
}

async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    let json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if json {
        return status_json(State(app)).await.into_response();
    }
    Html(page::render(&app.state.status(), &app.state.health())).into_response()
}

async fn status_json(State(app): State<App>) -> Json<StatusAnswer> {
    Json(StatusAnswer { health: app.state.health(), status: app.state.status() })
}

/// Which part of a list a request names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartQuery {
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

impl PartQuery {
    fn part(self) -> Option<Part> {
        let rows_max = self.limit.unwrap_or(ROWS_DEFAULT);
        (1..=ROWS_MAX).contains(&rows_max).then_some(Part { after: self.after, rows_max })
    }
}

async fn mailboxes(State(app): State<App>, Query(query): Query<PartQuery>) -> Response {
    match query.part() {
        Some(part) => list(app.state.mailboxes(&part), "this node has no mailbox list\n"),
        None => (StatusCode::BAD_REQUEST, BAD_LIMIT).into_response(),
    }
}

async fn queue(State(app): State<App>, Query(query): Query<PartQuery>) -> Response {
    match query.part() {
        Some(part) => list(app.state.queue(&part), NO_QUEUE),
        None => (StatusCode::BAD_REQUEST, BAD_LIMIT).into_response(),
    }
}

/// How many messages a flush has made due.
#[derive(Serialize)]
struct Flushed {
    messages: usize,
}

async fn flush_queue(State(app): State<App>) -> Response {
    match app.state.flush_queue() {
        Some(messages) => Json(Flushed { messages }).into_response(),
        None => (StatusCode::NOT_FOUND, NO_QUEUE).into_response(),
    }
}

fn list<T: Serialize>(rows: Option<Vec<T>>, none: &'static str) -> Response {
    match rows {
        Some(rows) => Json(rows).into_response(),
        None => (StatusCode::NOT_FOUND, none).into_response(),
    }
}

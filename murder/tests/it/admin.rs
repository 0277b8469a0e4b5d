//! The admin HTTP over real sockets.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mail_wire::Secret;
use murder::{
    admin::{AdminState, BindError, Health, MailboxEntry, Part, Server, Status},
    config::AdminAddress,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    task::JoinHandle,
};

/// A node with three mailboxes, no queue, and a trouble that can be switched on.
#[derive(Default)]
struct Node {
    troubled: AtomicBool,
}

impl AdminState for Node {
    fn health(&self) -> Health {
        let troubled = self.troubled.load(Ordering::Relaxed);
        Health { troubles: troubled.then(|| "the master is <lost>".to_owned()).into_iter().collect() }
    }

    fn status(&self) -> Status {
        Status {
            role: "frontend".to_owned(),
            name: "f1".to_owned(),
            facts: vec![("Sessions".to_owned(), "12".to_owned())],
            ..Status::default()
        }
    }

    fn mailboxes(&self, part: &Part) -> Option<Vec<MailboxEntry>> {
        let names = ["user.alice", "user.bob", "user.carol"];
        let rows = names.into_iter().filter(|name| *name > part.after.as_str()).take(part.rows_max);
        let entry = |name: &str| MailboxEntry {
            name: name.to_owned(),
            location: "b1!default".to_owned(),
            state: "active".to_owned(),
            acl: String::new(),
        };
        Some(rows.map(entry).collect())
    }
}

struct Running {
    address: String,
    node: Arc<Node>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

fn token() -> Secret<String> {
    Secret::new("open sesame".to_owned())
}

async fn start() -> Running {
    let node = Arc::new(Node::default());
    let listen: AdminAddress = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(&listen, &token(), Arc::clone(&node) as Arc<dyn AdminState>).await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.serve(async { drop(stopped.await) }));
    Running { address, node, stop, task }
}

impl Running {
    /// The status line's code, the heads, the body.
    async fn ask(&self, path: &str, headers: &str) -> (u16, String, String) {
        exchange(TcpStream::connect(&self.address).await.unwrap(), path, headers).await
    }

    async fn ask_with_token(&self, path: &str) -> (u16, String, String) {
        self.ask(path, "Authorization: Bearer open sesame\r\n").await
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    path: &str,
    headers: &str,
) -> (u16, String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn health_needs_no_token_and_says_only_whether() {
    let running = start().await;
    assert_eq!(running.ask("/health", "").await.0, 200);
    running.node.troubled.store(true, Ordering::Relaxed);
    let (code, _, body) = running.ask("/health", "").await;
    assert_eq!((code, body.as_str()), (503, "degraded\n"));
}

#[tokio::test]
async fn all_else_needs_the_token_and_nothing_like_it() {
    let running = start().await;
    for path in ["/", "/metrics", "/status", "/status.json", "/mailboxes", "/queue"] {
        for headers in [
            "",
            "Authorization: Bearer\r\n",
            "Authorization: Bearer \r\n",
            "Authorization: Bearer open sesam\r\n",
            "Authorization: Bearer open sesamee\r\n",
            "Authorization: Bearer OPEN SESAME\r\n",
            "Authorization: open sesame\r\n",
            "Authorization: Digest open sesame\r\n",
            "Authorization: Basic open sesame\r\n",
            "Authorization: Basic b3BlbiBzZXNhbWU=\r\n",
            "Authorization: Bearer wrong\r\nAuthorization: Bearer open sesame\r\n",
            "Cookie: token=open sesame\r\n",
        ] {
            let (code, head, body) = running.ask(path, headers).await;
            assert_eq!(code, 401, "{path} {headers:?}");
            assert!(head.contains("www-authenticate: bearer"), "{head}");
            assert!(!body.contains("sesame"));
        }
        assert_ne!(running.ask_with_token(path).await.0, 401, "{path}");
        assert_ne!(running.ask(path, "authorization: bearer open sesame\r\n").await.0, 401, "{path}");
        // "any:open sesame", as a browser sends it.
        assert_ne!(running.ask(path, "Authorization: Basic YW55Om9wZW4gc2VzYW1l\r\n").await.0, 401, "{path}");
    }
    assert_eq!(running.ask("/status?token=open%20sesame", "").await.0, 401);
}

#[tokio::test]
async fn status_is_a_page_for_people_and_json_for_programs() {
    let running = start().await;
    running.node.troubled.store(true, Ordering::Relaxed);
    let (code, head, page) = running.ask_with_token("/status").await;
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: text/html")
            && head.contains("content-security-policy: default-src 'none'")
    );
    assert!(head.contains("cache-control: no-store"));
    assert!(page.contains("the master is &lt;lost&gt;") && page.contains("Sessions"));
    let bearer = "Authorization: Bearer open sesame\r\nAccept: application/json\r\n";
    let (_, _, by_accept) = running.ask("/status", bearer).await;
    let (_, _, by_path) = running.ask_with_token("/status.json").await;
    assert_eq!(by_accept, by_path);
    let json: serde_json::Value = serde_json::from_str(&by_path).unwrap();
    assert_eq!(json["name"], "f1");
    assert_eq!(json["health"]["troubles"][0], "the master is <lost>");
}

#[tokio::test]
async fn lists_come_in_parts_and_only_from_nodes_that_have_them() {
    let running = start().await;
    let (code, _, body) = running.ask_with_token("/mailboxes?after=user.alice&limit=1").await;
    let rows: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, rows.as_array().unwrap().len()), (200, 1));
    assert_eq!(rows[0]["name"], "user.bob");
    let (code, _, body) = running.ask_with_token("/mailboxes").await;
    let rows: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, rows.as_array().unwrap().len()), (200, 3));
    let (code, _, body) = running.ask_with_token("/queue").await;
    assert_eq!((code, body.as_str()), (404, "this node has no queue\n"));
    assert_eq!(running.ask_with_token("/mailboxes?limit=10000").await.0, 200);
    for bad in ["limit=0", "limit=10001", "limit=x", "offset=3"] {
        assert_eq!(running.ask_with_token(&format!("/mailboxes?{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn metrics_of_the_process_are_shown_as_prometheus_reads_them() {
    let running = start().await;
    metrics::counter!("corbie_test_total", "kind" => "a\"b").increment(3);
    let (code, head, body) = running.ask_with_token("/metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("corbie_test_total{kind=\"a\\\"b\"} 3"), "{body}");
}

#[tokio::test]
async fn it_reads_only() {
    let running = start().await;
    let mut stream = TcpStream::connect(&running.address).await.unwrap();
    let request = "POST /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\
                   Authorization: Bearer open sesame\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
}

#[tokio::test]
async fn it_stops_when_it_is_told() {
    let running = start().await;
    assert_eq!(running.ask("/health", "").await.0, 200);
    running.stop.send(()).unwrap();
    running.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(&running.address).await.is_err());
}

async fn bind_unix(path: &Path) -> Result<Server, BindError> {
    Server::bind(&AdminAddress::Unix(path.to_owned()), &token(), Arc::new(Node::default())).await
}

#[tokio::test]
async fn a_unix_socket_is_for_this_user_alone_and_replaces_only_a_dead_one() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.socket");
    let server = bind_unix(&path).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let task = tokio::spawn(server.serve(std::future::pending()));
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(exchange(stream, "/health", "").await.0, 200);
    assert!(matches!(bind_unix(&path).await, Err(BindError::InUse(_))));
    task.abort();
    assert!(task.await.is_err());
    assert!(bind_unix(&path).await.is_ok(), "what a dead process left");
    let file = directory.path().join("precious");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(bind_unix(&file).await, Err(BindError::Io(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
}

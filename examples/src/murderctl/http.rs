//! What the nodes' admin HTTP tells.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::Answer;
use crate::output::Output;
use crate::place::Places;

/// Bytes of an answer: a million mailboxes fit.
const ANSWER_BYTES_MAX: u64 = 512 << 20;

/// Which node.
#[derive(Debug, Args)]
pub(crate) struct Node {
    /// The node's name; the master when absent.
    #[arg(long)]
    node: Option<String>,
}

/// What to do with a queue.
#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// Shows what waits.
    List(Node),
    /// Tries everything again now.
    Flush(Node),
}

/// The mailbox list of a node.
pub(crate) fn list(places: &Places, node: &Node) -> Answer {
    table(get_all(places, node, "/mailboxes", "name")?, &["name", "location", "state", "acl"])
}

/// The queue of a front-end.
pub(crate) fn queue(places: &Places, command: &Queue) -> Answer {
    match command {
        Queue::List(node) => {
            let fields = ["id", "sender", "recipients", "attempts", "next_attempt_at", "last_error"];
            table(get_all(places, node, "/queue", "id")?, &fields)
        }
        Queue::Flush(node) => {
            call(places, node, "/queue/flush", Method::Post)?;
            Ok(Output::Done("every delivery is tried again now".to_owned()))
        }
    }
}

/// How a node is.
pub(crate) fn status(places: &Places, node: &Node) -> Answer {
    let status = get(places, node, "/status.json")?;
    let plainly = |field: &str| vec![field.to_owned(), plain(&status[field])];
    let mut rows = vec![plainly("name"), plainly("role"), plainly("version")];
    let troubles = plain(&status["health"]["troubles"]);
    rows.push(vec!["troubles".to_owned(), if troubles.is_empty() { "none".to_owned() } else { troubles }]);
    for fact in status["facts"].as_array().into_iter().flatten() {
        rows.push(vec![plain(&fact[0]), plain(&fact[1])]);
    }
    Ok(Output::Rows { head: vec!["what", "is"], rows, json: status })
}

/// Lays out an array of objects by the fields that people look at.
fn table(items: Value, fields: &[&'static str]) -> Answer {
    let list = items.as_array().ok_or("the node answered something else than a list")?;
    let rows = list.iter().map(|item| fields.iter().map(|field| plain(&item[*field])).collect()).collect();
    Ok(Output::Rows { head: fields.to_vec(), rows, json: items })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('\t', " "),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// All pages of a list; the node gives some thousand rows at a time, by their key.
fn get_all(places: &Places, node: &Node, path: &str, key: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().and_then(|row| row[key].as_str()).unwrap_or_default();
        let page = get(places, node, &format!("{path}?after={}", encode(after)))?;
        let rows = page.as_array().ok_or("the node answered something else than a list")?;
        if rows.is_empty() {
            return Ok(Value::Array(all));
        }
        all.extend(rows.iter().cloned());
    }
}

/// Percent-encodes what may not stand in a query.
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[derive(Clone, Copy)]
enum Method {
    Get,
    Post,
}

fn get(places: &Places, node: &Node, path: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let text = call(places, node, path, Method::Get)?;
    Ok(serde_json::from_str(&text)?)
}

fn call(
    places: &Places,
    node: &Node,
    path: &str,
    method: Method,
) -> Result<String, Box<dyn std::error::Error>> {
    let (address, token) = places.admin_http(node.node.as_deref())?;
    let url = format!("http://{address}{path}");
    let bearer = format!("Bearer {token}");
    let answer = match method {
        Method::Get => ureq::get(&url).header("Authorization", &bearer).call(),
        Method::Post => ureq::post(&url).header("Authorization", &bearer).send_empty(),
    };
    let mut answer = answer.map_err(|e| format!("{url}: {e}"))?;
    Ok(answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?)
}

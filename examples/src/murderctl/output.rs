//! The result of a command, for people and for programs.

use programs::table;
use serde::Serialize;
use serde_json::Value;

/// Rows with names for their cells, or one line.
pub(crate) enum Output {
    /// A list of things: JSON is an array of objects.
    Rows { head: Vec<&'static str>, rows: Vec<Vec<String>>, json: Value },
    /// Something was done.
    Done(String),
}

impl Output {
    /// Rows of `items`; `cells` makes the cells of one.
    pub(crate) fn rows<T: Serialize>(
        head: &[&'static str],
        items: &[T],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self::Rows {
            head: head.to_vec(),
            rows: items.iter().map(cells).collect(),
            json: serde_json::to_value(items)?,
        })
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> String {
        match self {
            Self::Rows { json, .. } => json.to_string(),
            Self::Done(what) => serde_json::json!({ "done": what }).to_string(),
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Rows { rows, .. } if rows.is_empty() => "nothing".to_owned(),
            Self::Rows { head, rows, .. } => table::render(head, rows).trim_end().to_owned(),
            Self::Done(what) => what.clone(),
        }
    }
}

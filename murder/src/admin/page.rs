//! The status page: one HTML document without scripts, images or anything from elsewhere.

use std::fmt::Write as _;

use super::{Health, Status};

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881}\
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
.sub{opacity:.7;margin:.2rem 0 1.5rem}\
.well,.ill{border-radius:.5rem;padding:.6rem 1rem;margin:1rem 0}\
.well{background:#2a92;border-left:.3rem solid #2a9}.ill{background:#d432;border-left:.3rem solid #d43}\
.ill ul{margin:.3rem 0 0;padding-left:1.2rem}\
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.6rem}\
dl div{background:var(--soft);border-radius:.5rem;padding:.6rem 1rem}\
dt{font-size:.85rem;opacity:.7}dd{margin:0;font-size:1.15rem;overflow-wrap:anywhere}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid var(--line)}\
th{font-size:.85rem;opacity:.7}tbody tr:hover{background:var(--soft)}";

/// The whole document. It reloads itself every five seconds.
pub(super) fn render(status: &Status, health: &Health) -> String {
    let mut html = String::with_capacity(4096);
    let (name, role, version) = (escape(&status.name), escape(&status.role), escape(&status.version));
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{name} &middot; {role}</title>\
         <style>{STYLE}</style></head><body><h1>{name}</h1><p class=\"sub\">Corbie {role} {version}</p>"
    );
    if health.is_well() {
        html.push_str("<div class=\"well\">All is well.</div>");
    } else {
        html.push_str("<div class=\"ill\">Needs attention<ul>");
        for trouble in &health.troubles {
            let _ = write!(html, "<li>{}</li>", escape(trouble));
        }
        html.push_str("</ul></div>");
    }
    if !status.facts.is_empty() {
        html.push_str("<dl>");
        for (label, value) in &status.facts {
            let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(label), escape(value));
        }
        html.push_str("</dl>");
    }
    for table in &status.tables {
        let _ = write!(html, "<h2>{}</h2><div class=\"wide\"><table><thead><tr>", escape(&table.title));
        for column in &table.columns {
            let _ = write!(html, "<th>{}</th>", escape(column));
        }
        html.push_str("</tr></thead><tbody>");
        for row in &table.rows {
            html.push_str("<tr>");
            for cell in row {
                let _ = write!(html, "<td>{}</td>", escape(cell));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table></div>");
    }
    html.push_str("</body></html>\n");
    html
}

/// Text as text: nothing a peer chose (a mailbox name, an error of a remote server) is ever markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Table;

    #[test]
    fn no_text_of_a_peer_becomes_markup() {
        let hostile = "<script>alert('x')</script>\"&".to_owned();
        let status = Status {
            role: hostile.clone(),
            name: hostile.clone(),
            version: hostile.clone(),
            facts: vec![(hostile.clone(), hostile.clone())],
            tables: vec![Table {
                title: hostile.clone(),
                columns: vec![hostile.clone()],
                rows: vec![vec![hostile.clone()]],
            }],
        };
        let html = render(&status, &Health { troubles: vec![hostile] });
        assert!(!html.contains("<script"));
        assert_eq!(html.matches("&lt;script&gt;").count(), 11);
    }
}

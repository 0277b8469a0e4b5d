//! Where things are: said on the command line, or written down by `murder`.

use std::fs;
use std::path::PathBuf;

use murder::config::HostPort;
use serde_json::Value;

use crate::PlaceArgs;

type Found<T> = Result<T, Box<dyn std::error::Error>>;

/// What the command line says, and `endpoints.json` behind it.
pub(crate) struct Places {
    args: PlaceArgs,
}

/// An administrator's way into a front-end.
pub(crate) struct AdminLogin {
    pub(crate) imap: HostPort,
    pub(crate) login: String,
    pub(crate) password: String,
    pub(crate) ca: Option<PathBuf>,
}

impl Places {
    pub(crate) fn new(args: PlaceArgs) -> Self {
        Self { args }
    }

    /// The URL of the routing database.
    pub(crate) fn routing(&self) -> Found<String> {
        match &self.args.routing {
            Some(url) => Ok(url.clone()),
            None => self.written(&["routing"], "--routing"),
        }
    }

    /// How to log in as an administrator.
    pub(crate) fn admin_login(&self) -> Found<AdminLogin> {
        let imap = match &self.args.imap {
            Some(address) => address.clone(),
            None => self.written(&["frontends", "0", "imap"], "--imap")?.parse()?,
        };
        let login = match &self.args.admin_login {
            Some(login) => login.clone(),
            None => self.written(&["admin", "login"], "--admin-login")?,
        };
        let password = match &self.args.admin_password_file {
            Some(file) => read(file)?,
            None => self.written(&["admin", "password"], "--admin-password-file")?,
        };
        let ca = match &self.args.ca {
            Some(file) => Some(file.clone()),
            None => self.written(&["ca"], "--ca").ok().map(PathBuf::from),
        };
        Ok(AdminLogin { imap, login, password, ca })
    }

    /// Address and token of a node's admin HTTP.
    pub(crate) fn admin_http(&self, node: Option<&str>) -> Found<(String, String)> {
        let token = match &self.args.token_file {
            Some(file) => read(file)?,
            None => read(&PathBuf::from(self.written(&["admin_token_file"], "--token-file")?))?,
        };
        if let Some(address) = &self.args.admin {
            return Ok((address.clone(), token));
        }
        let endpoints = self.endpoints()?;
        let nodes = |key: &str| endpoints[key].as_array().cloned().unwrap_or_default();
        let all: Vec<Value> = std::iter::once(endpoints["master"].clone())
            .chain(nodes("frontends"))
            .chain(nodes("backends"))
            .collect();
        let name_of = |node: &Value| node["name"].as_str().unwrap_or_default().to_owned();
        let wanted = node.unwrap_or("master");
        let found = all.iter().find(|node| name_of(node) == wanted);
        let names = || all.iter().map(name_of).collect::<Vec<_>>().join(", ");
        let address = found
            .and_then(|node| node["admin"].as_str())
            .ok_or_else(|| format!("no node {wanted}; there are: {}", names()))?;
        Ok((address.to_owned(), token))
    }

    fn endpoints(&self) -> Found<Value> {
        let file = self.args.data.join("endpoints.json");
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?)
    }

    fn written(&self, path: &[&str], option: &str) -> Found<String> {
        let endpoints = self.endpoints().map_err(|e| format!("{e}; or give {option}"))?;
        let value = path.iter().try_fold(&endpoints, |value, step| match step.parse::<usize>() {
            Ok(index) => value.get(index),
            Err(_) => value.get(step),
        });
        let text = value.and_then(Value::as_str).ok_or_else(|| format!("{option} is not given"))?;
        Ok(text.to_owned())
    }
}

fn read(file: &PathBuf) -> Found<String> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(text.trim().to_owned())
}

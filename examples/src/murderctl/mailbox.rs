//! Mailbox verbs: by IMAP through a front-end, as an administrator.
//!
//! Names are those of the mailbox list (`user.alice.Work`); the front-end's administrators see the absolute classic
//! form (`user/alice/Work`).

use clap::Subcommand;
use imap_proto::{
    Command as Verb, Create, ListAttribute, ListPattern, ListQuery, MailboxName, Rename, Response,
};
use murder::mailboxes::{Name, Namespace};
use murder::net::tls::Connector;
use programs::imap::Imap;
use serde::Serialize;

use crate::Answer;
use crate::output::Output;
use crate::place::Places;

/// What can be done with mailboxes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a mailbox.
    Create {
        /// Its name, such as user.alice.Work.
        name: String,
    },
    /// Lists mailboxes.
    List {
        /// Only this one and those below it.
        name: Option<String>,
    },
    /// Renames a mailbox and all below it.
    Rename {
        /// Its name.
        from: String,
        /// The name to be.
        to: String,
    },
    /// Deletes a mailbox and the mail in it.
    Delete {
        /// Its name.
        name: String,
    },
}

pub(crate) async fn run(places: &Places, command: Command) -> Answer {
    let admin = places.admin_login()?;
    let place = admin.imap.to_string();
    let connector = match &admin.ca {
        Some(file) if !admin.imap.is_loopback() => Some(Connector::load(file)?),
        _ => None,
    };
    let tls = connector.as_ref().map(|connector| (connector, admin.imap.host.as_str()));
    let mut imap = Imap::connect(&place, tls, &admin.login, &admin.password).await.map_err(as_error)?;
    let done = perform(&mut imap, &command).await;
    imap.logout().await;
    done
}

async fn perform(imap: &mut Imap, command: &Command) -> Answer {
    match command {
        Command::Create { name } => {
            let classic = classic(name)?;
            let create = Create::new(MailboxName::new(&classic)?);
            imap.run(&Verb::Create(create)).await.and_then(|outcome| outcome.success()).map_err(as_error)?;
            Ok(Output::Done(format!("{name} is there")))
        }
        Command::Rename { from, to } => {
            let (old, new) = (classic(from)?, classic(to)?);
            let verb = Verb::Rename(Rename::new(MailboxName::new(&old)?, MailboxName::new(&new)?));
            imap.run(&verb).await.and_then(|outcome| outcome.success()).map_err(as_error)?;
            Ok(Output::Done(format!("{from} is {to} now")))
        }
        Command::Delete { name } => {
            let classic = classic(name)?;
            let verb = Verb::Delete(MailboxName::new(&classic)?);
            imap.run(&verb).await.and_then(|outcome| outcome.success()).map_err(as_error)?;
            Ok(Output::Done(format!("{name} is gone")))
        }
        Command::List { name } => list(imap, name.as_deref()).await,
    }
}

async fn list(imap: &mut Imap, below: Option<&str>) -> Answer {
    #[derive(Serialize)]
    struct Row {
        name: String,
    }
    let top = below.map(Name::from_mupdate_text).transpose()?;
    let query = ListQuery::new(MailboxName::new("")?, ListPattern::new("*")?);
    let outcome =
        imap.run(&Verb::List(query)).await.and_then(|outcome| outcome.success()).map_err(as_error)?;
    let mut rows = Vec::new();
    for response in &outcome.untagged {
        let Response::List(listed) = response.view() else { continue };
        if listed.attributes.iter().any(|attribute| attribute == ListAttribute::NoSelect) {
            continue;
        }
        let Ok(name) = Name::from_imap(&listed.mailbox.to_utf8(), "", Namespace::Classic) else { continue };
        if top.as_ref().is_none_or(|top| name == *top || name.is_below(top)) {
            rows.push(Row { name: name.to_mupdate() });
        }
    }
    Ok(Output::rows(&["name"], &rows, |row| vec![row.name.clone()])?)
}

/// The absolute classic form of a name.
fn classic(name: &str) -> Result<String, Box<dyn std::error::Error>> {
    let name = Name::from_mupdate_text(name).map_err(|e| format!("{name}: {e}"))?;
    Ok(name.to_imap("", Namespace::Classic))
}

fn as_error(e: programs::imap::Failure) -> Box<dyn std::error::Error> {
    e
}

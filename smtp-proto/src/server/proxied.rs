//! XCLIENT and XFORWARD (Postfix): a proxy speaks for somebody else.

use mail_wire::Error;

use super::command::not_available;
use super::{Event, Machine};
use crate::attributes::{AttributeName, AttributeValue, Attributes};
use crate::command::AttributesRef;
use crate::dialect::Dialect;
use crate::extension::Extension;
use crate::reply::Reply;

impl<D: Dialect> Machine<D> {
    /// The client becomes somebody else, so that all it has said and shown was somebody else's: the session begins anew
    /// with the greeting. Only TLS, which the proxy holds, stays.
    pub(super) fn on_xclient(&mut self, attributes: AttributesRef<'_>) -> Result<(), Error> {
        let names = self.config.extensions.iter().find_map(|extension| match extension {
            Extension::XClient(names) => Some(names.as_slice()),
            _ => None,
        });
        let attributes = match self.read_attributes(names, attributes) {
            Ok(attributes) => attributes,
            Err(reply) => return self.bad(&reply),
        };
        self.hello = None;
        let login = attributes.get(&AttributeName::LOGIN);
        self.authenticated = matches!(login, Some(AttributeValue::Known(_)));
        self.say_greeting();
        self.events.push_back(Event::XClient(attributes));
        Ok(())
    }

    pub(super) fn on_xforward(&mut self, attributes: AttributesRef<'_>) -> Result<(), Error> {
        let names = self.config.extensions.iter().find_map(|extension| match extension {
            Extension::XForward(names) => Some(names.as_slice()),
            _ => None,
        });
        match self.read_attributes(names, attributes) {
            Ok(attributes) => {
                self.events.push_back(Event::XForward(attributes));
                self.idle(&Reply::ok())
            }
            Err(reply) => self.bad(&reply),
        }
    }

    /// The attributes, if the command may come now and all of them were announced.
    fn read_attributes(
        &self,
        announced: Option<&[AttributeName]>,
        attributes: AttributesRef<'_>,
    ) -> Result<Attributes, Reply> {
        let announced = announced.ok_or_else(not_available)?;
        if self.transaction.is_some() {
            return Err(Reply::fixed(503, 5, 1, "Not in a mail transaction"));
        }
        let attributes = attributes.to_owned().ok();
        attributes
            .filter(|attributes| attributes.iter().all(|(name, _)| announced.contains(name)))
            .ok_or_else(|| Reply::fixed(501, 5, 4, "Attribute not recognized"))
    }
}

//! FETCH, both ways (RFC 3501 6.4.5, 7.4.2): what a client asks of a message and what a server says of it.

mod attribute;
mod body;
mod envelope;
mod item;
mod modifier;
mod section;

pub use attribute::{Fetch, FetchAttribute, Partial, Peek, PreviewDelay};
pub use body::{
    BodyPart, CommonExtension, Disposition, MultiExtension, MultiPart, Parameter, PartKind, SingleExtension,
    SinglePart,
};
pub use envelope::{Address, Envelope};
pub use item::FetchItem;
pub use modifier::FetchModifier;
pub use section::{PartPath, Section, SectionText};

//! Changes on their way to the disk.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::{Error, Limit};
use super::machine::Machine;
use super::request::Response;
use crate::log::{self, CommitError, LogError};

/// A change on its way: a future of any runtime, or [`wait`](Self::wait) on a thread. It completes when the change is
/// durable and visible to all, or refused. Dropping it does not withdraw the change.
#[must_use = "the outcome is known only here"]
pub struct Pending<T>(State<T>);

enum State<T> {
    Queued { pending: log::Pending<Machine>, convert: Convert<T> },
    Refused(Option<Error>),
}

/// Picks out of the machine's responses the one that this request gets.
pub(super) type Convert<T> = fn(Response) -> Option<T>;

impl<T> Pending<T> {
    pub(super) fn queued(pending: log::Pending<Machine>, convert: Convert<T>) -> Self {
        Self(State::Queued { pending, convert })
    }

    pub(super) fn refused(error: Error) -> Self {
        Self(State::Refused(Some(error)))
    }

    /// Blocks until the change is durable, or refused.
    ///
    /// # Errors
    /// The refusal, or the disk's failure.
    pub fn wait(self) -> Result<T, Error> {
        match self.0 {
            State::Queued { pending, convert } => finish(pending.wait(), convert),
            State::Refused(error) => Err(error.unwrap_or(Error::Closed)),
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Queued { pending, convert } => {
                Pin::new(pending).poll(context).map(|answer| finish(answer, *convert))
            }
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(Error::Closed))),
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

fn finish<T>(answer: Result<Response, CommitError<Error>>, convert: Convert<T>) -> Result<T, Error> {
    match answer {
        // Each request has one kind of response, so that `convert` knows it.
        Ok(response) => convert(response).ok_or(Error::Closed),
        Err(CommitError::Refused(error)) => Err(error),
        Err(CommitError::Log(error)) => Err(log_error(error)),
    }
}

pub(super) fn log_error(error: LogError) -> Error {
    match error {
        LogError::QueueFull => Error::Busy,
        LogError::DiskFull => Error::DiskFull,
        LogError::BodyTooLarge { max_bytes } => {
            Error::LimitExceeded { limit: Limit::MessageBytes, max: u64::from(max_bytes) }
        }
        LogError::Io(kind) => Error::Io(kind.to_string().into()),
        LogError::PreviousIo => Error::PreviousIo,
        LogError::Closed => Error::Closed,
    }
}

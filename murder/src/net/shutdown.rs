//! The word to stop, heard by every task.

use tokio::sync::watch;

/// Gives the word. Dropping it gives it too, so a node that is dropped stops.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// Waits for the word. Clones are cheap and each hears it.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl ShutdownTrigger {
    /// A trigger and one listener for it.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Gives the word.
    pub fn shut_down(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns once the word was given.
    pub async fn requested(&mut self) {
        // An error means that the trigger is gone, which is the word as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// True once the word was given.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

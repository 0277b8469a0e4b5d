//! The change feed: waiting until something has changed, in a task of any runtime or on a thread.
//!
//! A watch says only *that* something has changed since it was last looked at; what, the reader finds by
//! [`View::sync`](super::View::sync) or a new look-up. Nothing queues up for a slow reader, nothing is lost: a change
//! between two waits makes the next one return at once. Watchers are woken once for each group of transactions.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Something that can change.
#[derive(Debug, Default)]
pub(super) struct Topic {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    sleepers: usize,
    next_key: u64,
    wakers: Vec<(u64, Waker)>,
}

impl Topic {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        let mut state = self.lock();
        state.version += 1;
        let wakers = std::mem::take(&mut state.wakers);
        let asleep = state.sleepers > 0;
        drop(state);
        if asleep {
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }

    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let seen = self.lock().version;
        Watch { topic: Arc::clone(self), seen }
    }
}

/// Waits for changes made after it was taken.
///
/// Take the watch first, look at the state, then wait: no change can fall between.
#[derive(Clone, Debug)]
pub struct Watch {
    topic: Arc<Topic>,
    seen: u64,
}

impl Watch {
    /// Completes when something has changed since the watch was taken or last completed. Dropping the future before
    /// loses nothing.
    pub fn changed(&mut self) -> Changed<'_> {
        Changed { watch: self, key: None }
    }

    /// Blocks until something has changed, or the time is over: whether it has.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.topic.lock();
        while state.version == self.seen {
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state.sleepers += 1;
            state = self.topic.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.sleepers -= 1;
        }
        self.seen = state.version;
        true
    }

    /// Whether something has changed, without waiting; the next wait is for changes after this.
    pub fn has_changed(&mut self) -> bool {
        let version = self.topic.lock().version;
        let changed = version != self.seen;
        self.seen = version;
        changed
    }
}

/// The future of [`Watch::changed`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Changed<'a> {
    watch: &'a mut Watch,
    key: Option<u64>,
}

impl Future for Changed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let topic = Arc::clone(&self.watch.topic);
        let mut state = topic.lock();
        if state.version != self.watch.seen {
            self.watch.seen = state.version;
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| {
            state.next_key += 1;
            state.next_key
        });
        match state.wakers.iter_mut().find(|(known, _)| *known == key) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => state.wakers.push((key, context.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.watch.topic.lock().wakers.retain(|(known, _)| *known != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(future: &mut Changed<'_>) -> Poll<()> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_change_between_two_waits_is_not_lost() {
        let topic = Arc::new(Topic::default());
        let mut watch = topic.watch();
        topic.notify();
        assert!(watch.wait(Duration::ZERO));
        assert!(!watch.wait(Duration::ZERO));
        topic.notify();
        topic.notify();
        assert!(watch.has_changed());
        assert!(!watch.has_changed());
    }

    #[test]
    fn a_future_completes_after_a_change_and_leaves_no_waker() {
        let topic = Arc::new(Topic::default());
        let mut watch = topic.watch();
        let mut future = watch.changed();
        assert!(poll(&mut future).is_pending());
        assert!(poll(&mut future).is_pending());
        assert_eq!(topic.lock().wakers.len(), 1);
        topic.notify();
        assert!(poll(&mut future).is_ready());
        drop(future);
        drop(watch.changed());
        let mut future = watch.changed();
        assert!(poll(&mut future).is_pending());
        drop(future);
        assert!(topic.lock().wakers.is_empty());
    }

    #[test]
    fn a_sleeping_thread_is_woken() {
        let topic = Arc::new(Topic::default());
        let mut watch = topic.watch();
        let sleeper = std::thread::spawn(move || watch.wait(Duration::from_secs(20)));
        while topic.lock().sleepers == 0 {
            std::thread::yield_now();
        }
        topic.notify();
        assert!(sleeper.join().unwrap());
    }
}

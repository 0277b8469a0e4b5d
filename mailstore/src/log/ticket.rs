//! One answer, promised by one side and awaited by the other, on a thread or in a task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The waiting side. Gives `None` if the other side went away without an answer.
pub(crate) struct Ticket<Q, R>(Arc<Slot<Q, R>>);

/// The answering side. Dropped without an answer, it says so.
pub(crate) struct Promise<Q, R>(Arc<Slot<Q, R>>);

struct Slot<Q, R> {
    state: Mutex<State<Q, R>>,
    answered: Condvar,
}

struct State<Q, R> {
    question: Option<Q>,
    answer: Answer<R>,
    waker: Option<Waker>,
    /// Whether a thread sleeps on the condition: waking nobody still costs a system call.
    asleep: bool,
}

enum Answer<R> {
    Awaited,
    Given(R),
    /// Nobody will answer, or the answer was taken.
    None,
}

pub(crate) fn ticket<Q, R>(question: Q) -> (Ticket<Q, R>, Promise<Q, R>) {
    let state = State { question: Some(question), answer: Answer::Awaited, waker: None, asleep: false };
    let slot = Arc::new(Slot { state: Mutex::new(state), answered: Condvar::new() });
    (Ticket(Arc::clone(&slot)), Promise(slot))
}

impl<Q, R> Slot<Q, R> {
    fn lock(&self) -> MutexGuard<'_, State<Q, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, answer: Answer<R>) {
        let mut state = self.lock();
        if matches!(state.answer, Answer::Awaited) {
            state.answer = answer;
        }
        let (waker, asleep) = (state.waker.take(), state.asleep);
        drop(state);
        if asleep {
            self.answered.notify_one();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<Q, R> Promise<Q, R> {
    /// Takes the question; `None` if it was taken back.
    pub(crate) fn question(&self) -> Option<Q> {
        self.0.lock().question.take()
    }

    pub(crate) fn answer(self, answer: R) {
        self.0.settle(Answer::Given(answer));
    }
}

impl<Q, R> Drop for Promise<Q, R> {
    fn drop(&mut self) {
        // After an answer this changes nothing: it is not awaited any more.
        self.0.settle(Answer::None);
    }
}

impl<Q, R> Ticket<Q, R> {
    pub(crate) fn wait(self) -> Option<R> {
        let mut state = self.0.lock();
        loop {
            match std::mem::replace(&mut state.answer, Answer::None) {
                Answer::Given(answer) => return Some(answer),
                Answer::None => return None,
                Answer::Awaited => state.answer = Answer::Awaited,
            }
            state.asleep = true;
            state = self.0.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the question back if the other side has not taken it.
    pub(crate) fn take_back(&self) -> Option<Q> {
        self.0.lock().question.take()
    }
}

impl<Q, R> Future for Ticket<Q, R> {
    type Output = Option<R>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R>> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut state.answer, Answer::None) {
            Answer::Given(answer) => Poll::Ready(Some(answer)),
            Answer::None => Poll::Ready(None),
            Answer::Awaited => {
                state.answer = Answer::Awaited;
                match &mut state.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl<Q, R> fmt::Debug for Ticket<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

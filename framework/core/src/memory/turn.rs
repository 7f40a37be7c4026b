//! Turns of writers: one at a time, in the order of asking, without a runtime.

use super::guard;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

#[derive(Default)]
struct Queue {
    tickets: u64,
    holder: Option<Ticket>,
    waiting: VecDeque<(Ticket, Waker)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Ticket {
    number: u64,
    owner: u64,
}

impl Queue {
    fn pass_on(&mut self) {
        self.holder = self.waiting.pop_front().map(|(ticket, waker)| {
            waker.wake();
            ticket
        });
    }

    fn release(&mut self, ticket: Ticket) {
        if self.holder == Some(ticket) {
            self.pass_on();
        } else {
            self.waiting.retain(|(waiting, _)| *waiting != ticket);
        }
    }
}

/// The place where writers queue.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Queue>>);

impl Turns {
    /// Waits for a turn, which lasts until it is dropped; none if the owner was evicted.
    pub(super) fn take(&self, owner: u64) -> Waiting {
        Waiting {
            turns: self.clone(),
            owner,
            ticket: None,
        }
    }

    /// Ends the turn of an owner, and its waiting for one.
    pub(super) fn evict(&self, owner: u64) {
        let mut queue = guard(&self.0);
        let (gone, stay) = std::mem::take(&mut queue.waiting)
            .into_iter()
            .partition(|(ticket, _)| ticket.owner == owner);
        queue.waiting = stay;
        let gone: VecDeque<(Ticket, Waker)> = gone;
        gone.into_iter().for_each(|(_, waker)| waker.wake());
        if queue.holder.is_some_and(|ticket| ticket.owner == owner) {
            queue.pass_on();
        }
    }
}

/// A future of a [`Turn`].
pub(super) struct Waiting {
    turns: Turns,
    owner: u64,
    ticket: Option<Ticket>,
}

impl Future for Waiting {
    type Output = Option<Turn>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let turns = self.turns.clone();
        let mut queue = guard(&turns.0);
        let ticket = match self.ticket {
            Some(ticket) => ticket,
            None => {
                queue.tickets += 1;
                let ticket = Ticket {
                    number: queue.tickets,
                    owner: self.owner,
                };
                self.ticket = Some(ticket);
                queue.waiting.push_back((ticket, context.waker().clone()));
                if queue.holder.is_none() {
                    queue.pass_on();
                }
                ticket
            }
        };
        if queue.holder == Some(ticket) {
            self.ticket = None;
            return Poll::Ready(Some(Turn {
                turns: self.turns.clone(),
                ticket,
            }));
        }
        match queue.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
            Some((_, waker)) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            None => {
                self.ticket = None;
                Poll::Ready(None)
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            guard(&self.turns.0).release(ticket);
        }
    }
}

/// The right to write.
pub(super) struct Turn {
    turns: Turns,
    ticket: Ticket,
}

impl Drop for Turn {
    fn drop(&mut self) {
        guard(&self.turns.0).release(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(waiting: &mut Waiting) -> Poll<Option<Turn>> {
        Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn taken(waiting: &mut Waiting) -> Turn {
        match poll(waiting) {
            Poll::Ready(Some(turn)) => turn,
            Poll::Ready(None) => panic!("evicted"),
            Poll::Pending => panic!("not yet"),
        }
    }

    #[test]
    fn turns_come_in_the_order_of_asking_and_given_up_places_are_skipped() {
        let turns = Turns::default();
        let first = taken(&mut turns.take(1));
        let (mut second, mut third, mut fourth) = (turns.take(1), turns.take(1), turns.take(1));
        assert!(
            poll(&mut second).is_pending() && poll(&mut third).is_pending() && poll(&mut fourth).is_pending()
        );
        drop(third);
        drop(first);
        assert!(poll(&mut fourth).is_pending(), "the second is before it");
        drop(second); // had been given the turn and never took it
        let turn = taken(&mut fourth);
        drop(turn);
        drop(taken(&mut turns.take(1)));
    }

    #[test]
    fn an_evicted_owner_neither_holds_nor_waits() {
        let turns = Turns::default();
        let held = taken(&mut turns.take(1));
        let (mut mine, mut other) = (turns.take(1), turns.take(2));
        assert!(poll(&mut mine).is_pending() && poll(&mut other).is_pending());
        turns.evict(1);
        assert!(matches!(poll(&mut mine), Poll::Ready(None)));
        let turn = taken(&mut other);
        drop(held); // ends nobody else's turn
        assert!(poll(&mut turns.take(3)).is_pending());
        drop(turn);
    }
}

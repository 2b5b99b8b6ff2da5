//! Waiting in the queue of a source: the place it keeps for us, by what it knows us there, and the
//! connection that it opens when it is our turn (protocol §10.7).

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::future::{self, Either};

use super::{News, Session, Wanted};
use crate::net::http::{self, Response};
use crate::net::network::{End, Side};
use crate::transfer::call_back::Called;
use crate::transfer::mesh;
use crate::wire::address::is_private;

/// How long a connection on which a queue knows us is kept after we were to ask again.
const LATE: Duration = Duration::from_secs(10);

/// A place in the queue of a source.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Its number, and which place that was last.
    ticket: Option<(String, Option<u32>)>,
    /// How long we may wait on the connection, where we are known by it alone.
    patience: Duration,
    /// What the source opens when it is our turn, if it does.
    turn: Option<oneshot::Receiver<Called>>,
}

/// What ends a rest.
#[derive(Debug)]
pub(super) enum Woken {
    /// More tiles are wanted.
    Ordered(Range<u32>),
    /// It is our turn, on this connection.
    Invited(Box<Called>),
    /// Nothing is wanted any more.
    Over,
}

impl Queue {
    /// How long the connection has to last for us to be known.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// By what the source knows us, as `X-Queued` says it.
    pub(super) fn shown(&self) -> Option<String> {
        let (id, position) = self.ticket.as_ref()?;
        let position = position.map(|position| format!("position={position}; "));
        Some(format!("{}ID={id}", position.unwrap_or_default()))
    }

    /// Waits for the next order, or for our turn.
    pub(super) async fn next(&mut self, orders: &mut mpsc::UnboundedReceiver<Range<u32>>) -> Woken {
        let order = match &mut self.turn {
            None => orders.next().await,
            Some(turn) => match future::select(orders.next(), turn).await {
                Either::Left((order, _)) => order,
                Either::Right((Ok(stream), _)) => {
                    self.turn = None;
                    return Woken::Invited(Box::new(stream));
                }
                // Somebody else waits for the same.
                Either::Right((Err(_), orders)) => {
                    let order = orders.await;
                    self.turn = None;
                    order
                }
            },
        };
        order.map_or(Woken::Over, Woken::Ordered)
    }
}

impl Wanted {
    /// Where somebody at `from` reaches us, if it does.
    pub(super) fn reached_from(&self, from: SocketAddr) -> Option<SocketAddr> {
        let means_something = |own: &SocketAddr| is_private(from.ip()) || !is_private(own.ip());
        self.reached_at.filter(means_something)
    }
}

impl Session {
    /// Takes note of the place that an answer gives us, and by what it knows us.
    pub(super) fn note_place<B>(&mut self, answer: &Response<B>) {
        let place = mesh::place_in_queue(answer.headers()).unwrap_or_default();
        self.queue.patience = match (&place.id, place.poll) {
            (None, Some(poll)) => poll + LATE,
            _ => Duration::ZERO,
        };
        let waits = !answer.status().is_success() && place.id.is_some();
        let known = self.queue.ticket.as_ref().map(|(id, _)| id);
        if !waits || known != place.id.as_ref() {
            self.queue.turn = None;
        }
        if let Some(id) = place.id {
            self.queue.ticket = Some((id, place.place.position));
        }
        let wanted = &self.wanted;
        if waits
            && self.queue.turn.is_none()
            && let Some((id, _)) = &self.queue.ticket
            && let Some(back) = &wanted.call_back
            && let Some(at) = self.client.as_ref().and_then(|(_, side)| side.peer)
        {
            self.queue.turn = back.queued(at, id);
        }
    }

    /// The source has room for us now, and wants to be asked on the connection that it opened.
    pub(super) async fn invited(&mut self, stream: Called) {
        let side = Side::of(stream.get_ref(), End::Answering);
        if let Ok(client) = http::connect_with(stream, self.wanted.limits()).await {
            self.hang_up();
            self.client = Some((client, side));
            self.teller.tell(News::Invited).await;
        }
    }
}

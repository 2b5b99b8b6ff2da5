//! The connection to a source, whichever side opens it, and what is said on it: requests go out
//! and answers come back in the same way (protocol §6.3, §6.5).

use std::io;
use std::sync::Arc;

use futures::future::{self, Either, FutureExt};

use super::door::Door;
use super::error::Error;
use super::{Session, Wanted};
use crate::net::dial::dial;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, Client, Incoming, Request, Response};
use crate::net::network::{End, Side, Stranger};
use crate::runtime;
use crate::transfer::call_back::Way;

impl Wanted {
    pub(super) fn limits(&self) -> http::Limits {
        http::Limits {
            head: self.settings.headers,
            stall: self.settings.stall,
            ..http::Limits::default()
        }
    }
}

impl Session {
    /// Has a connection.
    pub(super) async fn connect(&mut self) -> Result<(), Error> {
        let open = |(client, _): &(Client, Side)| !client.is_closed();
        if self.client.as_ref().is_some_and(open) {
            return Ok(());
        }
        self.hang_up();
        // Where it sends us somebody else may be, who is dialled.
        let servent = !self.door.moved && !self.door.web;
        let back = self.wanted.call_back.as_ref().filter(|_| servent);
        let way = back.map_or(Way::Dial, |back| back.way(self.address));
        let client = match way {
            Way::Dial => self.dial().await,
            Way::Call => self.call().await,
            Way::DialFirst => self.dial_or_call().await,
            Way::CallFirst => match self.call().await {
                // The reason of the call tells more.
                Err(uncalled) => self.dial().await.map_err(|_| uncalled),
                called => called,
            },
        };
        self.client = Some(client?);
        Ok(())
    }

    /// Dials it, and has it connect to us as well where that fails or takes long: many that nobody
    /// can connect to do not say so, and never answer.
    async fn dial_or_call(&mut self) -> Result<(Client, Side), Error> {
        let dialled = self.dial().boxed();
        let head_start = self.wanted.settings.head_start;
        let dialled = match future::select(dialled, runtime::sleep(head_start).boxed()).await {
            Either::Left((Err(Error::Connect(_)), _)) => return self.call().await,
            // What the overlay asks of both ends is no question of reaching it.
            Either::Left((dialled, _)) => return dialled,
            Either::Right(((), dialled)) => dialled,
        };
        match future::select(dialled, self.call().boxed()).await {
            Either::Left((Err(Error::Connect(_)), called)) => called.await,
            Either::Left((dialled, _)) => dialled,
            Either::Right((Err(uncalled), dialled)) => dialled.await.map_err(|error| match error {
                // The reason of the call tells more.
                Error::Connect(_) => uncalled,
                other => other,
            }),
            Either::Right((called, _)) => called,
        }
    }

    /// Connects to it.
    fn dial(&self) -> impl Future<Output = Result<(Client, Side), Error>> + Send + use<> {
        let (wanted, address) = (Arc::clone(&self.wanted), self.address);
        let Door {
            address: door,
            moved,
            web,
            ..
        } = self.door;
        async move {
            // Where it sends us somebody else may be.
            let known = wanted.call_back.as_ref().filter(|_| !moved);
            let encrypted = known.and_then(|known| known.tls(address));
            let tls = match web {
                true => &Tls::Off,
                false => encrypted.as_ref().unwrap_or(&wanted.tls),
            };
            let stream = dial(wanted.from, door, wanted.settings.connect, tls)
                .await
                .map_err(|error| Error::Connect(error.into()))?;
            let side = Side::of(&stream, End::Asking);
            let client = http::connect_with(stream, wanted.limits()).await?;
            Ok((client, side))
        }
    }

    /// Has it connect to us.
    fn call(&self) -> impl Future<Output = Result<(Client, Side), Error>> + Send + use<> {
        let (wanted, address) = (Arc::clone(&self.wanted), self.address);
        async move {
            let Some(back) = &wanted.call_back else {
                return Err(Error::Connect(io::ErrorKind::NotConnected.into()));
            };
            let stream = back.call(address).await.map_err(Error::Uncalled)?;
            let side = Side::of(stream.get_ref(), End::Answering);
            let client = http::connect_with(stream, wanted.limits()).await?;
            Ok((client, side))
        }
    }

    pub(super) fn hang_up(&mut self) {
        (self.client, self.proven, self.open) = (None, false, None);
    }

    /// Sends a request; gives its answer, and whether that comes from the same overlay.
    pub(super) async fn ask(
        &mut self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Result<(), Stranger>), Error> {
        // The overlay is no affair of a web server.
        let network = self.wanted.network.as_ref().filter(|_| !self.door.web);
        let Some((client, side)) = &mut self.client else {
            return Err(Error::Broken("there is no connection".to_owned()));
        };
        if let Some(network) = network {
            network.put(side, request.headers_mut());
        }
        match client.send(request).await {
            Ok(answer) => {
                let ours = match self.door.web {
                    true => Ok(()),
                    false => side.check_http(network, answer.headers()),
                };
                Ok((answer, ours))
            }
            Err(error) => {
                self.hang_up();
                Err(error.into())
            }
        }
    }
}

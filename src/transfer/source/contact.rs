//! The connection to a source, whichever side opens it, and what is said on it: requests go out
//! and answers come back in the same way (protocol §6.3, §6.5).

use std::io;

use super::error::Error;
use super::{Session, Wanted};
use crate::net::dial::dial;
use crate::net::handshake::Tls;
use crate::net::http::{self, Body, Client, Incoming, Request, Response};
use crate::net::network::{End, Side, Stranger};
use crate::transfer::call_back::Way;

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
            Way::DialFirst => match self.dial().await {
                // What the overlay asks of both ends is no question of reaching it.
                Err(Error::Connect(_)) => self.call().await,
                dialled => dialled,
            },
            Way::CallFirst => match self.call().await {
                // The reason of the call tells more.
                Err(uncalled) => self.dial().await.map_err(|_| uncalled),
                called => called,
            },
        };
        self.client = Some(client?);
        Ok(())
    }

    /// Connects to it.
    async fn dial(&mut self) -> Result<(Client, Side), Error> {
        let Wanted {
            settings,
            tls,
            from,
            ..
        } = &*self.wanted;
        // Where it sends us somebody else may be.
        let known = self.wanted.call_back.as_ref().filter(|_| !self.door.moved);
        let encrypted = known.and_then(|known| known.tls(self.address));
        let tls = match self.door.web {
            true => &Tls::Off,
            false => encrypted.as_ref().unwrap_or(tls),
        };
        let stream = dial(*from, self.door.address, settings.connect, tls)
            .await
            .map_err(|error| Error::Connect(error.into()))?;
        let side = Side::of(&stream, End::Asking);
        let client = http::connect_with(stream, self.limits()).await?;
        Ok((client, side))
    }

    /// Has it connect to us.
    async fn call(&mut self) -> Result<(Client, Side), Error> {
        let Some(back) = &self.wanted.call_back else {
            return Err(Error::Connect(io::ErrorKind::NotConnected.into()));
        };
        let stream = back.call(self.address).await.map_err(Error::Uncalled)?;
        let side = Side::of(stream.get_ref(), End::Answering);
        let client = http::connect_with(stream, self.limits()).await?;
        Ok((client, side))
    }

    fn limits(&self) -> http::Limits {
        http::Limits {
            head: self.wanted.settings.headers,
            stall: self.wanted.settings.stall,
            ..http::Limits::default()
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

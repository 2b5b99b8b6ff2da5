//! The connection to a source, from which every request and answer goes.

use super::{Session, Wanted};
use super::error::Error;
use crate::net::dial::dial;
use crate::net::http::{self, Body, Incoming, Request, Response};
use crate::net::network::{End, Side, Stranger};

impl Session {
    pub(super) async fn connect(&mut self) -> Result<(), Error> {
        if self
            .client
            .as_ref()
            .is_some_and(|(client, _)| !client.is_closed())
        {
            return Ok(());
        }
        self.proven = false;
        let Wanted {
            settings,
            tls,
            from,
            ..
        } = &*self.wanted;
        let stream = dial(*from, self.address, settings.connect, tls)
            .await
            .map_err(|error| Error::Connect(error.into()))?;
        let side = Side::of(&stream, End::Asking);
        let limits = http::Limits {
            head: settings.headers,
            stall: settings.stall,
            ..http::Limits::default()
        };
        self.client = Some((http::connect_with(stream, limits).await?, side));
        Ok(())
    }

    pub(super) fn hang_up(&mut self) {
        (self.client, self.proven) = (None, false);
    }

    /// Sends a request; gives its answer, and whether that comes from the same overlay.
    pub(super) async fn ask(
        &mut self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Result<(), Stranger>), Error> {
        let network = self.wanted.network.as_ref();
        let Some((client, side)) = &mut self.client else {
            return Err(Error::Broken("there is no connection".to_owned()));
        };
        if let Some(network) = network {
            network.put(side, request.headers_mut());
        }
        match client.send(request).await {
            Ok(answer) => {
                let ours = side.check_http(network, answer.headers());
                Ok((answer, ours))
            }
            Err(error) => {
                self.hang_up();
                Err(error.into())
            }
        }
    }
}

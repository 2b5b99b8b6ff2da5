//! The one TCP port that everybody dials.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Stream;
use crate::runtime::{self, TcpListener};

/// How long to wait when the system has no room for another connection.
const BREATH: Duration = Duration::from_millis(100);

/// The listening port.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address listened on, with the port that was chosen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection and where it comes from. A connection that fails before it is taken
    /// is skipped; when the process has no file descriptors left, new ones wait.
    pub async fn accept(&self) -> (Stream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    // Only a connection that is gone already refuses this.
                    if stream.set_nodelay(true).is_ok() {
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        return (stream.into(), from);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    log::warn!("{}: cannot accept a connection: {error}", self.address);
                    runtime::sleep(BREATH).await;
                }
            }
        }
    }
}

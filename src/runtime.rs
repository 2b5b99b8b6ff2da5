//! The one file that names the async runtime.
//!
//! Sockets, tasks, timers, the blocking pool and the signal to stop. Everything else speaks the
//! `futures` traits, so that another runtime is a change to this file alone. Tasks run on as many
//! threads as there are cores: work that keeps a core busy or waits for a disk belongs into
//! [`spawn_blocking`].

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::Async;
use async_signal::{Signal, Signals};
use async_std::net::{self, ToSocketAddrs};
use futures::{AsyncRead, AsyncWrite, StreamExt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;

pub use async_std::task::JoinHandle;

/// A future was not ready within its limit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("no answer within {0:?}")]
pub struct TimedOut(pub Duration);

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}

/// Runs a future on the current thread until it is done; the entry from a plain thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    async_std::// Boxed: an unoptimised build moves a large future through many frames.
    task::block_on(Box::pin(future))
}

/// Starts a task and gives its handle: await it for the result, [`JoinHandle::cancel`] it to end
/// the task. Dropping the handle would let the task run on unseen; say [`spawn_detached`] for that.
#[must_use = "await or cancel the task, or say spawn_detached"]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    async_std::task::spawn(future)
}

/// Starts a task that ends by itself and whose result nobody waits for.
pub fn spawn_detached<F>(future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    drop(async_std::task::spawn(future));
}

/// Runs a blocking function (disk, database, hashing) on a thread of the pool. A function that
/// has started runs to its end, whatever becomes of the handle.
#[must_use = "await the result"]
pub fn spawn_blocking<F, T>(function: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    async_std::task::spawn_blocking(function)
}

/// Waits for `duration`.
pub async fn sleep(duration: Duration) {
    async_std::task::sleep(duration).await;
}

/// Lets the other tasks of this thread have their turn.
pub async fn yield_now() {
    async_std::task::yield_now().await;
}

/// Waits for `future`, at most for `limit`; what is not ready by then is dropped.
///
/// # Errors
/// [`TimedOut`] when the limit has passed.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, TimedOut> {
    async_std::future::timeout(limit, future)
        .await
        .map_err(|_| TimedOut(limit))
}

/// Connections that may wait to be accepted, as far as the system lets them: a burst of those that
/// open many at once must not hide the others'.
const BACKLOG: i32 = 1_024;

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpListener(net::TcpListener);

impl TcpListener {
    /// Listens on an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let addresses: Vec<_> = address.to_socket_addrs().await?.collect();
        let listener = std::net::TcpListener::bind(&addresses[..])?;
        // The standard library lets 128 wait. Who finds no room tries again after a second.
        SockRef::from(&listener).listen(BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener.into()))
    }

    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// When the connection is gone already, or the process has no room for it.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = self.0.accept().await?;
        Ok((TcpStream(stream), from))
    }

    /// The address listened on.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP connection. Clones are the same connection.
///
/// Closing it tells the peer that nothing more comes (which the runtime's own type leaves out);
/// the peer may still send.
#[derive(Clone, Debug)]
pub struct TcpStream(net::TcpStream);

impl TcpStream {
    /// Connects to an address, as patient as the system; see [`connect`] for a limit.
    ///
    /// # Errors
    /// What the system says.
    pub async fn connect(to: impl ToSocketAddrs) -> io::Result<Self> {
        net::TcpStream::connect(to).await.map(Self)
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Whether to send what is written at once.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set_nodelay(nodelay)
    }

    /// Ends one or both directions, at once and for all clones.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        match self.shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            closed => Poll::Ready(closed),
        }
    }
}

/// A UDP socket. Clones are the same socket.
#[derive(Clone, Debug)]
pub struct UdpSocket(Arc<Async<std::net::UdpSocket>>);

impl UdpSocket {
    /// A socket on an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(Arc::new(Async::<std::net::UdpSocket>::bind(address)?)))
    }

    /// A socket that was made and bound otherwise.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self(Arc::new(Async::new(socket)?)))
    }

    /// The next datagram's length and where it comes from; what `buffer` has no room for is lost.
    ///
    /// # Errors
    /// What the system says.
    pub async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer).await
    }

    /// The next datagram if there is one already, as [`receive_from`](Self::receive_from); else
    /// an error of the kind [`io::ErrorKind::WouldBlock`].
    ///
    /// # Errors
    /// What the system says.
    pub fn try_receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.get_ref().recv_from(buffer)
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// What the system says.
    pub async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.send_to(bytes, to).await.map(drop)
    }

    /// The address of this socket.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }

    /// The socket itself, to set options on; it never blocks.
    #[must_use]
    pub fn get_ref(&self) -> &std::net::UdpSocket {
        Async::get_ref(&self.0)
    }
}

/// Opens a TCP connection to `to` within `limit`, dialling from the address `from` when one is given.
///
/// # Errors
/// What the operating system says, or [`io::ErrorKind::TimedOut`].
pub async fn connect(
    from: Option<IpAddr>,
    to: SocketAddr,
    limit: Duration,
) -> io::Result<TcpStream> {
    let stream = timeout(limit, async {
        match from {
            None => TcpStream::connect(to).await,
            Some(from) => dial(from, to).await,
        }
    })
    .await??;
    // Descriptors are small and written in batches already.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Where `HOST:PORT`, or a host and a port, is, as the system finds out within `limit`.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::TimedOut`].
pub async fn resolve<N>(name: N, limit: Duration) -> io::Result<Vec<SocketAddr>>
where
    N: std::net::ToSocketAddrs + Send + 'static,
{
    // The runtime's own says less well what was wrong.
    let finding = spawn_blocking(move || name.to_socket_addrs().map(Iterator::collect));
    timeout(limit, finding).await?
}

/// Who asks a process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The user, at the terminal (SIGINT).
    Interrupt,
    /// The system (SIGTERM).
    Terminate,
}

/// Waits until the user or the system asks this process to stop, and says who did.
///
/// # Errors
/// When the signals cannot be watched.
pub async fn interrupted() -> io::Result<Interruption> {
    const STOP: &[Signal] = if cfg!(unix) {
        &[Signal::Int, Signal::Term]
    } else {
        &[Signal::Int]
    };
    match Signals::new(STOP.iter().copied())?.next().await {
        Some(Ok(Signal::Term)) => Ok(Interruption::Terminate),
        Some(Ok(_)) => Ok(Interruption::Interrupt),
        Some(Err(error)) => Err(error),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Connects from a bound source address. The attempt is over when the socket turns writable; it has
/// succeeded when there is a peer then.
async fn dial(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    // "In progress" is the usual outcome here; a real failure shows below.
    let begun = socket.connect(&to.into());
    let stream = Async::new(std::net::TcpStream::from(socket))?;
    stream.writable().await?;
    if let Some(error) = stream.get_ref().take_error()? {
        return Err(error);
    }
    match stream.get_ref().peer_addr() {
        Ok(_) => Ok(TcpStream(stream.into_inner()?.into())),
        Err(unconnected) => Err(begun.err().unwrap_or(unconnected)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn connects_from_the_address_asked_for() {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let from = Ipv4Addr::LOCALHOST.into();
            let stream = connect(Some(from), to, LIMIT).await.unwrap();
            let (_, seen) = listener.accept().await.unwrap();
            assert_eq!(seen, stream.local_addr().unwrap());
            assert_eq!(seen.ip(), from);
        });
    }

    #[test]
    fn a_closed_port_refuses_from_any_source() {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            drop(listener);
            for from in [None, Some(Ipv4Addr::LOCALHOST.into())] {
                let error = connect(from, to, LIMIT).await.unwrap_err();
                assert_eq!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused,
                    "from {from:?}"
                );
            }
        });
    }

    #[test]
    fn a_closed_stream_has_an_end_and_can_still_hear() {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            let mut here = TcpStream::connect(to).await.unwrap();
            let (mut there, _) = listener.accept().await.unwrap();
            here.close().await.unwrap();
            assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
            there.write_all(b"x").await.unwrap();
            assert_eq!(here.read(&mut [0]).await.unwrap(), 1);
        });
    }

    #[test]
    fn a_foreign_source_address_is_an_error() {
        block_on(async {
            let from = Ipv4Addr::new(192, 0, 2, 1).into();
            let to = SocketAddr::from(([127, 0, 0, 1], 9));
            let error = connect(Some(from), to, LIMIT).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        });
    }

    #[test]
    fn names_are_resolved() {
        let limit = Duration::from_secs(10);
        let here = |address: &SocketAddr| address.ip().is_loopback() && address.port() == 80;
        for found in [
            block_on(resolve(("localhost", 80), limit)),
            block_on(resolve("localhost:80", limit)),
            block_on(resolve("127.0.0.1:80", limit)),
        ] {
            let found = found.unwrap();
            assert!(found.iter().all(here) && !found.is_empty(), "{found:?}");
        }
        let long = "x".repeat(300);
        assert!(block_on(resolve((long, 80), limit)).is_err());
        assert!(block_on(resolve("localhost", limit)).is_err(), "no port");
    }

    #[test]
    fn a_future_that_is_never_ready_times_out() {
        let limit = Duration::from_millis(5);
        let late = block_on(timeout(limit, futures::future::pending::<()>()));
        assert_eq!(late, Err(TimedOut(limit)));
        assert_eq!(block_on(timeout(LIMIT, async { 7 })), Ok(7));
    }

    #[test]
    fn tasks_and_blocking_work_give_their_results() {
        block_on(async {
            assert_eq!(spawn(async { 1 }).await, 1);
            assert_eq!(spawn_blocking(|| 2).await, 2);
            let (send, receive) = futures::channel::oneshot::channel();
            spawn_detached(async { send.send(3).unwrap() });
            assert_eq!(receive.await, Ok(3));
        });
    }
}

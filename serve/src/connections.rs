//! The connections of a server, of which there are only so many at a time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use crate::access::network;

/// The most connections. Further ones wait until one ends. Many systems let a process open 1,024 files.
const MOST: usize = 800;

/// The most connections of one address, so that the others have some left. Further ones are closed. A proxy on this
/// machine may have all.
const MOST_OF_ADDRESS: usize = MOST / 4;

/// The time for which a client may read nothing of an answer.
const READ_NOTHING_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that ends if its client reads nothing of an answer.
type Connection = Pin<Box<TimeoutStream<TcpStream>>>;

/// Takes the connections of a server.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    places: Arc<Semaphore>,
    counts: Arc<Counts>,
}

/// The number of connections of each address.
type Counts = Mutex<HashMap<IpAddr, usize>>;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// The place of the connection, which each of its requests holds.
    _place: Option<Arc<Place>>,
}

/// A place among the connections. When it is dropped, it is free again.
#[derive(Debug)]
struct Place {
    network: IpAddr,
    counts: Arc<Counts>,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(MOST)),
            counts: Arc::default(),
        }
    }
}

impl Peer {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            _place: None,
        }
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address.ip().to_canonical()
    }
}

impl Address for Peer {
    type Stream = Connection;
    type Listener = Listener;
}

impl Connected<Peer> for Peer {
    fn connect_info(peer: Peer) -> Peer {
        peer
    }
}

impl AddrListener<Connection, Peer> for Listener {
    async fn bind_to(peer: Peer) -> io::Result<Self> {
        TcpListener::bind(peer.address).await.map(Self::new)
    }

    /// Waits for a place, and then for a connection that may have it.
    async fn accept_stream(&self) -> io::Result<(Connection, Peer)> {
        let permit = Arc::clone(&self.places).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        loop {
            let (stream, address) = self.listener.accept().await?;
            let is_this_machine = address.ip().to_canonical().is_loopback();
            let network = network(address.ip());
            let mut counts = counts(&self.counts);
            let count = counts.entry(network).or_default();
            if *count < MOST_OF_ADDRESS || is_this_machine {
                *count += 1;
                drop(counts);
                let place = Place {
                    network,
                    counts: Arc::clone(&self.counts),
                    _permit: permit,
                };
                let peer = Peer {
                    address,
                    _place: Some(Arc::new(place)),
                };
                let mut connection = TimeoutStream::new(stream);
                connection.set_write_timeout(Some(READ_NOTHING_TIMEOUT));
                return Ok((Box::pin(connection), peer));
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.listener.local_addr().map(Peer::new)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = counts(&self.counts);
        if let Some(count) = counts.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.network);
            }
        }
    }
}

fn counts(counts: &Counts) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    counts.lock().expect("no thread panics while it holds the counts")
}

//! The key by which this servent answers TLS, made at the first start and kept in the home.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::Error;
use crate::net::sniff::Sniffer;
use crate::net::tls::{Acceptor, Identity};

/// The file in the home that holds certificate and key.
const FILE: &str = "identity.pem";

/// A sniffer that answers TLS with the identity kept in `home`.
///
/// # Errors
/// When the identity cannot be read, made, kept or used.
pub(super) fn sniffer(home: &Path) -> Result<Sniffer, Error> {
    let path = home.join(FILE);
    let at = |cause| Error::Home {
        path: path.clone(),
        cause,
    };
    let identity = match fs::read_to_string(&path) {
        Ok(pem) => Identity::from_pem(pem),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let identity = Identity::generate()?;
            keep(&path, identity.as_pem()).map_err(at)?;
            identity
        }
        Err(error) => return Err(at(error)),
    };
    Ok(Sniffer::default().tls(Acceptor::new(&identity)?))
}

/// Writes a file that only its owner may read, whole or not at all.
fn keep(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

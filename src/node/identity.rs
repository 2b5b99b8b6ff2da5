//! The key by which this servent answers TLS, made at the first start and kept in the home.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::error::Error;
use super::secret::keep;
use crate::net::tls::Identity;

/// The file in the home that holds certificate and key.
const FILE: &str = "identity.pem";

/// The identity kept in `home`, made now if there is none.
///
/// # Errors
/// When it cannot be read, made or kept.
pub(super) fn load(home: &Path) -> Result<Identity, Error> {
    let path = home.join(FILE);
    let at = |cause| Error::Home {
        path: path.clone(),
        cause,
    };
    match fs::read_to_string(&path) {
        Ok(pem) => Ok(Identity::from_pem(pem)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let identity = Identity::generate()?;
            keep(&path, identity.as_pem().as_bytes()).map_err(at)?;
            Ok(identity)
        }
        Err(error) => Err(at(error)),
    }
}

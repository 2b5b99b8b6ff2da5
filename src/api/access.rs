//! How another process finds the control plane of a home: two small files in it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;

use super::{Code, Error};

/// Bytes of chance in a token.
const TOKEN_LEN: usize = 20;

/// Where a control plane is, and the word that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bearer token it asks for.
    pub token: String,
}

impl Access {
    /// The access to the node that runs in `home`. With an `address` that one is taken instead of
    /// what the node wrote down.
    ///
    /// # Errors
    /// [`Code::NotReachable`] when no node runs there, [`Code::Unauthorised`] when its token
    /// cannot be read.
    pub fn find(home: &Path, address: Option<SocketAddr>) -> Result<Self, Error> {
        let address = address.map_or_else(|| published(home), Ok)?;
        let path = token_path(home);
        let token = fs::read_to_string(&path).map_err(|error| {
            let message = format!("the token {} cannot be read: {error}", path.display());
            Error::new(Code::Unauthorised, message)
        })?;
        let token = token.trim().to_owned();
        Ok(Self { address, token })
    }

    /// The token of `home`, which is made when there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn token_of(home: &Path) -> io::Result<String> {
        let path = token_path(home);
        match fs::read_to_string(&path) {
            Ok(token) if !token.trim().is_empty() => {
                keep_private(&File::open(&path)?)?;
                Ok(token.trim().to_owned())
            }
            Ok(_) => {
                fs::remove_file(&path)?;
                create_token(&path)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => create_token(&path),
            Err(error) => Err(error),
        }
    }

    /// A token that nobody knows yet.
    #[must_use]
    pub fn fresh_token() -> String {
        BASE32_NOPAD
            .encode(&rand::random::<[u8; TOKEN_LEN]>())
            .to_ascii_lowercase()
    }

    /// Tells others that the control plane of `home` listens on `address`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(home: &Path, address: SocketAddr) -> io::Result<()> {
        let path = address_path(home);
        // Renamed into place, so that nobody reads half an address.
        let fresh = path.with_extension("new");
        fs::write(&fresh, format!("{address}\n"))?;
        fs::rename(fresh, path)
    }

    /// Tells others that no control plane listens for `home` any more.
    pub fn withdraw(home: &Path) {
        // What stays behind is only an address where nobody answers.
        let _stale = fs::remove_file(address_path(home));
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn published(home: &Path) -> Result<SocketAddr, Error> {
    let path = address_path(home);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let home = home.display();
            let message = format!("no daemon runs in {home}: start one with `filbert run`");
            Error::new(Code::NotReachable, message)
        }
        _ => {
            let message = format!("{} cannot be read: {error}", path.display());
            Error::new(Code::NotReachable, message)
        }
    })?;
    text.trim().parse().map_err(|_| {
        let message = format!(
            "{} holds no address: start the daemon again",
            path.display()
        );
        Error::new(Code::NotReachable, message)
    })
}

fn address_path(home: &Path) -> PathBuf {
    home.join("api")
}

fn token_path(home: &Path) -> PathBuf {
    home.join("token")
}

fn create_token(path: &Path) -> io::Result<String> {
    let token = Access::fresh_token();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}

/// Takes away what rights others were given to the file.
#[cfg(unix)]
fn keep_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn keep_private(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_is_private() {
        let home = tempfile::tempdir().unwrap();
        let token = Access::token_of(home.path()).unwrap();
        assert_eq!(token.len(), 32);
        assert_ne!(token, Access::fresh_token());
        assert_eq!(Access::token_of(home.path()).unwrap(), token);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;

            let path = token_path(home.path());
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            Access::token_of(home.path()).unwrap();
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[test]
    fn a_home_tells_where_its_node_listens() {
        let home = tempfile::tempdir().unwrap();
        let find = |address| Access::find(home.path(), address);
        let code = |result: Result<Access, Error>| result.unwrap_err().code;
        assert_eq!(code(find(None)), Code::NotReachable);
        let address = SocketAddr::from(([127, 0, 0, 1], 7346));
        assert_eq!(code(find(Some(address))), Code::Unauthorised);
        let token = Access::token_of(home.path()).unwrap();
        Access::publish(home.path(), address).unwrap();
        assert_eq!(find(None).unwrap(), Access { address, token });
        let other = SocketAddr::from(([127, 0, 0, 2], 1));
        assert_eq!(find(Some(other)).unwrap().address, other);
        Access::withdraw(home.path());
        assert_eq!(code(find(None)), Code::NotReachable);
    }

    #[test]
    fn debug_output_keeps_the_token_secret() {
        let access = Access {
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            token: "secret".into(),
        };
        assert!(!format!("{access:?}").contains("secret"));
    }
}

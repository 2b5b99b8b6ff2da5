//! The options that say which overlay to belong to.

#[cfg(feature = "tls")]
use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use crate::node::Network;
#[cfg(feature = "tls")]
use crate::runtime;

/// Where the secret may stand instead of in a file.
#[cfg(feature = "tls")]
const SECRET: &str = "FILBERT_NETWORK_SECRET";

/// The most that is read of a file with a secret, in bytes.
#[cfg(feature = "tls")]
const MAX_SECRET: u64 = 4096;

#[derive(Args, Clone, Debug, Default)]
pub(super) struct Belonging {
    /// The network to belong to; servents of other networks are refused
    #[arg(long, env = "FILBERT_NETWORK", value_name = "NAME")]
    pub(super) network: Option<String>,
    /// A file with the secret of the network, which may also stand in FILBERT_NETWORK_SECRET
    #[cfg(feature = "tls")]
    #[arg(long, env = "FILBERT_NETWORK_SECRET_FILE", value_name = "FILE")]
    network_secret_file: Option<PathBuf>,
}

impl Belonging {
    /// The network that was named, with its secret if there is one.
    pub(super) async fn resolve(&self) -> Result<Option<Network>, Failure> {
        let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string());
        #[cfg(feature = "tls")]
        let secret = self.secret()?;
        let Some(name) = &self.network else {
            // Without a name it would open a servent to everybody.
            #[cfg(feature = "tls")]
            if secret.is_some() {
                return Err(usage(
                    &"there is a secret, but no --network that it belongs to",
                ));
            }
            return Ok(None);
        };
        let network = Network::new(name).map_err(|error| usage(&error))?;
        #[cfg(feature = "tls")]
        if let Some(secret) = secret {
            let keyed = runtime::spawn_blocking(move || network.with_secret(&secret)).await;
            return Ok(Some(keyed.map_err(|error| usage(&error))?));
        }
        Ok(Some(network))
    }

    /// The secret, without the line end that editors put behind it.
    #[cfg(feature = "tls")]
    fn secret(&self) -> Result<Option<String>, Failure> {
        use std::io::Read;

        let text = match &self.network_secret_file {
            None => match std::env::var(SECRET) {
                Ok(secret) => secret,
                Err(std::env::VarError::NotPresent) => return Ok(None),
                Err(error) => {
                    let message = format!("{SECRET} cannot be used: {error}");
                    return Err(Failure::new(Exit::Usage, message));
                }
            },
            Some(path) => {
                let mut text = String::new();
                std::fs::File::open(path)
                    .and_then(|file| file.take(MAX_SECRET).read_to_string(&mut text))
                    .map_err(|error| {
                        let message =
                            format!("cannot read the secret in {}: {error}", path.display());
                        Failure::new(Exit::Usage, message)
                    })?;
                text
            }
        };
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

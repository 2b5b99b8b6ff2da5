//! The home of a node, opened before anything else.

use std::path::{Path, PathBuf};

use super::error::Error;
use crate::library;
#[cfg(feature = "tls")]
use crate::net::tls::Identity;
use crate::store::Store;
use crate::store::credit::Given;
use crate::store::hosts::Host;
use crate::store::marks::Uptime;
use crate::wire::Guid;

/// A home that is open.
pub(super) struct Prepared {
    pub(super) home: PathBuf,
    pub(super) downloads: PathBuf,
    pub(super) shares: Vec<PathBuf>,
    pub(super) incomplete: PathBuf,
    pub(super) store: Store,
    pub(super) guid: Guid,
    pub(super) port: Option<u16>,
    #[cfg(feature = "tls")]
    pub(super) identity: Identity,
    pub(super) hosts: Vec<Host>,
    pub(super) uptime: Option<Uptime>,
    pub(super) last_download: u64,
    pub(super) credit: Vec<Given>,
    pub(super) temporary: Option<Temporary>,
}

/// A home that goes with the node.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!(
                "cannot remove the temporary home {}: {error}",
                self.0.display()
            );
        }
    }
}

/// Opens a home, and looks at what is to be shared.
pub(super) fn prepare(
    home: Option<PathBuf>,
    downloads: Option<PathBuf>,
    shares: &[(PathBuf, bool)],
) -> Result<Prepared, Error> {
    let admitted = shares
        .iter()
        .map(|(path, forced)| library::admit(path, *forced));
    let shares: Vec<PathBuf> = admitted.collect::<Result<_, _>>()?;
    let at = |path: &Path| {
        let path = path.to_owned();
        move |cause| Error::Home { path, cause }
    };
    let (home, temporary) = match home {
        Some(home) => (home, None),
        None => {
            let name = format!("filbert-{}", Guid::random(&mut rand::rng()));
            let home = std::env::temp_dir().join(name);
            create_private(&home).map_err(at(&home))?;
            (home.clone(), Some(Temporary(home)))
        }
    };
    create_private(&home).map_err(at(&home))?;
    keep_apart(&home, &shares)?;
    let opened = Store::open(&home)?;
    if let Some(notice) = opened.notice {
        log::warn!("{notice}");
    }
    let store = opened.store;
    let guid = store.servent_guid()?;
    let port = store.port()?;
    let (hosts, uptime) = (store.hosts()?, store.uptime()?);
    let last_download = store.last_download()?;
    let credit = store.credit()?;
    #[cfg(feature = "tls")]
    let identity = super::identity::load(&home)?;
    let downloads = downloads.unwrap_or_else(|| home.join("downloads"));
    let incomplete = home.join("incomplete");
    Ok(Prepared {
        home,
        downloads,
        shares,
        incomplete,
        store,
        guid,
        port,
        #[cfg(feature = "tls")]
        identity,
        hosts,
        uptime,
        last_download,
        credit,
        temporary,
    })
}

/// Refuses to share the home with all that is private in it. What is hidden is not shared anyway.
fn keep_apart(home: &Path, shares: &[PathBuf]) -> Result<(), Error> {
    let at = |cause| Error::Home {
        path: home.to_owned(),
        cause,
    };
    let home = home.canonicalize().map_err(at)?;
    let open = |inside: &Path| {
        let hidden =
            |part: std::path::Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        !inside.components().any(hidden)
    };
    let holds = |share: &&PathBuf| home.strip_prefix(share).is_ok_and(open);
    match shares.iter().find(holds) {
        Some(share) => Err(Error::HomeShared {
            share: share.clone(),
            home,
        }),
        None => Ok(()),
    }
}

/// Makes a directory that only its owner may look into.
/// Makes a directory that only its owner can look into.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

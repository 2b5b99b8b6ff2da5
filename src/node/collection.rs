//! Collections with their signatures (`docs/collections.md`): whose a text is, and our own.
//!
//! A signature says that who has the key put these files together, and that nobody changed the text
//! since. It says nothing of who that is: whoever knows a key by its fingerprint knows its owner.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use thiserror::Error;

use super::Node;
use super::secret::keep;
use crate::library::hash::hash_file;
use crate::node::Target;
use crate::runtime;
use crate::transfer::folder;
use crate::transfer::name::safe_file_name;
use crate::wire::collection::{Collection, EXTENSION, Flaw, Key, MAX_LEN, Manifest};
use crate::wire::magnet::Magnet;
use crate::wire::urn::Urn;

/// The file in the home that holds the key by which collections are signed.
const FILE: &str = "signer.key";

/// Why a text is no collection that can be trusted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// It is not of the form.
    #[error("this is no collection ({0})")]
    Flaw(#[from] Flaw),
    /// Somebody else wrote it, or changed it.
    #[error("the signature is not that of {signer}: the collection was changed or forged")]
    Forged {
        /// Whose it should be.
        signer: String,
    },
    /// A name in it is none for a file.
    #[error("no file may be called {name:?} on every system")]
    Name {
        /// The name.
        name: String,
    },
    /// The key at hand is of no use.
    #[error("the key in the home cannot be used: {0}")]
    Key(&'static str),
}

/// Reads a collection whose signature holds and whose names are safe to write.
///
/// # Errors
/// When it is none. Nothing of it is to be believed then.
pub fn check(text: &[u8]) -> Result<Manifest, Error> {
    let manifest = Manifest::decode(text)?;
    let signed = text.get(..manifest.signed).unwrap_or_default();
    UnparsedPublicKey::new(&ED25519, manifest.key.0)
        .verify(signed, &manifest.signature)
        .map_err(|_| Error::Forged {
            signer: manifest.key.fingerprint(),
        })?;
    let collection = &manifest.collection;
    let paths = collection.files.iter().flat_map(|file| {
        let (folder, name) = file.parts();
        folder.into_iter().chain([name])
    });
    for name in paths.chain([collection.name.as_str()]) {
        if safe_file_name(name) != name {
            return Err(Error::Name {
                name: name.to_owned(),
            });
        }
    }
    Ok(manifest)
}

/// Reads the collection in a file.
///
/// # Errors
/// When it cannot be read, or is none that can be trusted.
pub fn read(path: &Path) -> Result<(Manifest, Vec<u8>), super::Error> {
    let unreadable = |cause| super::Error::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let untrusted = |cause| super::Error::Collection {
        path: path.to_owned(),
        cause,
    };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_LEN as u64 {
        let what = "a collection has at most 1 MiB";
        return Err(untrusted(Flaw { line: 1, what }.into()));
    }
    let text = fs::read(path).map_err(unreadable)?;
    let manifest = check(&text).map_err(untrusted)?;
    Ok((manifest, text))
}

/// Who signs collections here.
#[derive(Debug)]
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// The one of a home, made at its first use and kept where only its owner can read it.
    ///
    /// # Errors
    /// When it cannot be read, made or kept.
    pub fn load(home: &Path) -> Result<Self, super::Error> {
        let path = home.join(FILE);
        let at = |cause| super::Error::Home {
            path: path.clone(),
            cause,
        };
        let unusable = |what| super::Error::Collection {
            path: path.clone(),
            cause: Error::Key(what),
        };
        let kept = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
                let made = made.map_err(|_| unusable("the system gives no randomness"))?;
                super::prepare::create_private(home).map_err(at)?;
                keep(&path, made.as_ref()).map_err(at)?;
                made.as_ref().to_vec()
            }
            kept => kept.map_err(at)?,
        };
        let pair = Ed25519KeyPair::from_pkcs8(&kept);
        let damaged = "it is damaged; remove it to have a new one made, which nobody knows yet";
        pair.map(Self).map_err(|_| unusable(damaged))
    }

    /// By what others know it.
    #[must_use]
    pub fn key(&self) -> Key {
        let public = self.0.public_key().as_ref();
        Key(public.try_into().expect("a public key has 32 bytes"))
    }

    /// The text of a collection, signed.
    ///
    /// # Errors
    /// When it names what must not be in a collection.
    pub fn sign(&self, collection: &Collection) -> Result<String, Error> {
        let text = collection.text(&self.key());
        let signature = self.0.sign(text.as_bytes());
        let bytes = signature.as_ref().try_into();
        let sealed = Manifest::seal(&text, bytes.expect("a signature has 64 bytes"));
        check(sealed.as_bytes())?;
        Ok(sealed)
    }
}

impl Node {
    /// Fetches all files of a collection whose text is at hand, as [`fetch`](Self::fetch) would when
    /// it came from others.
    ///
    /// # Errors
    /// When there is no collection that can be trusted, or the list is full.
    pub async fn fetch_collection(
        &self,
        path: PathBuf,
        directory: Option<PathBuf>,
    ) -> Result<u64, super::Error> {
        let node = self.clone();
        let magnet = runtime::spawn_blocking(move || {
            let (manifest, text) = read(&path)?;
            let unreadable = |cause| super::Error::Unreadable {
                path: path.clone(),
                cause,
            };
            let hashed = hash_file(&path, |_| ());
            let hashes = hashed.map_err(|error| unreadable(std::io::Error::other(error)))?;
            let there = node.0.text_of(hashes.sha1);
            let home = |cause| super::Error::Home {
                path: there.clone(),
                cause: std::io::Error::other(cause),
            };
            folder::write(&there, &text).map_err(home)?;
            Ok::<_, super::Error>(Magnet {
                topics: vec![Urn::Bitprint(hashes.sha1, hashes.tiger_tree.root())],
                name: Some(format!("{}.{EXTENSION}", manifest.collection.name)),
                length: Some(hashes.size),
                ..Magnet::default()
            })
        });
        self.fetch(&Target::Magnet(magnet.await?), directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::collection::Member;
    use crate::wire::urn::{Sha1, TigerRoot};

    fn collection(path: &str) -> Collection {
        Collection {
            name: "Spring songs".to_owned(),
            files: vec![Member {
                path: path.to_owned(),
                size: 5,
                sha1: Sha1::from_bytes([1; 20]),
                root: TigerRoot::from_bytes([2; 24]),
                web_seeds: Vec::new(),
            }],
        }
    }

    #[test]
    fn a_key_is_made_once_and_its_signature_holds() {
        let home = tempfile::tempdir().unwrap();
        let signer = Signer::load(home.path()).unwrap();
        let text = signer.sign(&collection("a/b.txt")).unwrap();
        let manifest = check(text.as_bytes()).unwrap();
        assert_eq!(manifest.key, signer.key());
        assert_eq!(manifest.collection, collection("a/b.txt"));
        assert_eq!(Signer::load(home.path()).unwrap().key(), signer.key());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let metadata = fs::metadata(home.path().join(FILE)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn whatever_is_changed_the_signature_fails() {
        let home = tempfile::tempdir().unwrap();
        let signer = Signer::load(home.path()).unwrap();
        let text = signer.sign(&collection("b.txt")).unwrap();
        let other = Signer::load(&home.path().join("other")).unwrap();
        let forged = |text: &str| matches!(check(text.as_bytes()), Err(Error::Forged { .. }));
        assert!(forged(&text.replace("b.txt", "c.txt")));
        assert!(forged(&text.replace(" 5 ", " 6 ")));
        assert!(forged(
            &text.replace(&signer.key().to_string(), &other.key().to_string())
        ));
        // Somebody else may sign the same files, in his own name.
        let theirs = other.sign(&collection("b.txt")).unwrap();
        assert_eq!(check(theirs.as_bytes()).unwrap().key, other.key());
    }

    #[test]
    fn names_that_some_file_system_does_not_take_are_refused() {
        let home = tempfile::tempdir().unwrap();
        let signer = Signer::load(home.path()).unwrap();
        for path in ["a:b", "nul.txt", "a\u{202e}b", "com1/x", "a/wh*t", "a?"] {
            let refused = signer.sign(&collection(path)).unwrap_err();
            assert!(matches!(refused, Error::Name { .. }), "{path}: {refused}");
        }
        assert!(matches!(
            signer.sign(&collection("../x")),
            Err(Error::Flaw(_))
        ));
    }
}

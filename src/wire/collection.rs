//! Collections: a text that names a set of files, what each hashes to and where on the web it may
//! be, signed by who put it together. `docs/collections.md` has the format to the byte.
//!
//! A text has one spelling only: what is read is written again byte for byte. The signature is
//! taken out of it here and judged elsewhere, as that takes cryptography.

use std::collections::HashSet;
use std::fmt::{self, Write};

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use super::urn::{Sha1, TigerRoot, Urn};

/// What the name of a file with a collection ends in, after a dot.
pub const EXTENSION: &str = "collection";
/// Bytes of a collection's text.
pub const MAX_LEN: usize = 1 << 20;
/// Files of a collection.
pub const MAX_FILES: usize = 4_096;
/// Places on the web of one file.
pub const MAX_WEB_SEEDS: usize = 8;
/// Bytes of one such place.
pub const MAX_URL: usize = 1_024;
/// Bytes of a name, and of each of the two parts of a path.
pub const MAX_NAME: usize = 200;

/// The first line.
const FIRST: &str = "filbert collection 1";
const NAME: &str = "name ";
const KEY: &str = "key ";
const FILE: &str = "file ";
const FROM: &str = "from ";
const SIGNATURE: &str = "signature ";

/// Whether a text says that it is a collection.
#[must_use]
pub fn begins(text: &[u8]) -> bool {
    text.strip_prefix(FIRST.as_bytes())
        .is_some_and(|rest| rest.starts_with(b"\n"))
}

/// Whether a file of this name may hold a collection.
#[must_use]
pub fn is_named(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}

/// What is wrong with a text that should be a collection.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct Flaw {
    /// Where, from 1.
    pub line: usize,
    /// What.
    pub what: &'static str,
}

/// The public half of an Ed25519 key, which stands for whoever has the other half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The first 80 bits of it, for people to compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = self.to_string();
        let fours = (0..4).filter_map(|at| text.get(at * 4..at * 4 + 4));
        fours.collect::<Vec<_>>().join("-")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0))
    }
}

/// One file of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, or that of a folder, a slash and its name.
    pub path: String,
    /// Its size in bytes; never 0.
    pub size: u64,
    /// What it hashes to.
    pub sha1: Sha1,
    /// The root of its Tiger tree.
    pub root: TigerRoot,
    /// Where on the web it may be.
    pub web_seeds: Vec<String>,
}

impl Member {
    /// The folder it lies in, if it does, and its name.
    #[must_use]
    pub fn parts(&self) -> (Option<&str>, &str) {
        match self.path.split_once('/') {
            Some((folder, name)) => (Some(folder), name),
            None => (None, &self.path),
        }
    }
}

/// What a collection says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// What it is called.
    pub name: String,
    /// Its files.
    pub files: Vec<Member>,
}

impl Collection {
    /// The bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let sizes = self.files.iter().map(|file| file.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// The text that who has `key` signs. Whether it may be said is for [`Manifest::decode`] to
    /// say, once the signature is there.
    #[must_use]
    pub fn text(&self, key: &Key) -> String {
        let mut text = format!("{FIRST}\n{NAME}{}\n{KEY}{key}\n", self.name);
        for Member {
            path,
            size,
            sha1,
            root,
            web_seeds,
        } in &self.files
        {
            let urn = Urn::Bitprint(*sha1, *root);
            // A string takes everything.
            let _infallible = writeln!(text, "{FILE}{urn} {size} {path}");
            for url in web_seeds {
                let _infallible = writeln!(text, "{FROM}{url}");
            }
        }
        text
    }
}

/// A collection with who signed it, as its text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What it says.
    pub collection: Collection,
    /// Who signed it.
    pub key: Key,
    /// The Ed25519 signature of what comes before it.
    pub signature: [u8; 64],
    /// How many bytes it signs.
    pub signed: usize,
}

impl Manifest {
    /// The last line, after a text that was signed.
    #[must_use]
    pub fn seal(text: &str, signature: &[u8; 64]) -> String {
        format!("{text}{SIGNATURE}{}\n", BASE32_NOPAD.encode(signature))
    }

    /// Reads a text; not whether its signature holds.
    ///
    /// # Errors
    /// When it is not to the letter what [`Collection::text`] and [`seal`](Self::seal) write, or
    /// names what must not be in a collection.
    pub fn decode(text: &[u8]) -> Result<Self, Flaw> {
        let at = |line| move |what| Flaw { line, what };
        if text.len() > MAX_LEN {
            return Err(at(1)("a collection has at most 1 MiB"));
        }
        let text = std::str::from_utf8(text).map_err(|_| at(1)("not UTF-8"))?;
        let mut lines = (1..).zip(text.split_inclusive('\n'));
        let mut signed = 0;
        let mut next = |begins: &'static str, missing: &'static str| {
            let (line, whole) = lines.next().ok_or_else(|| Flaw {
                line: 1 + text.lines().count(),
                what: "the end is missing",
            })?;
            let rest = whole
                .strip_suffix('\n')
                .and_then(|l| l.strip_prefix(begins));
            signed += whole.len();
            Ok::<_, Flaw>((
                line,
                rest.ok_or(Flaw {
                    line,
                    what: missing,
                })?,
            ))
        };
        let (line, rest) = next(FIRST, "this is no collection of version 1")?;
        if !rest.is_empty() {
            return Err(at(line)("this is no collection of version 1"));
        }
        let (line, name) = next(NAME, "the name should be here")?;
        check_name(name).map_err(at(line))?;
        let (line, key) = next(KEY, "the key should be here")?;
        let key = Key(digest(key, "no key in base32").map_err(at(line))?);
        let mut files = Vec::new();
        let mut taken = Taken::of(name);
        let signature = loop {
            // One of three may come; the first word says which.
            let (line, rest) = next("", "a line has an end")?;
            if let Some(file) = rest.strip_prefix(FILE) {
                if files.len() >= MAX_FILES {
                    return Err(at(line)("a collection has at most 4096 files"));
                }
                let member = member(file).map_err(at(line))?;
                taken.take(&member).map_err(at(line))?;
                files.push(member);
            } else if let Some(url) = rest.strip_prefix(FROM) {
                let last = files.last_mut();
                let last = last.ok_or_else(|| at(line)("a place on the web follows its file"))?;
                seed(last, url).map_err(at(line))?;
            } else if let Some(signature) = rest.strip_prefix(SIGNATURE) {
                signed -= rest.len() + 1;
                break digest(signature, "no signature in base32").map_err(at(line))?;
            } else {
                return Err(at(line)(
                    "neither a file, a place on the web nor the signature",
                ));
            }
        };
        if let Some((line, _)) = lines.next() {
            return Err(at(line)("the signature is the end"));
        }
        if files.is_empty() {
            return Err(at(4)("a collection has at least one file"));
        }
        Ok(Self {
            collection: Collection {
                name: name.to_owned(),
                files,
            },
            key,
            signature,
            signed,
        })
    }
}

fn member(text: &str) -> Result<Member, &'static str> {
    let mut fields = text.splitn(3, ' ');
    let (urn, size, path) = (fields.next(), fields.next(), fields.next());
    let (Some(urn), Some(size), Some(path)) = (urn, size, path) else {
        return Err("a file has a bitprint, a size and a path");
    };
    let Ok(Urn::Bitprint(sha1, root)) = urn.parse() else {
        return Err("no bitprint");
    };
    let size_of: u64 = size.parse().map_err(|_| "no size")?;
    if Urn::Bitprint(sha1, root).to_string() != urn || size_of.to_string() != size {
        return Err("a bitprint in upper case, and a size without leading zeros");
    }
    if size_of == 0 || i64::try_from(size_of).is_err() {
        return Err("no size that a file can have: it is at least 1 and below 2^63");
    }
    let (folder, name) = path
        .split_once('/')
        .map_or((None, path), |(f, n)| (Some(f), n));
    folder.map_or(Ok(()), check_name)?;
    check_name(name)?;
    Ok(Member {
        path: path.to_owned(),
        size: size_of,
        sha1,
        root,
        web_seeds: Vec::new(),
    })
}

/// Whether something may be called so: one component, and neither hidden nor anything special.
fn check_name(name: &str) -> Result<(), &'static str> {
    let edge = |c: char| c == '.' || c.is_whitespace();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err("a name has 1 to 200 bytes");
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '/' | '\\'))
    {
        return Err("a name has no control characters and no more than one folder before it");
    }
    if name.starts_with(edge) || name.ends_with(edge) {
        return Err("a name neither begins nor ends with a dot or a blank");
    }
    Ok(())
}

fn seed(member: &mut Member, url: &str) -> Result<(), &'static str> {
    let web = url.starts_with("http://") || url.starts_with("https://");
    if !web || url.len() > MAX_URL || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a place on the web is an http(s) URL of at most 1024 characters");
    }
    if member.web_seeds.len() >= MAX_WEB_SEEDS {
        return Err("a file has at most 8 places on the web");
    }
    if member.web_seeds.iter().any(|known| known == url) {
        return Err("the same place on the web again");
    }
    member.web_seeds.push(url.to_owned());
    Ok(())
}

/// Base32 in upper case without padding, of exactly so many bytes.
fn digest<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], &'static str> {
    // Twice the bytes is more than the text of any that fits.
    let short = text.len() <= 2 * N;
    let bytes = BASE32_NOPAD.decode(text.as_bytes()).ok().filter(|_| short);
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(what)
}

/// What is called how already, without regard to case, as some file systems have none.
struct Taken {
    files: HashSet<String>,
    folders: HashSet<String>,
}

impl Taken {
    /// Beside the files the text of the collection lies.
    fn of(name: &str) -> Self {
        Self {
            files: HashSet::from([format!("{name}.{EXTENSION}").to_lowercase()]),
            folders: HashSet::new(),
        }
    }

    fn take(&mut self, member: &Member) -> Result<(), &'static str> {
        let path = member.path.to_lowercase();
        if let Some((folder, _)) = path.split_once('/') {
            self.folders.insert(folder.to_owned());
            if self.files.contains(folder) {
                return Err("a folder is called as a file is");
            }
        }
        if self.folders.contains(&path) {
            return Err("a file is called as a folder is");
        }
        match self.files.insert(path) {
            true => Ok(()),
            false => Err("something is called so already"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, size: u64, byte: u8) -> Member {
        Member {
            path: path.to_owned(),
            size,
            sha1: Sha1::from_bytes([byte; 20]),
            root: TigerRoot::from_bytes([byte; 24]),
            web_seeds: Vec::new(),
        }
    }

    fn text(name: &str, files: Vec<Member>) -> String {
        let name = name.to_owned();
        let collection = Collection { name, files };
        Manifest::seal(&collection.text(&Key([7; 32])), &[9; 64])
    }

    fn songs() -> String {
        let mut first = file("songs/almond.ogg", 12, 1);
        first.web_seeds = vec!["http://example.org/a%20b".to_owned()];
        text("Spring songs", vec![first, file("read me.txt", 3, 2)])
    }

    #[test]
    fn the_text_is_as_documented() {
        let key = "A4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYHA4DQ";
        let lines = [
            "filbert collection 1",
            "name Spring songs",
            &format!("key {key}"),
            "file urn:bitprint:AEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIB.\
             AEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAI 12 songs/almond.ogg",
            "from http://example.org/a%20b",
            "file urn:bitprint:AIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQC.\
             AIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQ 3 read me.txt",
        ];
        let signed = lines.join("\n") + "\n";
        let songs = songs();
        assert_eq!(songs.strip_prefix(&signed).unwrap().len(), 10 + 103 + 1);
        let manifest = Manifest::decode(songs.as_bytes()).unwrap();
        assert_eq!(manifest.signed, signed.len());
        assert_eq!(manifest.signature, [9; 64]);
        assert_eq!(manifest.key.fingerprint(), "A4DQ-OBYH-A4DQ-OBYH");
        assert_eq!(manifest.collection.size(), 15);
        let files = &manifest.collection.files;
        assert_eq!(files[0].parts(), (Some("songs"), "almond.ogg"));
        assert_eq!(files[1].parts(), (None, "read me.txt"));
    }

    #[test]
    fn names_that_would_lead_elsewhere_or_clash_are_refused() {
        for path in [
            "../x",
            "/x",
            "x/",
            "a/../x",
            "a/b/c",
            ".",
            "..",
            ".x",
            "x.",
            " x",
            "x ",
            "",
            "a\\b",
            "a/.b",
            "a\tb",
            "a\u{85}b",
            "READ ME.txt",
            "spring SONGS.collection",
            "songs",
            "read me.txt/x",
            "Songs/ALMOND.ogg",
        ] {
            let files = vec![
                file("songs/almond.ogg", 12, 1),
                file("read me.txt", 3, 2),
                file(path, 3, 3),
            ];
            let text = text("Spring songs", files);
            let flaw = Manifest::decode(text.as_bytes()).unwrap_err();
            assert_eq!(flaw.line, 6, "{path}: {flaw}");
        }
        for name in ["", "..", "a/b", ".hidden", &"x".repeat(201)] {
            let text = text(name, vec![file("x", 1, 1)]);
            assert_eq!(Manifest::decode(text.as_bytes()).unwrap_err().line, 2);
        }
    }

    #[test]
    fn every_cap_is_kept() {
        let decode = |files| Manifest::decode(text("x", files).as_bytes()).map(|_| ());
        let many = |count| (0..count).map(|n| file(&n.to_string(), 1, 1)).collect();
        assert_eq!(decode(many(MAX_FILES)), Ok(()));
        assert!(decode(many(MAX_FILES + 1)).is_err());
        assert!(decode(many(0)).is_err());
        for size in [0, 1 << 63] {
            assert_eq!(decode(vec![file("x", size, 1)]).unwrap_err().line, 4);
        }
        let seeds = |urls: &[String]| {
            let mut file = file("x", 1, 1);
            file.web_seeds = urls.to_vec();
            decode(vec![file])
        };
        let urls: Vec<_> = (0..9).map(|n| format!("https://example.org/{n}")).collect();
        assert_eq!(seeds(&urls[..8]), Ok(()));
        assert_eq!(seeds(&urls).unwrap_err().line, 13);
        for url in [
            "ftp://x/",
            "http://a b",
            "http://é/",
            &format!("http://{}", "x".repeat(1_018)),
        ] {
            assert_eq!(seeds(&[url.to_owned()]).unwrap_err().line, 5, "{url}");
        }
        assert!(Manifest::decode(&vec![b'x'; MAX_LEN + 1]).is_err());
    }

    #[test]
    fn there_is_one_spelling_only() {
        let songs = songs();
        let broken = |from: &str, to: &str| {
            assert!(songs.contains(from), "{from}");
            let text = songs.replacen(from, to, 1);
            assert!(Manifest::decode(text.as_bytes()).is_err(), "{from} to {to}");
        };
        broken("collection 1", "collection 2");
        broken("collection 1\n", "collection 1 \n");
        broken("\n", "\r\n");
        broken("urn:bitprint:AE", "urn:bitprint:ae");
        broken(" 12 ", " 012 ");
        broken(" 12 ", " +12 ");
        broken("key A4", "key a4");
        broken("key ", "key: ");
        broken("from ", "From ");
        broken("signature ", "\nsignature ");
        for text in [
            songs.trim_end(),
            &(songs.clone() + "\n"),
            &(songs.clone() + "x"),
            "",
        ] {
            assert!(Manifest::decode(text.as_bytes()).is_err());
        }
    }

    #[test]
    fn its_name_tells_that_a_file_may_be_one() {
        assert!(is_named("a.collection") && is_named("a.b.COLLECTION"));
        assert!(!is_named("collection") && !is_named("a.collection.txt"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_written_again(
            cut in 0..600_usize, at in 0..600_usize, byte: u8,
        ) {
            let mut text = songs().into_bytes();
            text.truncate(cut);
            if let Some(place) = text.get_mut(at) {
                *place = byte;
            }
            if let Ok(manifest) = Manifest::decode(&text) {
                let signed = manifest.collection.text(&manifest.key);
                let again = Manifest::seal(&signed, &manifest.signature);
                prop_assert_eq!(again.into_bytes(), text);
            }
        }

        #[test]
        fn bytes_do_not_panic(bytes: Vec<u8>) {
            prop_assert!(Manifest::decode(&bytes).is_err());
        }
    }
}

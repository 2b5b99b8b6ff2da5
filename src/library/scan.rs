//! Finding what is shared: look through the directories, hash what is not known yet.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use log::{info, warn};

use super::hash::{self, FileHasher};
use super::index::SharedFile;
use super::walk::{Skipped, candidates};
use super::{Hashed, Library, Stage, Version};

/// How far a scan is, for a progress bar. While files are looked for, there is nothing to hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files found.
    pub files: u64,
    /// Bytes in those that are not known yet.
    pub bytes_to_hash: u64,
    /// Bytes of these that are done with.
    pub bytes_hashed: u64,
    /// The file being hashed.
    pub current: Option<PathBuf>,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Files now shared.
    pub files: u64,
    /// Files hashed, as they were new or changed.
    pub hashed: u64,
    /// Files shared no more, as they are gone.
    pub gone: u64,
    /// Files left out.
    pub skipped: Skipped,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

impl Library {
    /// Looks through the shared directories, shares what is new, hashing it if need be, and
    /// shares no more what is gone. A file is shared as soon as its hashes are known.
    ///
    /// It blocks for as long as that takes, which may be hours, and belongs on the blocking
    /// pool; a second scan waits for the first. `progress` is told of every file found and
    /// every mebibyte read.
    pub fn scan(&self, progress: &dyn Fn(Progress)) -> Scanned {
        let _one = self.scanning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scan = Scan {
            library: self,
            tell: progress,
            progress: Progress::default(),
            done: Scanned::default(),
        };
        scan.run();
        let mut done = scan.done;
        done.stopped = self.is_stopped();
        for share in self.shares() {
            done.files += share.hashed;
            done.skipped.add(share.skipped);
        }
        info!(
            "library: {} files shared, {} of them hashed now, {} gone, {} left out",
            done.files,
            done.hashed,
            done.gone,
            done.skipped.total()
        );
        done
    }
}

/// A scan that runs.
struct Scan<'a> {
    library: &'a Library,
    tell: &'a dyn Fn(Progress),
    progress: Progress,
    done: Scanned,
}

/// The files found, by their paths.
type Found = BTreeMap<PathBuf, Candidate>;

/// What was found under a path.
struct Candidate {
    /// The place of its directory among the shares; the first, where one lies in another.
    share: usize,
    name: String,
    version: Version,
}

impl Scan<'_> {
    fn run(&mut self) {
        let shares = self.library.shares();
        let mut found = Found::new();
        for (place, share) in shares.iter().enumerate() {
            self.look_through(place, &share.path, &mut found);
        }
        if self.library.is_stopped() {
            return;
        }
        self.forget_all_but(&found);
        let unknown = self.share_known(found);
        self.hash_all(unknown);
        for place in 0..shares.len() {
            self.library.update(place, |share| {
                if share.state == Stage::Hashing && share.pending == 0 {
                    share.state = Stage::Ready;
                }
            });
        }
    }

    /// Finds the files of one share.
    fn look_through(&mut self, share: usize, root: &Path, found: &mut Found) {
        self.library
            .update(share, |share| share.state = Stage::Scanning);
        let mut skipped = Skipped::default();
        let (mut files, mut bytes) = (0, 0);
        let state = match readable(root) {
            Ok(root) => {
                for file in candidates(&root, &mut skipped) {
                    if self.library.is_stopped() {
                        break;
                    }
                    if let Entry::Vacant(place) = found.entry(file.path) {
                        files += 1;
                        bytes += file.version.size;
                        place.insert(Candidate {
                            share,
                            name: file.name,
                            version: file.version,
                        });
                        self.progress.files += 1;
                        self.tell();
                    }
                }
                Stage::Hashing
            }
            Err(error) => {
                warn!("cannot share {}: {error}", root.display());
                skipped.unreadable += 1;
                Stage::Unreadable
            }
        };
        self.library.update(share, |share| {
            share.state = state;
            share.skipped = skipped;
            (share.files, share.bytes) = (files, bytes);
            (share.hashed, share.pending) = (0, files);
        });
    }

    /// Shares no more what was not found.
    fn forget_all_but(&mut self, found: &Found) {
        let gone: Vec<PathBuf> = {
            let index = self.library.read();
            let paths = index.files().map(|file| &file.path);
            paths
                .filter(|path| !found.contains_key(*path))
                .cloned()
                .collect()
        };
        for path in gone {
            self.library.write().remove(&path);
            self.done.gone += 1;
        }
    }

    /// Shares what was hashed before and has not changed. Gives back the rest, of which nothing
    /// is shared.
    fn share_known(&mut self, found: Found) -> Found {
        let library = self.library;
        let mut unknown = Found::new();
        for (path, file) in found {
            let shared = library.read().by_path(&path).map(SharedFile::version);
            if shared != Some(file.version) {
                let Some(hashed) = library.memory.recall(&path, file.version) else {
                    library.write().remove(&path);
                    self.progress.bytes_to_hash += file.version.size;
                    unknown.insert(path, file);
                    continue;
                };
                self.share(path, &file, file.version, hashed);
            }
            library.update(file.share, |share| {
                share.hashed += 1;
                share.pending -= 1;
            });
        }
        unknown
    }

    /// Hashes what is not known and shares it.
    fn hash_all(&mut self, unknown: Found) {
        let mut hasher = FileHasher::new();
        for (path, file) in unknown {
            let before = self.progress.bytes_hashed;
            self.progress.current = Some(path.clone());
            let hashes = hasher.hash(&path, |bytes| {
                self.progress.bytes_hashed += bytes;
                self.tell();
                match self.library.is_stopped() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            match hashes {
                Ok(hashes) => {
                    let (version, hashed) = (hashes.version(), hashes.hashed());
                    self.library.memory.remember_tree(&hashes.tiger_tree);
                    self.library.memory.remember(&path, version, hashed);
                    self.share(path, &file, version, hashed);
                    self.done.hashed += 1;
                    self.library.update(file.share, |share| {
                        share.hashed += 1;
                        share.pending -= 1;
                        share.bytes = share.bytes - file.version.size + version.size;
                    });
                }
                Err(hash::Error::Stopped { .. }) => return,
                Err(error) => {
                    warn!("not shared: {error}");
                    let changed = matches!(error, hash::Error::Changed { .. });
                    self.library.update(file.share, |share| {
                        match changed {
                            true => share.skipped.changed += 1,
                            false => share.skipped.unreadable += 1,
                        }
                        share.pending -= 1;
                        share.files -= 1;
                        share.bytes -= file.version.size;
                    });
                }
            }
            // What was expected of it, so that the bar fills whatever became of the file.
            self.progress.bytes_hashed = before + file.version.size;
            self.progress.current = None;
            self.tell();
        }
    }

    fn share(&self, path: PathBuf, file: &Candidate, version: Version, hashed: Hashed) {
        self.library.write().insert(SharedFile {
            index: 0,
            path,
            name: file.name.clone(),
            size: version.size,
            modified_ms: version.modified_ms,
            sha1: hashed.sha1,
            tiger_root: hashed.tiger_root,
        });
    }

    fn tell(&self) {
        (self.tell)(self.progress.clone());
    }
}

/// The full path of a directory, if it can be read.
fn readable(root: &Path) -> io::Result<PathBuf> {
    let root = root.canonicalize()?;
    root.read_dir()?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, SystemTime};

    use tempfile::{TempDir, tempdir};

    use super::super::{HashMemory, NoMemory, ShareState};
    use super::*;

    /// A memory that can be looked into.
    #[derive(Debug, Default)]
    struct Memory(Mutex<BTreeMap<PathBuf, (Version, Hashed)>>);

    impl HashMemory for Memory {
        fn recall(&self, path: &Path, version: Version) -> Option<Hashed> {
            let known = self.0.lock().unwrap().get(path).copied();
            known
                .filter(|known| known.0 == version)
                .map(|known| known.1)
        }

        fn remember(&self, path: &Path, version: Version, hashed: Hashed) {
            self.0
                .lock()
                .unwrap()
                .insert(path.to_owned(), (version, hashed));
        }
    }

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = tempdir().unwrap();
        for (path, content) in files {
            write(&root, path, content);
        }
        root
    }

    fn write(root: &TempDir, path: &str, content: &str) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn library(root: &TempDir) -> Library {
        Library::new(vec![root.path().to_owned()], Arc::new(NoMemory))
    }

    fn names(library: &Library) -> Vec<String> {
        library
            .read()
            .files()
            .map(|file| file.name.clone())
            .collect()
    }

    fn only_share(library: &Library) -> ShareState {
        let mut shares = library.shares();
        assert_eq!(shares.len(), 1);
        shares.remove(0)
    }

    #[test]
    fn what_is_found_is_shared() {
        let root = tree(&[
            ("a.txt", "hello world"),
            ("sub/b.txt", "hello world"),
            (".c", ""),
        ]);
        let library = library(&root);
        assert_eq!(only_share(&library).state, Stage::Waiting);
        let scanned = library.scan(&|_| {});
        let expected = Scanned {
            files: 2,
            hashed: 2,
            ..Scanned::default()
        };
        assert_eq!(scanned, expected);
        assert_eq!(names(&library), ["a.txt", "b.txt"]);
        let sha1 = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN".parse().unwrap();
        let file = library.by_sha1(&sha1).unwrap();
        assert_eq!((file.index, file.size), (1, 11));
        assert_eq!(library.by_index(2).unwrap().sha1, sha1);
        let share = only_share(&library);
        assert_eq!(
            share.name,
            root.path().file_name().unwrap().to_str().unwrap()
        );
        assert_eq!(
            (share.files, share.bytes, share.hashed, share.pending),
            (2, 22, 2, 0)
        );
        assert_eq!(share.state, Stage::Ready);
    }

    #[test]
    fn a_rescan_follows_what_happened() {
        let root = tree(&[
            ("gone", "1"),
            ("kept", "2"),
            ("longer", "3"),
            ("touched", "4"),
        ]);
        let library = library(&root);
        library.scan(&|_| {});
        let before = library.read().files().cloned().collect::<Vec<_>>();

        fs::remove_file(root.path().join("gone")).unwrap();
        write(&root, "longer", "33");
        write(&root, "touched", "5");
        let touched = OpenOptions::new()
            .append(true)
            .open(root.path().join("touched"));
        let later = SystemTime::now() + Duration::from_secs(60);
        touched.unwrap().set_modified(later).unwrap();
        write(&root, "a new one", "6");
        let scanned = library.scan(&|_| {});
        assert_eq!((scanned.files, scanned.hashed, scanned.gone), (4, 3, 1));
        assert_eq!(names(&library), ["kept", "longer", "touched", "a new one"]);
        assert_eq!(library.by_index(2).as_ref(), Some(&before[1]));
        for changed in [3, 4] {
            let old = &before[changed - 1];
            let new = library.by_index(old.index).unwrap();
            assert_eq!(new.path, old.path);
            assert_ne!(new.sha1, old.sha1);
            assert_eq!(library.by_sha1(&old.sha1), None);
        }
    }

    #[test]
    fn what_is_remembered_is_not_hashed_again() {
        let root = tree(&[("a", "1"), ("b", "2")]);
        let shares = vec![root.path().to_owned()];
        let memory = Arc::new(Memory::default());
        Library::new(shares.clone(), memory.clone()).scan(&|_| {});
        write(&root, "b", "changed");
        let library = Library::new(shares, memory);
        let scanned = library.scan(&|progress| assert!(progress.bytes_to_hash <= 7));
        assert_eq!((scanned.files, scanned.hashed), (2, 1));
        assert_eq!(library.by_index(2).unwrap().size, 7);
    }

    #[test]
    fn files_are_shared_one_by_one_and_progress_adds_up() {
        let root = tree(&[("a", "123"), ("b", "45"), ("c", "")]);
        let library = library(&root);
        let told = RefCell::new(Vec::new());
        library.scan(&|progress| {
            let current = progress.current.as_deref().and_then(Path::file_name);
            if current.is_some_and(|name| name == "b") {
                assert_eq!(names(&library), ["a"]);
                let share = only_share(&library);
                assert_eq!(
                    (share.hashed, share.pending, share.state),
                    (1, 2, Stage::Hashing)
                );
            }
            told.borrow_mut().push(progress);
        });
        let told = told.into_inner();
        assert!(told.is_sorted_by_key(|progress| (progress.files, progress.bytes_hashed)));
        let end = Progress {
            files: 3,
            bytes_to_hash: 5,
            bytes_hashed: 5,
            current: None,
        };
        assert_eq!(told.last(), Some(&end));
    }

    #[test]
    fn trouble_with_one_file_is_counted_and_leaves_the_others_alone() {
        let root = tree(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
        let library = library(&root);
        let grown = Cell::new(false);
        let scanned = library.scan(&|progress| {
            let current = progress.current.as_deref().and_then(Path::file_name);
            if current.is_some_and(|name| name == "b") && !grown.replace(true) {
                let b = OpenOptions::new().append(true).open(root.path().join("b"));
                b.unwrap().write_all(b"more").unwrap();
                fs::remove_file(root.path().join("c")).unwrap();
            }
        });
        assert_eq!(names(&library), ["a", "d"]);
        let skipped = Skipped {
            changed: 1,
            unreadable: 1,
            ..Skipped::default()
        };
        assert_eq!((scanned.files, scanned.skipped), (2, skipped));
        let share = only_share(&library);
        assert_eq!((share.files, share.bytes, share.pending), (2, 2, 0));
        assert_eq!(share.state, Stage::Ready);

        let scanned = library.scan(&|_| {});
        assert_eq!((scanned.files, scanned.skipped.total()), (3, 0));
    }

    #[test]
    fn a_stopped_scan_keeps_what_it_has() {
        let root = tree(&[("a", "1"), ("b", "2")]);
        let library = library(&root);
        let scanned = library.scan(&|progress| {
            let current = progress.current.as_deref().and_then(Path::file_name);
            if current.is_some_and(|name| name == "b") {
                library.stop();
            }
        });
        assert!(scanned.stopped);
        assert_eq!(names(&library), ["a"]);
        fs::remove_file(root.path().join("a")).unwrap();
        assert!(library.scan(&|_| {}).stopped);
        assert_eq!(
            names(&library),
            ["a"],
            "a scan cut short proves nothing gone"
        );
    }

    #[test]
    fn a_withdrawn_file_comes_back_with_the_next_scan() {
        let root = tree(&[("a", "1"), ("b", "2")]);
        let library = library(&root);
        library.scan(&|_| {});
        library.withdraw(1);
        library.withdraw(7);
        assert_eq!(names(&library), ["b"]);
        library.scan(&|_| {});
        assert_eq!(names(&library), ["a", "b"]);
    }

    #[test]
    fn a_directory_shared_twice_counts_once() {
        let root = tree(&[("a", "1"), ("sub/b", "2")]);
        let shares = vec![root.path().join("sub"), root.path().to_owned()];
        let library = Library::new(shares, Arc::new(NoMemory));
        assert_eq!(library.scan(&|_| {}).files, 2);
        let files = library.shares().into_iter().map(|share| share.files);
        assert_eq!(files.collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn a_share_that_is_gone_shares_nothing() {
        let root = tree(&[("sub/a", "1")]);
        let library = Library::new(vec![root.path().join("sub")], Arc::new(NoMemory));
        library.scan(&|_| {});
        fs::remove_dir_all(root.path().join("sub")).unwrap();
        let scanned = library.scan(&|_| {});
        assert_eq!(
            (scanned.files, scanned.gone, scanned.skipped.unreadable),
            (0, 1, 1)
        );
        assert_eq!(only_share(&library).state, Stage::Unreadable);
    }
}

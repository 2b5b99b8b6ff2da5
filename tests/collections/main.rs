//! Collections: put together, shared, found by a word and fetched whole, by real processes and nodes
//! on loopback.
#![cfg(feature = "cli")]

#[path = "../common/mod.rs"]
mod common;
mod processes;
mod web;

use std::fs;
use std::path::{Path, PathBuf};

use common::{PATIENCE, builder, until, write};
use filbert::node::collection::Signer;
use filbert::node::state::{DownloadPhase, DownloadState, FailureKind};
use filbert::node::{Node, Target, UploadLimits};
use filbert::runtime::block_on;
use filbert::wire::collection::{Collection, Key, Manifest, Member};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Bytes that differ from file to file.
fn bytes(seed: u32, length: usize) -> Vec<u8> {
    let word = |n: u32| {
        n.wrapping_add(seed)
            .wrapping_mul(2_654_435_761)
            .to_le_bytes()
    };
    (0..).flat_map(word).take(length).collect()
}

fn member(path: &str, bytes: &[u8]) -> Member {
    let folder = common::directory();
    let file = folder.path().join("x");
    fs::write(&file, bytes).unwrap();
    let hashes = filbert::library::hash::hash_file(&file, |_| ()).unwrap();
    Member {
        path: path.to_owned(),
        size: hashes.size,
        sha1: hashes.sha1,
        root: hashes.tiger_tree.root(),
        web_seeds: Vec::new(),
    }
}

/// The text of a collection, whether it may be made or not.
fn signed(collection: &Collection) -> String {
    let made = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap();
    let text = collection.text(&Key(pair.public_key().as_ref().try_into().unwrap()));
    let signature = pair.sign(text.as_bytes());
    Manifest::seal(&text, signature.as_ref().try_into().unwrap())
}

/// A node that shares these files.
fn holder(files: &[(&str, Vec<u8>)], limits: UploadLimits) -> (Node, tempfile::TempDir) {
    let shared = common::directory();
    for (name, bytes) in files {
        write(shared.path(), name, bytes);
    }
    let node = builder().share(shared.path()).upload_limits(limits);
    let node = block_on(node.start()).unwrap();
    block_on(node.shared());
    (node, shared)
}

/// A node beside it.
fn taker(home: &Path, holder: &Node) -> Node {
    // Links of an earlier one in this home may be about to end.
    let started = std::cell::OnceCell::new();
    until("a home that is free", || {
        let node = block_on(builder().home(home).start());
        node.is_ok_and(|node| started.set(node).is_ok())
    });
    let node = started.into_inner().unwrap();
    block_on(node.connect(holder.address())).unwrap();
    node
}

/// Has a node fetch the collection with this text from who shares it.
fn fetch(node: &Node, holder: &Node, text: &str, directory: &Path) -> u64 {
    let member = member("x", text.as_bytes());
    let link = format!(
        "magnet:?xt=urn:sha1:{0}&xl={1}&dn=songs.collection&xs=http://{2}/uri-res/N2R?urn:sha1:{0}",
        member.sha1,
        member.size,
        holder.address()
    );
    let target = Target::Magnet(link.parse().unwrap());
    node.fetch(&target, Some(directory.to_owned())).unwrap()
}

fn reaches(node: &Node, id: u64, phase: DownloadPhase) -> DownloadState {
    let there = |state: &DownloadState| state.phase == phase;
    let state = block_on(node.download_when(id, PATIENCE, there)).unwrap();
    assert_eq!(state.phase, phase, "{state:?}");
    state
}

fn stop(node: Node) {
    block_on(node.stop());
}

/// Every file below a folder, by its path from there.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let inside = path.strip_prefix(folder).unwrap();
                    found.push(inside.display().to_string());
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn it_is_fetched_whole_with_equal_files_and_folders_and_known_again() {
    let [one, two] = [bytes(1, 300_000), bytes(2, 5)];
    let collection = Collection {
        name: "Spring songs".to_owned(),
        files: vec![
            member("one.bin", &one),
            member("sub/two.bin", &two),
            member("sub/same as one.bin", &one),
            member("same.bin", &one),
        ],
    };
    let text = signed(&collection);
    let files = [
        ("a.bin", one.clone()),
        ("b.bin", two.clone()),
        ("songs.collection", text.clone().into_bytes()),
    ];
    let (holder, _shared) = holder(&files, UploadLimits::default());
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let id = fetch(&node, &holder, &text, target.path());
    let state = reaches(&node, id, DownloadPhase::Done);
    let folder = target.path().join("Spring songs");
    assert_eq!(state.path.as_ref(), Some(&folder));
    assert_eq!((state.size, state.verified), (900_005, 900_005));
    let told = state.collection.unwrap();
    assert_eq!((told.files, told.done), (4, 4));
    let expected = [
        "Spring songs.collection",
        "one.bin",
        "same.bin",
        "sub/same as one.bin",
        "sub/two.bin",
    ];
    assert_eq!(tree(&folder), expected);
    assert!(fs::read(folder.join("sub/same as one.bin")).unwrap() == one);
    assert!(fs::read(folder.join("same.bin")).unwrap() == one);
    assert_eq!(fs::read(folder.join("sub/two.bin")).unwrap(), two);
    until("nothing left in the home", || {
        tree(&home.path().join("collections")).is_empty()
    });
    // Once more: it is there, but for what was lost.
    let sent = holder.uploaded();
    fs::remove_file(folder.join("sub/two.bin")).unwrap();
    let again = fetch(&node, &holder, &text, target.path());
    reaches(&node, again, DownloadPhase::Done);
    assert_eq!(tree(target.path()).len(), expected.len());
    assert!(holder.uploaded() - sent < 10_000, "only what was lost");
    stop(node);
    stop(holder);
}

#[test]
fn it_is_stopped_resumed_and_removed_as_a_whole_and_stays_so_over_a_restart() {
    let contents: Vec<_> = (0..4).map(|seed| bytes(seed, 400_000)).collect();
    let names = ["a.bin", "b.bin", "c.bin", "d.bin"];
    let files = names.iter().zip(&contents);
    let collection = Collection {
        name: "nuts".to_owned(),
        files: files
            .clone()
            .map(|(name, bytes)| member(name, bytes))
            .collect(),
    };
    let text = signed(&collection);
    let mut shared: Vec<_> = files.map(|(name, bytes)| (*name, bytes.clone())).collect();
    shared.push(("nuts.collection", text.clone().into_bytes()));
    let limits = UploadLimits {
        rate: Some(300_000),
        ..UploadLimits::default()
    };
    let (holder, _shared) = holder(&shared, limits);
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let id = fetch(&node, &holder, &text, target.path());
    until("some of a file", || {
        node.download(id)
            .is_some_and(|state| state.collection.is_some() && state.received > 0)
    });
    node.pause_download(id).unwrap();
    let phases = |node: &Node| -> Vec<_> {
        node.downloads()
            .iter()
            .map(|state| (state.part_of, state.phase))
            .collect()
    };
    let paused = phases(&node);
    assert_eq!(paused[0], (None, DownloadPhase::Paused));
    assert!(paused.len() > 1, "{paused:?}");
    let stopped = |(of, phase): &(Option<u64>, DownloadPhase)| {
        *of == Some(id) && matches!(phase, DownloadPhase::Paused | DownloadPhase::Done)
    };
    assert!(paused[1..].iter().all(stopped), "{paused:?}");
    stop(node);

    let node = taker(home.path(), &holder);
    let paused = phases(&node);
    assert_eq!(paused[0], (None, DownloadPhase::Paused));
    assert!(
        paused.len() > 1 && paused[1..].iter().all(stopped),
        "{paused:?}"
    );
    node.resume_download(id).unwrap();
    let state = reaches(&node, id, DownloadPhase::Done);
    for (name, bytes) in names.iter().zip(&contents) {
        let path = state.path.as_ref().unwrap().join(name);
        assert!(fs::read(path).unwrap() == *bytes, "{name}");
    }
    // Another time somewhere else, and taken from the list half-way.
    let elsewhere = common::directory();
    let id = fetch(&node, &holder, &text, elsewhere.path());
    until("some of a file", || {
        node.download(id)
            .is_some_and(|state| state.collection.is_some() && state.received > 0)
    });
    node.remove_download(id).unwrap();
    let left = |state: &DownloadState| state.part_of == Some(id) && !state.phase.is_over();
    assert!(!node.downloads().iter().any(left));
    until("nothing left in the home", || {
        let begun = tree(&home.path().join("incomplete"));
        begun.is_empty() && tree(&home.path().join("collections")).is_empty()
    });
    stop(node);
    stop(holder);
}

#[test]
fn what_is_changed_or_would_lead_elsewhere_is_not_fetched() {
    let one = bytes(1, 1_000);
    let collection = |path: &str| Collection {
        name: "nuts".to_owned(),
        files: vec![member(path, &one)],
    };
    let text = signed(&collection("one.bin"));
    let texts = [
        text.replace("one.bin", "two.bin"),
        text.replace(" 1000 ", " 1001 "),
        signed(&collection("../../escaped")),
        signed(&collection("/escaped")),
        signed(&collection("a/../../escaped")),
        signed(&collection("nul.txt")),
        signed(&collection("a\u{202e}gpj.exe")),
        signed(&Collection {
            name: "../nuts".to_owned(),
            ..collection("escaped")
        }),
        "filbert collection 1\n".to_owned(),
    ];
    let names: Vec<_> = (0..texts.len())
        .map(|n| format!("{n}.collection"))
        .collect();
    let mut files: Vec<_> = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| (name.as_str(), text.clone().into_bytes()))
        .collect();
    files.push(("one.bin", one.clone()));
    let (holder, _shared) = holder(&files, UploadLimits::default());
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let folder = target.path().join("within");
    for text in &texts {
        let id = fetch(&node, &holder, text, &folder);
        let state = reaches(&node, id, DownloadPhase::Failed);
        let failure = state.error.unwrap();
        assert_eq!(failure.kind, FailureKind::Verification, "{text}");
        node.remove_download(id).unwrap();
    }
    assert_eq!(node.downloads().len(), 0);
    assert_eq!(tree(target.path()), [""; 0]);
    stop(node);
    stop(holder);
}

#[test]
fn without_one_of_its_files_it_fails_and_the_others_are_there() {
    let (one, two) = (bytes(1, 700_000), bytes(2, 700_000));
    let collection = Collection {
        name: "nuts".to_owned(),
        files: vec![member("one.bin", &one), member("two.bin", &two)],
    };
    let text = signed(&collection);
    let files = [
        ("one.bin", one.clone()),
        ("two.bin", two),
        ("nuts.collection", text.clone().into_bytes()),
    ];
    let limits = UploadLimits {
        rate: Some(400_000),
        ..UploadLimits::default()
    };
    let (holder, _shared) = holder(&files, limits);
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let id = fetch(&node, &holder, &text, target.path());
    let named = |name: &str| {
        let all = node.downloads();
        let part = all
            .iter()
            .find(|state| state.name == name && state.part_of == Some(id));
        part.map(|state| state.id)
    };
    until("the first file is on its way", || {
        named("one.bin").is_some()
    });
    node.remove_download(named("one.bin").unwrap()).unwrap();
    let state = reaches(&node, id, DownloadPhase::Failed);
    let failure = state.error.unwrap();
    assert_eq!(failure.kind, FailureKind::NoSource);
    let said = &failure.message;
    assert!(
        said.contains("1 of 2") && said.contains("one.bin"),
        "{said}"
    );
    let folder = target.path().join("nuts");
    assert_eq!(tree(&folder), ["nuts.collection", "two.bin"]);
    // Told to go on it fetches what is missing.
    node.resume_download(id).unwrap();
    reaches(&node, id, DownloadPhase::Done);
    assert!(fs::read(folder.join("one.bin")).unwrap() == one);
    stop(node);
    stop(holder);
}

#[test]
fn a_file_that_is_only_called_so_is_a_file() {
    let text = "not what you think";
    let files = [("songs.collection", text.into())];
    let (holder, _shared) = holder(&files, UploadLimits::default());
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let id = fetch(&node, &holder, text, target.path());
    let state = reaches(&node, id, DownloadPhase::Done);
    assert_eq!(state.path, Some(target.path().join("songs.collection")));
    assert_eq!(fs::read_to_string(state.path.unwrap()).unwrap(), text);
    stop(node);
    stop(holder);
}

#[test]
fn a_file_that_the_user_fetches_already_is_his_and_a_copy_is_in_the_folder() {
    let one = bytes(1, 400_000);
    let collection = Collection {
        name: "nuts".to_owned(),
        files: vec![member("one.bin", &one)],
    };
    let text = signed(&collection);
    let files = [
        ("one.bin", one.clone()),
        ("nuts.collection", text.clone().into_bytes()),
    ];
    let limits = UploadLimits {
        rate: Some(300_000),
        ..UploadLimits::default()
    };
    let (holder, _shared) = holder(&files, limits);
    let (home, target) = (common::directory(), common::directory());
    let node = taker(home.path(), &holder);
    let mine = target.path().join("mine");
    let link = format!(
        "magnet:?xt=urn:sha1:{0}&xl=400000&dn=mine.bin&xs=http://{1}/uri-res/N2R?urn:sha1:{0}",
        collection.files[0].sha1,
        holder.address()
    );
    let target_of = Target::Magnet(link.parse().unwrap());
    let own = node.fetch(&target_of, Some(mine.clone())).unwrap();
    let id = fetch(&node, &holder, &text, target.path());
    reaches(&node, own, DownloadPhase::Done);
    reaches(&node, id, DownloadPhase::Done);
    for path in [mine.join("mine.bin"), target.path().join("nuts/one.bin")] {
        assert!(fs::read(&path).unwrap() == one, "{}", path.display());
    }
    stop(node);
    stop(holder);
}

#[test]
fn one_key_signs_all_collections_of_a_home() {
    let home = common::directory();
    let signer = Signer::load(home.path()).unwrap();
    let collection = Collection {
        name: "nuts".to_owned(),
        files: vec![member("one.bin", b"nut")],
    };
    let file: PathBuf = home.path().join("nuts.collection");
    fs::write(&file, signer.sign(&collection).unwrap()).unwrap();
    let (manifest, _) = filbert::node::collection::read(&file).unwrap();
    assert_eq!(manifest.key, Signer::load(home.path()).unwrap().key());
}

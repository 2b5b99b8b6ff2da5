//! Wishes of a live node: asked until somebody has what is wanted, and kept over a restart.

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{PATIENCE, builder, until, write};
use filbert::node::state::DownloadPhase;
use filbert::node::{Node, Wish, WishPhase};
use filbert::runtime::block_on;

fn holder(folder: &Path, files: &[(&str, &[u8])]) -> Node {
    for (name, bytes) in files {
        write(folder, name, bytes);
    }
    let node = block_on(builder().share(folder).start()).unwrap();
    block_on(node.shared());
    node
}

/// A node in the home of one that was stopped, once the last of its links is gone.
fn restart(home: &Path) -> Node {
    let begun = Instant::now();
    loop {
        match block_on(builder().home(home).start()) {
            Ok(node) => return node,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_fetched(node: &Node, name: &str) -> bool {
    let downloads = node.downloads();
    let mut same = downloads.iter().filter(|known| known.name == name);
    same.any(|known| known.phase == DownloadPhase::Done)
}

#[test]
fn a_wish_fetches_what_it_wants_when_somebody_has_it_and_then_rests() {
    let (shared, home) = (common::directory(), common::directory());
    let node = block_on(builder().home(home.path()).start()).unwrap();
    let wish = Wish {
        least: Some(5),
        ..Wish::new("hazel")
    };
    let id = block_on(node.add_wish(wish, 1, None)).unwrap().id;
    assert_eq!(node.wish(id).unwrap().asked, 0, "there is nobody to ask");
    let files: [(&str, &[u8]); 2] = [
        ("hazel tiny.txt", b"tiny"),
        ("hazel long.txt", b"long enough"),
    ];
    let holder = holder(shared.path(), &files);
    block_on(node.connect(holder.address())).unwrap();
    until("the file", || is_fetched(&node, "hazel long.txt"));
    until("the wish is done", || {
        let wish = node.wish(id).unwrap();
        wish.phase == WishPhase::Done && wish.asked == 1
    });
    let wish = node.wish(id).unwrap();
    assert_eq!(
        (wish.found, wish.fetched.len()),
        (1, 1),
        "the other is too small"
    );
    assert_eq!(node.downloads().len(), 1);
    block_on(node.stop());
    drop(node);

    let node = restart(home.path());
    until("the wish is there", || node.wish(id).is_some());
    let known = node.wish(id).unwrap();
    assert_eq!((known.phase, known.asked), (WishPhase::Done, 1));
    assert_eq!(known.fetched, wish.fetched);
    block_on(node.remove_wish(id)).unwrap();
    assert!(block_on(node.remove_wish(id)).is_err());
    block_on(node.stop());
    block_on(holder.stop());
}

#[test]
fn a_wish_that_fetches_nothing_gathers_and_is_asked_again() {
    let (shared, later) = (common::directory(), common::directory());
    let node = block_on(builder().start()).unwrap();
    let first = holder(shared.path(), &[("hazel one.txt", b"one")]);
    block_on(node.connect(first.address())).unwrap();
    let id = block_on(node.add_wish(Wish::new("hazel"), 0, None))
        .unwrap()
        .id;
    until("the first", || node.wish(id).unwrap().found == 1);
    let second = holder(later.path(), &[("hazel two.txt", b"two!")]);
    block_on(node.connect(second.address())).unwrap();
    until("the second", || node.wish(id).unwrap().found == 2);
    let search = node.wish(id).unwrap().search.unwrap();
    assert_eq!(node.search_state(search).unwrap().results.len(), 2);
    assert!(node.downloads().is_empty());
    assert!(block_on(node.add_wish(Wish::new("x"), 0, None)).is_err());
    block_on(node.stop());
    block_on(first.stop());
    block_on(second.stop());
}

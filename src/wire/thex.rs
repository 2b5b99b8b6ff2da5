//! A tiger tree as servents exchange it: a DIME body of a description and of the nodes from the
//! root down (protocol §11.4).
//!
//! Only the nodes count. How many there are in each level follows from the size of the content, and
//! a tree is believed only as far as every level is joined from the one below and ends in the root
//! that was expected; so what the description says need not be read.

use bytes::{BufMut, Bytes, BytesMut};

use super::Error;
use super::dime::{self, Form, Record};
use super::tiger_tree::{LEAF_LEN, Node, TigerTree, depth, level_above, top_level};
use super::urn::TigerRoot;

/// The media type of a tree.
pub const MEDIA_TYPE: &str = "application/dime";
/// The largest body taken: the deepest tree with its upper levels has 393,192 bytes of nodes.
pub const MAX_LEN: usize = 512 * 1024;

const NODE_LEN: usize = 24;
/// The type of the record with the nodes; its last word tells their order.
const BREADTH_FIRST: &str = "http://open-content.net/spec/thex/breadthfirst";

/// Reads the tree of a content of `size` bytes from a body, and believes it only if its root is
/// `root`. Levels deeper than servents keep are checked and left out.
///
/// # Errors
/// When the body is no DIME, has no nodes, not as many as the size asks for, or other ones than the
/// root does.
pub fn decode(body: &Bytes, size: u64, root: TigerRoot) -> Result<TigerTree, Error> {
    if body.len() > MAX_LEN {
        return Err(Error::new(MAX_LEN, "tree above 512 KiB"));
    }
    let records = dime::decode(body)?;
    let is_nodes = |record: &&Record| record.kind.eq_ignore_ascii_case(BREADTH_FIRST.as_bytes());
    let nodes = records.iter().find(is_nodes);
    let data = &nodes
        .ok_or_else(|| Error::new(0, "tree without nodes"))?
        .data;
    let (nodes, rest) = data.as_chunks::<NODE_LEN>();
    if !rest.is_empty() {
        return Err(Error::new(data.len(), "tree with a part of a node"));
    }
    if nodes.first() != Some(root.as_bytes()) {
        return Err(Error::new(0, "tree of another root"));
    }

    // From the root down: how many nodes a level has follows from the leaves of the content.
    let leaves = size.div_ceil(LEAF_LEN).max(1);
    let mut level = top_level(size);
    let (mut upper, mut left) = nodes.split_at(1);
    let mut kept = upper;
    let mut kept_level = level;
    while let Some(below) = level.checked_sub(1).filter(|_| !left.is_empty()) {
        let count = usize::try_from(leaves.div_ceil(1 << below)).unwrap_or(usize::MAX);
        let (lower, rest) = left
            .split_at_checked(count)
            .ok_or_else(|| Error::new(data.len(), "tree with a part of a level"))?;
        if level_above(lower) != upper {
            return Err(Error::new(0, "tree whose levels do not fit"));
        }
        level = below;
        (upper, left) = (lower, rest);
        if lower.len() <= 1 << depth(size) {
            (kept, kept_level) = (lower, level);
        }
    }
    if !left.is_empty() {
        return Err(Error::new(data.len(), "tree with more nodes than leaves"));
    }
    TigerTree::new(size, kept_level, kept.to_vec())
        .ok_or_else(|| Error::new(0, "tree of another number of nodes"))
}

/// The body that tells a tree.
#[must_use]
pub fn encode(tree: &TigerTree) -> Bytes {
    let levels = levels(tree);
    let root = tree.root();
    let id = uuid(root.as_bytes());
    let description = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
         <!DOCTYPE hashtree SYSTEM \"http://open-content.net/spec/thex/thex.dtd\">\r\n\
         <hashtree>\r\n\
         <file size=\"{}\" segmentsize=\"{LEAF_LEN}\"/>\r\n\
         <digest algorithm=\"http://open-content.net/spec/digest/tiger\" outputsize=\"{NODE_LEN}\"/>\r\n\
         <serializedtree depth=\"{}\" type=\"{BREADTH_FIRST}\" uri=\"{id}\"/>\r\n\
         </hashtree>\r\n",
        tree.size(),
        levels.len() - 1,
    );
    let mut nodes = BytesMut::new();
    for node in levels.iter().rev().flatten() {
        nodes.put_slice(node);
    }
    dime::encode(&[
        Record {
            form: Form::Media,
            id: Bytes::new(),
            kind: Bytes::from_static(b"text/xml"),
            data: description.into(),
        },
        Record {
            form: Form::Uri,
            id: id.into(),
            kind: Bytes::from_static(BREADTH_FIRST.as_bytes()),
            data: nodes.freeze(),
        },
    ])
}

/// All levels of a tree, from the lowest up to the root.
fn levels(tree: &TigerTree) -> Vec<Vec<Node>> {
    let mut levels = vec![tree.nodes().to_vec()];
    let mut lowest = tree.nodes().to_vec();
    while lowest.len() > 1 {
        lowest = level_above(&lowest);
        levels.push(lowest.clone());
    }
    levels
}

/// A name by which one record speaks of the other; any will do, so it is made of the root.
fn uuid(root: &Node) -> String {
    let hex = data_encoding::HEXLOWER.encode(&root[..16]);
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("uuid:{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::super::tiger_tree::TreeHasher;
    use super::*;

    fn tree(size: usize) -> TigerTree {
        let content: Vec<u8> = (0..=250).cycle().take(size).collect();
        let mut hasher = TreeHasher::new();
        hasher.update(&content);
        hasher.finish()
    }

    /// A body of these nodes alone.
    fn body(nodes: &[Node]) -> Bytes {
        dime::encode(&[Record {
            form: Form::Uri,
            id: Bytes::new(),
            kind: Bytes::from_static(BREADTH_FIRST.as_bytes()),
            data: nodes.concat().into(),
        }])
    }

    #[test]
    fn a_tree_is_read_as_it_was_written() {
        for size in [0, 1, 1_024, 300_000, 1_300_000] {
            let tree = tree(size);
            let body = encode(&tree);
            assert_eq!(decode(&body, tree.size(), tree.root()), Ok(tree), "{size}");
        }
    }

    #[test]
    fn deeper_levels_are_checked_and_left_out() {
        let leaf = |byte: u8| [byte; 24];
        let leaves: Vec<Node> = (0..5).map(leaf).collect();
        let (two, one) = (level_above(&leaves), level_above(&level_above(&leaves)));
        let top = level_above(&one);
        let all = [&top[..], &one, &two, &leaves].concat();
        let root = TigerRoot::from_bytes(top[0]);
        let read = decode(&body(&all), 5 * 1_024, root).unwrap();
        assert_eq!((read.nodes(), read.root()), (&top[..], root));
        assert!(decode(&body(&all), 6 * 1_024, root).is_err());
        let mut wrong = all.clone();
        wrong[10][0] ^= 1;
        assert!(decode(&body(&wrong), 5 * 1_024, root).is_err());
        for count in [0, 2, 4, 5, 7, 10] {
            assert!(
                decode(&body(&all[..count]), 5 * 1_024, root).is_err(),
                "{count}"
            );
        }
        let more = [&all[..], &[leaf(9)]].concat();
        assert!(decode(&body(&more), 5 * 1_024, root).is_err());
    }

    #[test]
    fn another_root_is_not_believed() {
        let tree = tree(600_000);
        let other = TigerRoot::from_bytes([1; 24]);
        assert!(decode(&encode(&tree), tree.size(), other).is_err());
        assert!(decode(&Bytes::from(vec![0; MAX_LEN + 1]), 1, other).is_err());
    }

    #[test]
    fn a_damaged_tree_is_refused_or_the_same() {
        let tree = tree(700_000);
        let body = encode(&tree);
        for at in 0..body.len() {
            for bit in [0, 3, 7] {
                let mut damaged = body.to_vec();
                damaged[at] ^= 1 << bit;
                if let Ok(read) = decode(&damaged.into(), tree.size(), tree.root()) {
                    assert_eq!(read, tree, "{at}");
                }
            }
        }
    }
}

//! The tiger tree of a content: digests of its parts, joined pair by pair up to one root
//! (protocol §11.2, §11.3).
//!
//! A hasher keeps a few hundred KiB whatever the size of the content: finished nodes of one level,
//! which is left for the next one up when it grows beyond what is kept of the largest contents.

use tiger::{Digest, Tiger};

use super::tiger_leaves;
use super::urn::TigerRoot;

/// How many bytes of content a leaf covers.
pub const LEAF_LEN: u64 = 1_024;

/// The level of the first nodes kept, counted from the leaves: 128 KiB of content each. No
/// content is small enough to keep lower ones.
const FIRST_LEVEL: u32 = 7;

/// The most nodes of a level ever kept: twice those of the deepest tree.
const MAX_NODES: usize = 2 << MAX_DEPTH;
const MAX_DEPTH: u32 = 13;

/// The digest of a part of a content.
pub type Node = [u8; 24];

/// Makes a tiger tree of a content given piece by piece.
#[derive(Clone, Debug)]
pub struct TreeHasher {
    leaf: Tiger,
    leaf_len: u64,
    size: u64,
    /// Finished nodes below the level kept, with their levels, which fall from left to right.
    open: Vec<(u32, Node)>,
    level: u32,
    kept: Vec<Node>,
}

impl TreeHasher {
    /// A hasher at the start of a content.
    #[must_use]
    pub fn new() -> Self {
        Self {
            leaf: leaf_start(),
            leaf_len: 0,
            size: 0,
            open: Vec::new(),
            level: FIRST_LEVEL,
            kept: Vec::new(),
        }
    }

    /// Adds the next bytes of the content.
    pub fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.leaf_len == LEAF_LEN {
                self.close_leaf();
            }
            // Whole leaves, several at once.
            while self.leaf_len == 0
                && let Some((leaves, later)) = data.split_first_chunk()
            {
                for node in tiger_leaves::nodes(leaves) {
                    self.size += LEAF_LEN;
                    self.put(0, node);
                }
                data = later;
            }
            let room = usize::try_from(LEAF_LEN - self.leaf_len).unwrap_or(usize::MAX);
            let (now, later) = data.split_at(room.min(data.len()));
            self.leaf.update(now);
            self.leaf_len += u64_of(now.len());
            self.size += u64_of(now.len());
            data = later;
        }
    }

    /// The tree of all bytes given.
    #[must_use]
    pub fn finish(mut self) -> TigerTree {
        // The last leaf may be short; an empty content has one that is empty.
        if self.leaf_len > 0 || self.size == 0 {
            self.close_leaf();
        }
        // Right to left, as a node without a partner moves up unchanged.
        let rest = self.open.drain(..).rev().map(|(_, node)| node);
        self.kept
            .extend(rest.reduce(|right, left| join(&left, &right)));
        let most = 1 << depth(self.size);
        let (mut level, mut nodes) = (self.level, self.kept);
        while nodes.len() > most {
            nodes = level_above(&nodes);
            level += 1;
        }
        if nodes.len() == 1 {
            level = top_level(self.size);
        }
        TigerTree::over(self.size, level, nodes)
    }

    fn close_leaf(&mut self) {
        let leaf = std::mem::replace(&mut self.leaf, leaf_start());
        self.leaf_len = 0;
        self.put(0, leaf.finalize().into());
    }

    /// Adds the next finished node of a level, joined with those it completes.
    fn put(&mut self, mut level: u32, mut node: Node) {
        while let Some((_, left)) = self.open.pop_if(|(open, _)| *open == level) {
            node = join(&left, &node);
            level += 1;
        }
        if level < self.level {
            self.open.push((level, node));
            return;
        }
        self.kept.push(node);
        if self.kept.len() == MAX_NODES {
            self.kept = level_above(&self.kept);
            self.level += 1;
        }
    }
}

impl Default for TreeHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// The tiger tree of a content, down to the level that servents keep for its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TigerTree {
    size: u64,
    level: u32,
    nodes: Vec<Node>,
    root: TigerRoot,
}

impl TigerTree {
    /// The tree of a content of `size` bytes whose nodes `level` levels above the leaves are these;
    /// `None` when such a content has another number of them.
    #[must_use]
    pub fn new(size: u64, level: u32, nodes: Vec<Node>) -> Option<Self> {
        let node_len = LEAF_LEN
            .checked_shl(level)
            .filter(|len| len >> level == LEAF_LEN)?;
        let count = size.div_ceil(node_len).max(1);
        (u64_of(nodes.len()) == count).then(|| Self::over(size, level, nodes))
    }

    /// The tree of a content so small that its root is all there is to keep; `None` of larger ones.
    #[must_use]
    pub fn of_root(size: u64, root: TigerRoot) -> Option<Self> {
        (depth(size) == 0).then(|| Self {
            size,
            level: top_level(size),
            nodes: vec![*root.as_bytes()],
            root,
        })
    }

    /// The tree over these nodes, of which there is one at least, as every content has a leaf.
    fn over(size: u64, level: u32, nodes: Vec<Node>) -> Self {
        let mut above = level_above(&nodes);
        while above.len() > 1 {
            above = level_above(&above);
        }
        Self {
            size,
            level,
            root: TigerRoot::from_bytes(above[0]),
            nodes,
        }
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> TigerRoot {
        self.root
    }

    /// The size of the content in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The nodes of the lowest level kept, from the start of the content on.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many levels above the leaves these [`nodes`](Self::nodes) are.
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.level
    }

    /// How many bytes of content each of these [`nodes`](Self::nodes) covers; the last may cover
    /// fewer.
    #[must_use]
    pub const fn node_len(&self) -> u64 {
        LEAF_LEN << self.level
    }
}

/// How many levels below the root servents keep of a content of `size` bytes.
#[must_use]
pub const fn depth(size: u64) -> u32 {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match size {
        _ if size < 256 * KIB => 0,
        // One level more with each doubling.
        _ if size < 64 * MIB => size.ilog2() - 17,
        _ if size < 256 * MIB => 9,
        _ if size < GIB => 10,
        _ if size < 4 * GIB => 11,
        _ if size < 64 * GIB => 12,
        _ => MAX_DEPTH,
    }
}

/// How many levels above its leaves the root of a content of `size` bytes is.
#[must_use]
pub fn top_level(size: u64) -> u32 {
    size.div_ceil(LEAF_LEN).next_power_of_two().ilog2()
}

/// How many bytes of a content of `size` bytes each node covers of the lowest level that servents
/// keep.
#[must_use]
pub fn kept_node_len(size: u64) -> u64 {
    let most = 1_u64 << depth(size);
    let leaves = size.div_ceil(LEAF_LEN).max(1);
    let level = leaves.div_ceil(most).next_power_of_two().ilog2();
    LEAF_LEN << level
}

/// The node over `data`: a part of a content that begins at a multiple of some node's length and is
/// as long as that, or the content's last.
#[must_use]
pub fn node_of(data: &[u8]) -> Node {
    let mut hasher = TreeHasher::new();
    hasher.update(data);
    *hasher.finish().root().as_bytes()
}

fn leaf_start() -> Tiger {
    Tiger::new_with_prefix([0])
}

fn join(left: &Node, right: &Node) -> Node {
    Tiger::new_with_prefix([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

pub(super) fn level_above(nodes: &[Node]) -> Vec<Node> {
    nodes
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => join(left, right),
            alone => alone[0],
        })
        .collect()
}

fn u64_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(content: &[u8]) -> TigerTree {
        let mut hasher = TreeHasher::new();
        hasher.update(content);
        hasher.finish()
    }

    /// The root straight from its definition.
    fn plain_root(content: &[u8]) -> TigerRoot {
        let leaf = |data: &[u8]| -> Node { leaf_start().chain_update(data).finalize().into() };
        let mut nodes: Vec<Node> = content.chunks(1_024).map(leaf).collect();
        if nodes.is_empty() {
            nodes.push(leaf(&[]));
        }
        while nodes.len() > 1 {
            nodes = level_above(&nodes);
        }
        TigerRoot::from_bytes(nodes[0])
    }

    #[test]
    fn tiger_pads_as_the_original() {
        let hex = |data: &[u8]| data_encoding::HEXLOWER.encode(&Tiger::digest(data));
        assert_eq!(hex(b""), "3293ac630c13f0245f92bbb1766e16167a4e58492dde73f3");
        assert_eq!(
            hex(b"abc"),
            "2aab1484e8c158f2bfb8c5ff41b57a525129131c957b5f93"
        );
    }

    #[test]
    fn roots_match_known_answers() {
        let bytes: Vec<u8> = (0..=255).cycle().take(16_384).collect();
        for (content, root) in [
            (&b""[..], "LWPNACQDBZRYXW3VHJVCJ64QBZNGHOHHHZWCLNQ"),
            (b"\0", "VK54ZIEEVTWNAUI5D5RDFIL37LX2IQNSTAXFKSA"),
            (&[b'A'; 1024], "L66Q4YVNAFWVS23X2HJIRA5ZJ7WXR3F26RSASFA"),
            (&[b'A'; 1025], "PZMRYHGY6LTBEH63ZWAHDORHSYTLO4LEFUIKHWY"),
            (&[b'a'; 1024], "BR4BVJBMHDFVCFI4WBPSL63W5TWXWVBSC574BLI"),
            (&[b'a'; 1025], "CDYY2OW6F6DTGCH3Q6NMSDLSRV7PNMAL3CED3DA"),
            (b"abc", "ASD4UJSEH5M47PDYB46KBTSQTSGDKLBHYXOMUIA"),
            (&[0; 1024], "CMKDYROZKSC6VTM4I7LSMMHPAE4UG3FXPXZGGKY"),
            (&[b'a'; 2048], "YPAYMUL6MIZR2X34IKJON6TN2KPYPNE7IHGP2MQ"),
            (&[b'a'; 2049], "5ROSDZNI2SQAVSITIGLFULZQNFUGPAID2V45YFY"),
            (&[b'a'; 3072], "JCOXR5BFQOLNH6SSQOATE5KHWLUREENKJKPMEMA"),
            (&[b'a'; 5120], "N337WJVOPWSMKRV6XDR7VQXNE726RTDVPPNI6XY"),
            (&bytes, "XSNT63IAMP3IEKB6LL7AZTERKI4UGSSSWFMQ6BQ"),
            (b"hello world", "ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI"),
        ] {
            assert_eq!(tree(content).root().to_string(), root);
        }
    }

    #[test]
    fn the_level_kept_follows_the_size() {
        const KIB: u64 = 1 << 10;
        for (kib, expected) in [
            (0, 0),
            (256, 1),
            (512, 2),
            (1 << 10, 3),
            (32 << 10, 8),
            (64 << 10, 9),
            (256 << 10, 10),
            (1 << 20, 11),
            (4 << 20, 12),
            (64 << 20, 13),
        ] {
            assert_eq!(depth(kib * KIB), expected, "{kib} KiB");
            if kib > 0 {
                assert_eq!(depth(kib * KIB - 1), expected - 1, "below {kib} KiB");
            }
        }
        let tree = tree(&vec![5; 700 << 10]);
        assert_eq!(
            (tree.nodes().len(), tree.node_len(), tree.size()),
            (3, 256 << 10, 700 << 10)
        );
        assert_eq!(tree.root(), plain_root(&vec![5; 700 << 10]));
        assert_eq!(kept_node_len(700 << 10), 256 << 10);
        for size in [0, 1, 1_025, 200 << 10] {
            assert_eq!(kept_node_len(size), LEAF_LEN << top_level(size), "{size}");
        }
        assert_eq!(kept_node_len(1 << 30), 512 << 10);
    }

    #[test]
    fn many_nodes_are_joined_on_the_way() {
        // Content enough is slow to hash, so the hasher is given nodes as if it had.
        let mut hasher = TreeHasher::new();
        let mut nodes: Vec<Node> = Vec::new();
        for number in 0..u64_of(MAX_NODES) + 3 {
            let mut node = [0; 24];
            node[..8].copy_from_slice(&number.to_be_bytes());
            nodes.push(node);
            hasher.put(FIRST_LEVEL, node);
            hasher.size += LEAF_LEN << FIRST_LEVEL;
        }
        assert_eq!(
            (hasher.level, hasher.kept.len()),
            (FIRST_LEVEL + 1, MAX_NODES / 2 + 1)
        );
        let tree = hasher.finish();
        assert_eq!(tree.nodes().len(), (MAX_NODES + 3).div_ceil(16));
        while nodes.len() > 1 {
            nodes = level_above(&nodes);
        }
        assert_eq!(tree.root().as_bytes(), &nodes[0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_cut_of_the_content_gives_the_same_tree(
            size in 0_usize..300_000,
            cuts in proptest::collection::vec(1_usize..70_000, 1..20),
        ) {
            let content: Vec<u8> = (0..=250).cycle().take(size).collect();
            let mut hasher = TreeHasher::new();
            let mut rest = &content[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                hasher.update(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            let tree = hasher.finish();
            prop_assert_eq!(tree.root(), plain_root(&content));
            prop_assert!(tree.nodes().len() <= 1 << depth(tree.size()));
        }
    }
}

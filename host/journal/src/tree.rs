//! The Merkle tree of RFC 6962 over SHA-256. Only its right edge is kept.

use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

/// A node of the tree.
pub(crate) type Node = [u8; 32];

/// The hash of a leaf. The prefix distinguishes leaves from inner nodes.
pub(crate) fn leaf_hash(data: &[u8]) -> Node {
    Sha256::new().chain_update([0u8]).chain_update(data).finalize().into()
}

fn inner_hash(left: &Node, right: &Node) -> Node {
    Sha256::new().chain_update([1u8]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that can grow and compute its root. It can't prove inclusion, which needs the leaves.
///
/// `edge` holds the roots of the complete subtrees from the largest to the smallest: one for each bit that is set in `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    edge: Vec<Node>,
}

impl Tree {
    /// The tree with this size and right edge. `None` if the edge has the wrong length for the size.
    pub(crate) fn from_edge(size: u64, edge: Vec<Node>) -> Option<Self> {
        (u32::try_from(edge.len()).ok()? == size.count_ones()).then_some(Self { size, edge })
    }

    pub(crate) fn push(&mut self, leaf: Node) {
        let mut node = leaf;
        // Each trailing one bit stands for a complete subtree of the same height as `node`.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = inner_hash(&left, &node);
            }
        }
        self.edge.push(node);
        self.size += 1;
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn edge(&self) -> &[Node] {
        &self.edge
    }

    pub(crate) fn root(&self) -> Digest {
        let root = self.edge.iter().rev().copied().reduce(|right, left| inner_hash(&left, &right));
        Digest::from_bytes(root.unwrap_or_else(|| Sha256::digest([]).into()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::wire::unhex;

    /// The inputs of the reference implementation's tests (Certificate Transparency, `merkle_tree_test`).
    const LEAVES: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_reference_implementation() {
        let mut tree = Tree::default();
        assert_eq!(tree.root().as_bytes(), &unhex::<32>(ROOTS[0]).unwrap());
        for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
            tree.push(leaf_hash(leaf));
            assert_eq!(tree.root().as_bytes(), &unhex::<32>(root).unwrap(), "size {}", tree.size());
        }
    }

    /// The definition of RFC 6962, section 2.1, word for word.
    fn by_definition(leaves: &[Node]) -> Node {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                inner_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn roots_agree_with_the_definition_at_every_size() {
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for number in 0u32..300 {
            leaves.push(leaf_hash(&number.to_be_bytes()));
            tree.push(leaves[leaves.len() - 1]);
            assert_eq!(tree.root().as_bytes(), &by_definition(&leaves));
        }
    }

    #[test]
    fn an_edge_of_the_wrong_length_is_refused() {
        assert!(Tree::from_edge(3, vec![[0; 32]]).is_none());
        assert!(Tree::from_edge(3, vec![[0; 32]; 2]).is_some());
    }
}

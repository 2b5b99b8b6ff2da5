//! How a table of what we share is made.

use super::Table;
use crate::wire::qrp_hash::{name_products, product};
use crate::wire::urn::Sha1;

/// Gathers what is shared for a [`Table`].
#[derive(Clone, Debug, Default)]
pub struct TableBuilder {
    products: Vec<u32>,
}

impl TableBuilder {
    /// Adds the words of a file name and the shorter forms of long ones (protocol §7.5).
    pub fn name(&mut self, name: &str) {
        name_products(name, |product| self.products.push(product));
    }

    /// Adds the URN of a file, so that a search for nothing but its hash finds the way (protocol
    /// §7.6).
    pub fn sha1(&mut self, sha1: Sha1) {
        self.products.push(sha1_product(sha1));
    }

    /// The table.
    #[must_use]
    pub fn build(self) -> Table {
        Table::of_products(self.products)
    }
}

/// What the URN of a SHA-1 is looked up by.
pub(super) fn sha1_product(sha1: Sha1) -> u32 {
    product(&format!("urn:sha1:{sha1}"))
}

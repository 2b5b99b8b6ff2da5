//! The flags word of a query (protocol §4.1).

/// What the asker of a query wants and can: the two bytes that once told a minimum speed, read
/// as a big-endian word. The mark that it holds flags is always set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryFlags(u16);

const MARK: u16 = 0x8000;
const FIREWALLED: u16 = 0x4000;
const XML: u16 = 0x2000;
const LEAF_GUIDED: u16 = 0x1000;
const GGEP_HASH: u16 = 0x0800;
const OUT_OF_BAND: u16 = 0x0400;
const FIREWALL_TRANSFER: u16 = 0x0200;
const RELIABLE_UDP: u16 = 0x0100;
const MAX_HITS: u16 = 0x00ff;

impl QueryFlags {
    /// Nothing but the mark.
    #[must_use]
    pub const fn new() -> Self {
        Self(MARK)
    }

    /// The flags that a word on the wire stands for. Zero, which only servents of long ago write,
    /// gives `None`. A word without the mark is either the right one with its bytes swapped, as
    /// some wrote it, or a speed, which says nothing.
    #[must_use]
    pub const fn from_word(word: u16) -> Option<Self> {
        const SURELY: u16 = MARK | GGEP_HASH | LEAF_GUIDED;
        let swapped = word.swap_bytes();
        match word {
            0 => None,
            _ if word & MARK != 0 => Some(Self(word)),
            _ if swapped & SURELY == SURELY => Some(Self(swapped)),
            _ => Some(Self::new()),
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> u16 {
        self.0
    }

    /// The asker cannot be connected to.
    #[must_use]
    pub const fn firewalled(self) -> bool {
        self.0 & FIREWALLED != 0
    }

    /// The asker wants XML metadata.
    #[must_use]
    pub const fn wants_xml(self) -> bool {
        self.0 & XML != 0
    }

    /// The asker, a leaf, tells its ultrapeer how many results it has.
    #[must_use]
    pub const fn leaf_guided(self) -> bool {
        self.0 & LEAF_GUIDED != 0
    }

    /// The asker reads GGEP `H` in hits.
    #[must_use]
    pub const fn ggep_hash(self) -> bool {
        self.0 & GGEP_HASH != 0
    }

    /// The asker wants the answer out of band.
    #[must_use]
    pub const fn out_of_band(self) -> bool {
        self.0 & OUT_OF_BAND != 0
    }

    /// The asker can transfer from firewall to firewall.
    #[must_use]
    pub const fn firewall_transfer(self) -> bool {
        self.0 & FIREWALL_TRANSFER != 0
    }

    /// The asker takes semi-reliable UDP.
    #[must_use]
    pub const fn reliable_udp(self) -> bool {
        self.0 & RELIABLE_UDP != 0
    }

    /// The most hits wanted; none when any number will do.
    #[must_use]
    pub const fn max_hits(self) -> Option<u8> {
        match self.0.to_be_bytes()[1] {
            0 => None,
            hits => Some(hits),
        }
    }

    /// With [`firewalled`](Self::firewalled) as given.
    #[must_use]
    pub const fn with_firewalled(self, on: bool) -> Self {
        self.with(FIREWALLED, on)
    }

    /// With [`wants_xml`](Self::wants_xml) as given.
    #[must_use]
    pub const fn with_xml(self, on: bool) -> Self {
        self.with(XML, on)
    }

    /// With [`leaf_guided`](Self::leaf_guided) as given.
    #[must_use]
    pub const fn with_leaf_guided(self, on: bool) -> Self {
        self.with(LEAF_GUIDED, on)
    }

    /// With [`ggep_hash`](Self::ggep_hash) as given.
    #[must_use]
    pub const fn with_ggep_hash(self, on: bool) -> Self {
        self.with(GGEP_HASH, on)
    }

    /// With [`out_of_band`](Self::out_of_band) as given.
    #[must_use]
    pub const fn with_out_of_band(self, on: bool) -> Self {
        self.with(OUT_OF_BAND, on)
    }

    /// With [`firewall_transfer`](Self::firewall_transfer) as given.
    #[must_use]
    pub const fn with_firewall_transfer(self, on: bool) -> Self {
        self.with(FIREWALL_TRANSFER, on)
    }

    /// With [`max_hits`](Self::max_hits) as given; zero for any number.
    #[must_use]
    pub const fn with_max_hits(self, hits: u8) -> Self {
        Self(self.0 & !MAX_HITS | u16::from_be_bytes([0, hits]))
    }

    const fn with(self, flag: u16, on: bool) -> Self {
        Self(if on { self.0 | flag } else { self.0 & !flag })
    }
}

impl Default for QueryFlags {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_protocol() {
        let flags = QueryFlags::from_word(0xbc00).unwrap();
        assert!(flags.wants_xml() && flags.leaf_guided());
        assert!(flags.ggep_hash() && flags.out_of_band());
        assert!(!flags.firewalled() && !flags.firewall_transfer() && !flags.reliable_udp());
        assert_eq!(flags.max_hits(), None);
        let built = QueryFlags::new()
            .with_xml(true)
            .with_leaf_guided(true)
            .with_ggep_hash(true)
            .with_out_of_band(true);
        assert_eq!(built, flags);
        let built = built
            .with_firewalled(true)
            .with_firewall_transfer(true)
            .with_max_hits(50);
        assert_eq!(built.word(), 0xfe32);
        assert_eq!(built.max_hits(), Some(50));
        assert_eq!(built.with_firewalled(false).word(), 0xbe32);
    }

    #[test]
    fn old_words_are_understood() {
        assert_eq!(QueryFlags::from_word(0), None);
        assert_eq!(QueryFlags::from_word(0x0098), QueryFlags::from_word(0x9800));
        assert_eq!(QueryFlags::from_word(0x0080), Some(QueryFlags::new()));
        assert_eq!(QueryFlags::from_word(0x4c00), Some(QueryFlags::new()));
    }
}

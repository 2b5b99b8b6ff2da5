//! The one-line specification of a generated graph, such as `regular:n=10000,d=4`.

use std::fmt;
use std::str::FromStr;

use rand_pcg::Pcg64Mcg;

use super::{Error, Graph, MAX_EDGES, MAX_NODES, generate};

/// Which graph to generate. Written and read as a name, a colon and `key=value` parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spec {
    /// `ba:n=,m=`: Barabási and Albert's preferential attachment.
    Ba {
        /// Nodes.
        n: u32,
        /// Edges that each new node brings.
        m: u32,
    },
    /// `gnm:n=,m=`: Erdős and Rényi's uniform random graph.
    Gnm {
        /// Nodes.
        n: u32,
        /// Edges.
        m: u32,
    },
    /// `grid:w=,h=`: a grid without wrap-around; node = `w` * row + column.
    Grid {
        /// Columns.
        w: u32,
        /// Rows.
        h: u32,
    },
    /// `plrg:n=,max=,exponent=`: a power-law random graph, with degrees that fall by rank.
    Plrg {
        /// Nodes.
        n: u32,
        /// The degree of the first node.
        max: u32,
        /// The degree of the i-th is `max` / i^`exponent`, 1 at least. The share of nodes with
        /// degree k then falls as k^-(1 + 1/`exponent`).
        exponent: f64,
    },
    /// `regular:n=,d=`: a random graph in which all nodes have the same degree.
    Regular {
        /// Nodes.
        n: u32,
        /// Degree.
        d: u32,
    },
    /// `tree:degree=,depth=`: the tree with root 0 whose inner nodes, root included, all have the
    /// same degree and whose leaves all have the same depth.
    Tree {
        /// Degree of an inner node.
        degree: u32,
        /// Edges from the root to a leaf.
        depth: u32,
    },
    /// `two-tier:n=,ultrapeers=,degree=,parents=`: ultrapeers in a random regular graph, and leaves
    /// that each hang on some of them. Ultrapeers have the first numbers.
    TwoTier {
        /// Nodes.
        n: u32,
        /// The share of them that are ultrapeers, between 0 and 1.
        ultrapeers: f64,
        /// Ultrapeers that each ultrapeer is linked to.
        degree: u32,
        /// Ultrapeers that each leaf is linked to.
        parents: u32,
    },
    /// `ws:n=,k=,p=`: Watts and Strogatz's rewired ring.
    Ws {
        /// Nodes.
        n: u32,
        /// Nearest neighbours that a node begins with.
        k: u32,
        /// Probability that an edge is rewired.
        p: f64,
    },
}

impl Spec {
    /// Makes the graph.
    ///
    /// # Errors
    /// When no graph has these parameters, or it would be too large.
    pub fn build(&self, rng: &mut Pcg64Mcg) -> Result<Graph, Error> {
        self.check()?;
        let (nodes, edges) = match *self {
            Self::Ba { n, m } => (n, generate::ba(n, m, rng)),
            Self::Gnm { n, m } => (n, generate::gnm(n, m, rng)),
            Self::Grid { w, h } => (w * h, generate::grid(w, h)),
            Self::Plrg { n, max, exponent } => (n, generate::plrg(n, max, exponent, rng)),
            Self::Regular { n, d } => (n, generate::regular(n, d, rng)),
            Self::Tree { degree, depth } => generate::tree(degree, depth),
            Self::TwoTier {
                n, degree, parents, ..
            } => {
                let first_leaf = self.first_leaf().expect("two tiers");
                let edges = generate::two_tier(n, first_leaf, degree, parents, rng);
                let graph = Graph::numbered(n as usize, &edges)?;
                return Ok(graph.with_leaves_from(first_leaf));
            }
            Self::Ws { n, k, p } => (n, generate::ws(n, k, p, rng)),
        };
        Graph::numbered(nodes as usize, &edges)
    }

    fn check(&self) -> Result<(), Error> {
        let demand = |condition: bool, reason| {
            let impossible = || Error::Impossible {
                spec: self.to_string(),
                reason,
            };
            condition.then_some(()).ok_or_else(impossible)
        };
        match *self {
            Self::Ba { n, m } => {
                demand(m > 0, "m is at least 1")?;
                demand(m < n, "m is below n")?;
            }
            Self::Gnm { n, m } => {
                demand(u64::from(m) <= generate::pairs(n), "m is at most n(n-1)/2")?;
            }
            Self::Grid { w, h } => demand(w > 0 && h > 0, "w and h are at least 1")?,
            Self::Plrg { n, max, exponent } => {
                demand((1..n).contains(&max), "max is at least 1 and below n")?;
                demand(
                    (0.0..=10.0).contains(&exponent),
                    "the exponent is between 0 and 10",
                )?;
            }
            Self::Regular { n, d } => {
                demand(d < n, "d is below n")?;
                demand(n % 2 == 0 || d % 2 == 0, "n or d is even")?;
            }
            Self::Tree { degree, .. } => demand(degree >= 2, "the degree is at least 2")?,
            Self::TwoTier {
                n,
                ultrapeers,
                degree,
                parents,
            } => {
                demand(
                    (0.0..=1.0).contains(&ultrapeers),
                    "the share of ultrapeers is between 0 and 1",
                )?;
                let count = self.first_leaf().expect("two tiers");
                demand(
                    count > degree,
                    "there are more ultrapeers than their degree",
                )?;
                demand(
                    count.is_multiple_of(2) || degree.is_multiple_of(2),
                    "the number of ultrapeers or their degree is even",
                )?;
                demand(
                    count == n || (1..=count).contains(&parents),
                    "a leaf has at least 1 parent, and at most all ultrapeers",
                )?;
            }
            Self::Ws { n, k, p } => {
                demand(k % 2 == 0, "k is even")?;
                demand(k < n, "k is below n")?;
                demand((0.0..=1.0).contains(&p), "p is between 0 and 1")?;
            }
        }
        let (nodes, edges) = self.size();
        if nodes > MAX_NODES as u64 || edges > MAX_EDGES as u64 {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    /// Nodes and (at most) edges, as far as numbers go.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        match *self {
            Self::Ba { n, m } => (n.into(), u64::from(n) * u64::from(m)),
            Self::Gnm { n, m } => (n.into(), m.into()),
            Self::Grid { w, h } => (u64::from(w) * u64::from(h), 2 * u64::from(w) * u64::from(h)),
            Self::Plrg { n, max, exponent } => (n.into(), rank_stubs(n, max, exponent) / 2),
            Self::Regular { n, d } => (n.into(), u64::from(n) * u64::from(d) / 2),
            Self::Tree { degree, depth } => {
                let mut level = u64::from(degree);
                let mut nodes = 1_u64;
                for _ in 0..depth {
                    nodes = nodes.saturating_add(level);
                    level = level.saturating_mul(u64::from(degree) - 1);
                    if nodes > MAX_NODES as u64 {
                        break;
                    }
                }
                (nodes, nodes - 1)
            }
            Self::TwoTier {
                n, degree, parents, ..
            } => {
                let top = self.first_leaf().expect("two tiers");
                let links = u64::from(top) * u64::from(degree) / 2;
                (n.into(), links + u64::from(n - top) * u64::from(parents))
            }
            Self::Ws { n, k, .. } => (n.into(), u64::from(n) * u64::from(k) / 2),
        }
    }

    /// The number of the first leaf, where there are two tiers.
    fn first_leaf(&self) -> Option<u32> {
        let Self::TwoTier { n, ultrapeers, .. } = *self else {
            return None;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and n, as a cast of a float saturates"
        )]
        let count = (f64::from(n) * ultrapeers).round() as u32;
        Some(count.min(n))
    }
}

/// At least as many stubs as a power-law random graph has: every node up to the next power of two
/// has at most as many as the one at the last.
fn rank_stubs(n: u32, max: u32, exponent: f64) -> u64 {
    let mut stubs = 0;
    let mut first = 0_u32;
    while first < n {
        let behind = first.saturating_mul(2).saturating_add(1).min(n);
        let each = generate::rank_degree(first, max, exponent);
        stubs += u64::from(behind - first) * u64::from(each);
        first = behind;
    }
    stubs
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ba { n, m } => write!(f, "ba:n={n},m={m}"),
            Self::Gnm { n, m } => write!(f, "gnm:n={n},m={m}"),
            Self::Grid { w, h } => write!(f, "grid:w={w},h={h}"),
            Self::Plrg { n, max, exponent } => {
                write!(f, "plrg:n={n},max={max},exponent={exponent}")
            }
            Self::Regular { n, d } => write!(f, "regular:n={n},d={d}"),
            Self::Tree { degree, depth } => write!(f, "tree:degree={degree},depth={depth}"),
            Self::TwoTier {
                n,
                ultrapeers,
                degree,
                parents,
            } => write!(
                f,
                "two-tier:n={n},ultrapeers={ultrapeers},degree={degree},parents={parents}"
            ),
            Self::Ws { n, k, p } => write!(f, "ws:n={n},k={k},p={p}"),
        }
    }
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let read = |topology, usage| Parameters {
            topology,
            usage,
            text: parameters,
        };
        let spec = match name {
            "ba" => {
                let [n, m] = read("ba", "ba:n=NODES,m=EDGES").numbers(["n", "m"])?;
                Self::Ba { n, m }
            }
            "gnm" => {
                let [n, m] = read("gnm", "gnm:n=NODES,m=EDGES").numbers(["n", "m"])?;
                Self::Gnm { n, m }
            }
            "grid" => {
                let [w, h] = read("grid", "grid:w=COLUMNS,h=ROWS").numbers(["w", "h"])?;
                Self::Grid { w, h }
            }
            "plrg" => {
                let parameters = read("plrg", "plrg:n=NODES,max=DEGREE,exponent=EXPONENT");
                let [n, max, exponent] = parameters.values(["n", "max", "exponent"])?;
                Self::Plrg {
                    n: parameters.number("n", n)?,
                    max: parameters.number("max", max)?,
                    exponent: parameters.number("exponent", exponent)?,
                }
            }
            "regular" => {
                let [n, d] = read("regular", "regular:n=NODES,d=DEGREE").numbers(["n", "d"])?;
                Self::Regular { n, d }
            }
            "tree" => {
                let parameters = read("tree", "tree:degree=DEGREE,depth=LEVELS");
                let [degree, depth] = parameters.numbers(["degree", "depth"])?;
                Self::Tree { degree, depth }
            }
            "two-tier" => {
                let parameters = read(
                    "two-tier",
                    "two-tier:n=NODES,ultrapeers=SHARE,degree=DEGREE,parents=ULTRAPEERS",
                );
                let [n, ultrapeers, degree, parents] =
                    parameters.values(["n", "ultrapeers", "degree", "parents"])?;
                Self::TwoTier {
                    n: parameters.number("n", n)?,
                    ultrapeers: parameters.number("ultrapeers", ultrapeers)?,
                    degree: parameters.number("degree", degree)?,
                    parents: parameters.number("parents", parents)?,
                }
            }
            "ws" => {
                let parameters = read("ws", "ws:n=NODES,k=NEIGHBOURS,p=PROBABILITY");
                let [n, k, p] = parameters.values(["n", "k", "p"])?;
                let (n, k) = (parameters.number("n", n)?, parameters.number("k", k)?);
                Self::Ws {
                    n,
                    k,
                    p: parameters.number("p", p)?,
                }
            }
            other => return Err(Error::UnknownTopology(other.chars().take(40).collect())),
        };
        spec.check()?;
        Ok(spec)
    }
}

/// The part of a specification behind its colon.
struct Parameters<'a> {
    topology: &'static str,
    usage: &'static str,
    text: &'a str,
}

impl<'a> Parameters<'a> {
    fn numbers<const N: usize>(&self, keys: [&str; N]) -> Result<[u32; N], Error> {
        let values = self.values(keys)?;
        let mut numbers = [0; N];
        for (number, (key, value)) in numbers.iter_mut().zip(keys.into_iter().zip(values)) {
            *number = self.number(key, value)?;
        }
        Ok(numbers)
    }

    /// The value of each key; every key stands there once, and no other does.
    fn values<const N: usize>(&self, keys: [&str; N]) -> Result<[&'a str; N], Error> {
        let mut values = [None; N];
        for parameter in self
            .text
            .split(',')
            .filter(|parameter| !parameter.is_empty())
        {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let Some(place) = keys.iter().position(|&known| known == key) else {
                return Err(self.error(format!("{key:.40} is unknown")));
            };
            if values[place].replace(value).is_some() {
                return Err(self.error(format!("{key} is given twice")));
            }
        }
        let mut found = [""; N];
        for (found, (value, key)) in found.iter_mut().zip(values.into_iter().zip(keys)) {
            *found = value.ok_or_else(|| self.error(format!("{key} is missing")))?;
        }
        Ok(found)
    }

    fn number<T: FromStr>(&self, key: &str, value: &str) -> Result<T, Error> {
        value
            .parse()
            .map_err(|_| self.error(format!("{value:.40?} is no number for {key}")))
    }

    fn error(&self, problem: String) -> Error {
        Error::Parameters {
            topology: self.topology,
            usage: self.usage,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "ba:n=100,m=3",
            "gnm:n=100,m=250",
            "grid:w=3,h=4",
            "plrg:n=9230,max=1746,exponent=0.8037",
            "regular:n=10000,d=4",
            "tree:degree=4,depth=7",
            "two-tier:n=20000,ultrapeers=0.15,degree=30,parents=3",
            "ws:n=100,k=4,p=0.1",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        assert_eq!("gnm:m=2,n=5".parse(), Ok(Spec::Gnm { n: 5, m: 2 }));
    }

    #[test]
    fn every_bad_specification_says_what_is_wrong() {
        for (text, complaint) in [
            ("", "unknown topology \"\""),
            (
                "ring:n=5",
                "use regular, gnm, ba, ws, plrg, grid, tree or two-tier",
            ),
            ("gnm", "n is missing"),
            ("gnm:n=5", "gnm:n=NODES,m=EDGES: m is missing"),
            ("gnm:n=5,m=2,n=5", "n is given twice"),
            ("gnm:n=5,m=2,d=5", "d is unknown"),
            ("gnm:n=-5,m=2", "\"-5\" is no number for n"),
            ("gnm:n=5,m", "\"\" is no number for m"),
            ("gnm:n=5,m=11", "m is at most n(n-1)/2"),
            ("gnm:n=5000000000,m=1", "is no number for n"),
            ("gnm:n=500000000,m=1", "at most 268435456 nodes"),
            ("ba:n=3,m=3", "m is below n"),
            ("ba:n=3,m=0", "m is at least 1"),
            ("grid:w=0,h=2", "w and h are at least 1"),
            ("regular:n=5,d=3", "n or d is even"),
            ("regular:n=4,d=4", "d is below n"),
            (
                "plrg:n=10,max=10,exponent=1",
                "max is at least 1 and below n",
            ),
            ("plrg:n=10,max=5,exponent=-1", "between 0 and 10"),
            ("plrg:n=200000000,max=100,exponent=0", "at most"),
            ("tree:degree=1,depth=2", "the degree is at least 2"),
            ("tree:degree=5,depth=4000000000", "at most"),
            (
                "two-tier:n=10,ultrapeers=1.5,degree=2,parents=1",
                "the share of ultrapeers is between 0 and 1",
            ),
            (
                "two-tier:n=10,ultrapeers=0.2,degree=2,parents=1",
                "more ultrapeers than their degree",
            ),
            (
                "two-tier:n=10,ultrapeers=0.5,degree=3,parents=1",
                "the number of ultrapeers or their degree is even",
            ),
            (
                "two-tier:n=10,ultrapeers=0.5,degree=2,parents=6",
                "a leaf has at least 1 parent",
            ),
            ("two-tier:n=10,degree=2,parents=1", "ultrapeers is missing"),
            ("ws:n=10,k=3,p=0", "k is even"),
            ("ws:n=10,k=10,p=0", "k is below n"),
            ("ws:n=10,k=4,p=NaN", "p is between 0 and 1"),
        ] {
            let error = text.parse::<Spec>().unwrap_err().to_string();
            assert!(error.contains(complaint), "{text}: {error}");
        }
    }
}

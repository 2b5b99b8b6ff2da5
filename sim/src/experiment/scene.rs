//! What a replica is about, the same for every variant: who holds what, and who asks for it.

use filbert::topology::Graph;
use filbert::wire::query::Query;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::census::Census;
use super::file::{Content, File, From};
use super::workload::Sharing;
use crate::Error;
use crate::contents::{self, Contents, Placement, Sharers, power_sums, word, zipf};
use crate::random::{Purpose, generator};
use crate::replay::Workload;

/// Contents and questions.
#[derive(Debug)]
pub(super) struct Scene {
    /// What everybody shares.
    pub contents: Contents,
    /// All searches, those of servents that are gone included.
    questions: Vec<Question>,
    /// Who holds each of the files that are searched for; of none where there are no files.
    pub holders: Vec<Vec<u32>>,
    /// How unequal the shares are, where the experiment says so.
    pub census: Option<Census>,
}

/// One search to be made.
#[derive(Debug)]
pub(super) struct Question {
    /// Who asks.
    pub source: u32,
    /// For what.
    pub query: Query,
    /// What that is called in rows.
    pub file: String,
    /// The place of the file among all.
    pub place: usize,
    /// Whether who asks is there.
    asked: bool,
}

/// Files that are one in rows.
struct Group<'a> {
    name: &'a str,
    /// The place of the first.
    first: usize,
    /// By which sums one of them is drawn; empty where there is no other.
    popularity: Vec<f64>,
}

impl Scene {
    /// Gives everybody files and draws who asks.
    ///
    /// # Errors
    /// When nobody could ask.
    pub(super) fn set(file: &File, graph: &Graph, seed: u64) -> Result<Self, Error> {
        let rng = &mut generator(seed, Purpose::Contents);
        let leaves: Vec<u32> = graph.iter().filter(|&node| graph.is_leaf(node)).collect();
        let servents = if leaves.is_empty() {
            graph.iter().collect()
        } else {
            leaves
        };
        let among = (file.sharing != Sharing::All).then(|| servents.clone());
        let sharers = file.sharing.among(servents, rng);
        let mut placement = Placement::default();
        let recorded = recorded(file, graph)?;
        let groups = match &recorded {
            Some(workload) => {
                for &copies in &workload.copies {
                    let placed = placement.file(&name(placement.files()));
                    placement.scatter(placed, copies, &sharers, rng);
                }
                Vec::new()
            }
            None => place(file, &sharers, &mut placement, rng),
        };
        let wanted = placement.files();
        fill(file, &sharers, &mut placement, rng);
        let contents = placement.settle(graph.nodes());
        let mut holders = contents.all_holders(wanted);
        if holders.is_empty() {
            // Nobody holds what is asked for.
            holders.push(Vec::new());
        }
        let mut questions = Vec::new();
        for search in recorded.iter().flat_map(|workload| &workload.searches) {
            questions.push(Question {
                source: search.servent,
                query: Query::keywords(&name(search.file)).expect("plain words are a query"),
                file: String::new(),
                place: search.file,
                asked: true,
            });
        }
        let askers = askers(file, graph)?;
        let rng = &mut generator(seed, Purpose::Askers);
        for group in groups {
            for _ in 0..file.queries.each {
                let source = askers[rng.random_range(0..askers.len())];
                let place = match &group.popularity[..] {
                    [] => group.first,
                    popularity => group.first + zipf(popularity, rng),
                };
                let text = if wanted == 0 {
                    NOWHERE.to_owned()
                } else {
                    name(place)
                };
                questions.push(Question {
                    source,
                    query: Query::keywords(&text).expect("plain words are a query"),
                    file: group.name.to_owned(),
                    place,
                    asked: true,
                });
            }
        }
        Ok(Self {
            census: among.map(|among| Census::of(&contents, &among)),
            contents,
            questions,
            holders,
        })
    }

    /// Some servents are gone: they neither ask nor answer.
    pub(super) fn suffer(&mut self, stays: impl Fn(u32) -> bool) {
        for held in &mut self.holders {
            held.retain(|&node| stays(node));
        }
        for question in &mut self.questions {
            question.asked = stays(question.source);
        }
    }

    /// The searches to be made, by number.
    pub(super) fn questions(&self) -> impl Iterator<Item = (u64, &Question)> {
        (0..)
            .zip(&self.questions)
            .filter(|(_, question)| question.asked)
    }

    /// How many servents hold what a question is for, without the one that asks.
    pub(super) fn others_holding(&self, question: &Question) -> u64 {
        let holders = self.holders[question.place].iter();
        holders.filter(|&&node| node != question.source).count() as u64
    }
}

/// The searches that were recorded, if any were.
fn recorded(file: &File, graph: &Graph) -> Result<Option<Workload>, Error> {
    let paths = &file.queries.recorded;
    if paths.is_empty() {
        return Ok(None);
    }
    if paths.len() > graph.nodes() {
        return Err(Error::Recordings {
            recordings: paths.len(),
            nodes: graph.nodes(),
        });
    }
    let folder = &file.network.folder;
    Workload::read(paths.iter().map(|path| folder.join(path))).map(Some)
}

/// Places the files that are searched for.
fn place<'a>(
    file: &'a File,
    sharers: &Sharers,
    placement: &mut Placement,
    rng: &mut Pcg64Mcg,
) -> Vec<Group<'a>> {
    let mut groups = Vec::new();
    let mut add = |copies: usize| {
        let placed = placement.file(&name(placement.files()));
        placement.scatter(placed, copies, sharers, rng);
        placed as usize
    };
    for content in &file.files {
        groups.push(Group {
            name: &content.name,
            first: add(copies(content, sharers.len())),
            popularity: Vec::new(),
        });
    }
    for catalogue in &file.catalogues {
        let copies = catalogue.allot(sharers.len());
        let placed: Vec<usize> = copies.into_iter().map(&mut add).collect();
        groups.push(Group {
            name: &catalogue.name,
            first: placed[0],
            popularity: power_sums(catalogue.files, catalogue.popularity),
        });
    }
    if groups.is_empty() {
        groups.push(Group {
            name: "",
            first: 0,
            popularity: Vec::new(),
        });
    }
    groups
}

/// The name of a file that is searched for.
fn name(place: usize) -> String {
    contents::name(u32::try_from(place).expect("as many files fit into memory"))
}

/// How many of so many servents hold a file.
fn copies(content: &Content, servents: usize) -> usize {
    match (content.copies, content.share) {
        (Some(copies), _) => copies as usize,
        (None, share) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a count"
            )]
            let copies = (servents as f64 * share.unwrap_or(0.0)).round() as usize;
            copies
        }
    }
}

/// Gives everybody who shares the files that are only there.
fn fill(file: &File, sharers: &Sharers, placement: &mut Placement, rng: &mut Pcg64Mcg) {
    let Some(background) = &file.background else {
        return;
    };
    // The first words are those of the files searched for: nothing else has them.
    let first = 2 * u32::try_from(placement.files()).expect("as many files fit into memory");
    let ranks = power_sums(background.vocabulary, 1.0);
    let words: Vec<String> = (0..background.vocabulary)
        .map(|rank| word(first + rank))
        .collect();
    for &node in sharers.nodes() {
        for _ in 0..background.files {
            let name: Vec<&str> = (0..background.words)
                .map(|_| words[zipf(&ranks, rng)].as_str())
                .collect();
            let placed = placement.file(&name.join(" "));
            placement.give(placed, node);
        }
    }
}

/// Who may ask.
fn askers(file: &File, graph: &Graph) -> Result<Vec<u32>, Error> {
    let linked = graph.iter().filter(|&node| graph.degree(node) > 0);
    let askers: Vec<u32> = match file.queries.from {
        From::Anyone => linked.collect(),
        From::Leaves => linked.filter(|&node| graph.is_leaf(node)).collect(),
        From::Ultrapeers => linked.filter(|&node| !graph.is_leaf(node)).collect(),
        From::Node(number) => linked.filter(|&node| node == number).collect(),
    };
    if askers.is_empty() {
        return Err(Error::NoAsker {
            graph: file.network.name(),
            from: format!("{:?}", file.queries.from),
        });
    }
    Ok(askers)
}

/// A word that no file has.
const NOWHERE: &str = "filbert";

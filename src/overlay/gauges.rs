//! What a servent holds now, as numbers for whoever watches it.

use super::query_routing::Table;
use super::stats::Sample;
use super::{Membership, Role, Servent};

impl Servent {
    /// What it holds now, under the names by which metrics know it.
    #[must_use]
    pub fn gauges(&self) -> Vec<Sample> {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let role = |role| {
            self.neighbours
                .iter()
                .filter(move |one| one.offer.role == role)
        };
        let (leaves, ultrapeers) = (role(Role::Leaf), role(Role::Ultrapeer));
        let congested = self.neighbours.iter().filter(|one| one.congested);
        let help = "neighbours";
        let mut gauges = vec![
            Sample::gauge("neighbours", help, "ultrapeers", number(ultrapeers.count())),
            Sample::gauge("neighbours", help, "leaves", number(leaves.count())),
            Sample::gauge("neighbours", help, "congested", number(congested.count())),
            Sample::gauge(
                "remembered",
                "GUIDs remembered",
                "routes",
                number(self.routes.len()),
            ),
        ];
        let help = "entries of tables";
        for (table, count) in self.held() {
            gauges.push(Sample::gauge("held", help, table, number(count)));
        }
        let Some(routing) = &self.routing else {
            return gauges;
        };
        let tables = routing.tables();
        for (of, tables) in &tables {
            let help = "routing tables known";
            gauges.push(Sample::gauge(
                "routing_tables",
                help,
                of,
                number(tables.len()),
            ));
        }
        for (of, tables) in &tables {
            if !tables.is_empty() {
                let help = "mean share of slots present in them, in thousandths";
                gauges.push(Sample::gauge("routing_fill", help, of, fill(tables)));
            }
        }
        gauges
    }

    /// Entries of the tables that are not counted elsewhere, by name.
    fn held(&self) -> Vec<(&'static str, usize)> {
        let searches = self.searches.as_ref().map_or(0, |all| all.len());
        let dynamic = self.dynamic.as_ref().map_or(0, |all| all.len());
        let askers = self.scrutiny.as_ref().map_or(0, |all| all.askers());
        let hits = self.hit_throttle.as_ref().map_or(0, |all| all.len());
        let mut held = vec![
            ("searches", searches),
            ("dynamic_queries", dynamic),
            ("askers", askers),
            ("hit_queries", hits),
        ];
        held.extend(self.talk_held());
        held.extend(self.membership().into_iter().flat_map(Membership::held));
        held
    }
}

/// The mean fill of tables, in thousandths.
fn fill(tables: &[&Table]) -> u64 {
    let thousandths =
        |table: &&Table| u64::from(table.present()) * 1_000 / u64::from(table.slots()).max(1);
    let sum: u64 = tables.iter().map(thousandths).sum();
    sum / u64::try_from(tables.len()).unwrap_or(u64::MAX).max(1)
}

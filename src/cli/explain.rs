//! `filbert search --explain`: what is asked, and what came of it on the way.

use super::Context;
use super::exit::Failure;
use super::output;
use crate::api::client::Client;
use crate::api::{Counter, CounterKind, SearchRequest};
use crate::wire::query::Query;
use crate::wire::words::{canonical, words};

/// What the servent had counted before a search.
#[derive(Debug)]
pub(super) struct Explanation(Vec<Counter>);

impl Explanation {
    /// Says what will be asked.
    pub(super) async fn begin(
        context: &Context,
        request: &SearchRequest,
        client: &Client,
    ) -> Result<Self, Failure> {
        // A URN or a magnet link says itself what it asks for.
        if !request.query.contains(':')
            && let Ok(query) = Query::keywords(&request.query)
        {
            let form = canonical(query.search_text());
            let words: Vec<&str> = words(&form).collect();
            let routed = words.iter().filter(|word| word.len() >= 3).count();
            context.tell(&format!(
                "filbert: asked is \"{}\"; every word must begin a word of the name: {}; \
                 {routed} of {} are long enough to be routed by",
                output::plain(query.search_text()),
                words.join(", "),
                words.len(),
            ));
        }
        Ok(Self(client.counters().await?))
    }

    /// Says what the servent counted since, of this search and whatever else went on.
    pub(super) async fn finish(self, context: &Context, client: &Client) -> Result<(), Failure> {
        for now in client.counters().await? {
            let same = |before: &&Counter| before.name == now.name && before.labels == now.labels;
            let before = self.0.iter().find(same).map_or(0, |before| before.value);
            let risen = now.value.saturating_sub(before);
            if now.kind == CounterKind::Counter && risen > 0 {
                context.tell(&format!("{:<24}{:<36}{risen}", now.name, now.label()));
            }
        }
        Ok(())
    }
}

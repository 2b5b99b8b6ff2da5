//! `filbert counters`: what the daemon counted.

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};

pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let counters = context.client()?.counters().await?;
    if context.json {
        output::json(&counters)?;
        return Ok(Exit::Ok);
    }
    let columns = [
        ("counter", Align::Left),
        ("of", Align::Left),
        ("number", Align::Right),
    ];
    let counted = counters.iter().filter(|counter| counter.value > 0);
    let rows = counted.map(|counter| {
        vec![
            counter.name.clone(),
            counter.label(),
            counter.value.to_string(),
        ]
    });
    output::table(&columns, &rows.collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

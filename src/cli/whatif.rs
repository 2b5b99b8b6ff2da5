//! `filbert whatif`: what queries would reach and cost.

use clap::Args;

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use crate::api::{Likely, Ttls};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The TTLs, such as 1-4
    #[arg(long, value_name = "A-B", default_value = "1-7")]
    ttl: String,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    if let Err(problem) = arguments.ttl.parse::<Ttls>() {
        return Err(Failure::new(Exit::Usage, problem));
    }
    let forecasts = context.client()?.whatif(&arguments.ttl).await?;
    if context.json {
        output::json(&forecasts)?;
        return Ok(Exit::Ok);
    }
    let columns = [
        ("TTL", Align::Right),
        ("reaches", Align::Right),
        ("between", Align::Right),
        ("costs", Align::Right),
        ("between", Align::Right),
    ];
    let between = |likely: Likely| format!("{} - {}", likely.low, likely.high);
    let rows = forecasts.into_iter().map(|one| {
        vec![
            one.ttl.to_string(),
            one.reach.mean.to_string(),
            between(one.reach),
            one.cost.mean.to_string(),
            between(one.cost),
        ]
    });
    output::table(&columns, &rows.collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}

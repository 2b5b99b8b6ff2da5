//! `filbert magnet`: magnet links of files.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use super::hash::hash_all;
use super::{Context, output};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let (hashed, exit) = hash_all(context, &arguments.files);
    if context.json {
        output::json(&hashed)?;
    } else {
        for file in hashed {
            output::line(&file.magnet)?;
        }
    }
    Ok(exit)
}

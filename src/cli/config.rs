//! `filbert config`: the settings file.

use clap::{Args, Subcommand};

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{self, Align};
use crate::config::{Config, Error, Origin};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print where the settings file is looked for
    Path,
    /// Print every setting
    Show(Show),
    /// Say whether the settings file is sound
    Check,
}

#[derive(Args, Debug)]
pub(super) struct Show {
    /// With where each comes from
    #[arg(long)]
    origin: bool,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<Exit, Failure> {
    let path = &context.settings;
    match command {
        Command::Path => {
            output::line(&path.display().to_string())?;
        }
        Command::Show(Show { origin }) => {
            let settings = Config::settings(path)?;
            if context.json {
                output::json(&settings)?;
                return Ok(Exit::Ok);
            }
            let rows: Vec<Vec<String>> = settings
                .into_iter()
                .map(|setting| {
                    let origin = match setting.origin {
                        Origin::Default => "default",
                        Origin::File => "file",
                    };
                    vec![setting.name, setting.value, origin.to_owned()]
                })
                .collect();
            let columns = [
                ("setting", Align::Left),
                ("value", Align::Right),
                ("origin", Align::Left),
            ];
            let shown = if *origin { 3 } else { 2 };
            output::table(&columns[..shown], &rows)?;
        }
        Command::Check => {
            Config::load(path)?;
            let there = path.exists();
            context.tell(&match there {
                true => format!("filbert: {} is sound", path.display()),
                false => format!(
                    "filbert: there is no {}, so all is as by default",
                    path.display()
                ),
            });
        }
    }
    Ok(Exit::Ok)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error {
            Error::Unreadable { .. } => Exit::Error,
            Error::Wrong { .. } => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

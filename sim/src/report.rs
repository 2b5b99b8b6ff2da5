//! Rows and the run, printed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::arguments::Format;

/// What one flood did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The graph's name.
    pub graph: String,
    /// The id of the node that searched.
    pub source: u64,
    /// The TTL that the query began with.
    pub ttl: u8,
    /// Servents that got the query, without the source.
    pub reached: u64,
    /// Copies of the query that were sent.
    pub messages: u64,
    /// Copies that came to a servent that had it already: `messages - reached`.
    pub duplicates: u64,
}

/// What a whole run cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Seconds of the floods, graph and servents already built.
    pub seconds: f64,
    /// Copies of queries sent in all.
    pub messages: u64,
    /// Copies a second.
    pub messages_per_second: u64,
    /// Most memory that was ever resident; none where the system does not tell.
    pub peak_bytes: Option<u64>,
    /// Memory that a servent took with its links and the graph; none likewise.
    pub bytes_per_servent: Option<u64>,
    /// Threads that flooded.
    pub threads: usize,
    /// The seed.
    pub seed: u64,
}

/// Prints rows, and in JSON the run.
///
/// # Errors
/// Those of `out`.
pub fn write(rows: &[Row], run: &Run, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Table => table(rows, out),
        Format::Csv => csv(rows, out),
        Format::Json => json(rows, run, out),
    }
}

/// Prints the run for people.
///
/// # Errors
/// Those of `out`.
pub fn write_run(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let bytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string());
    writeln!(out, "seconds             {:.3}", run.seconds)?;
    writeln!(out, "QUERY copies        {}", run.messages)?;
    writeln!(out, "copies a second     {}", run.messages_per_second)?;
    writeln!(out, "peak memory, bytes  {}", bytes(run.peak_bytes))?;
    writeln!(out, "bytes a servent     {}", bytes(run.bytes_per_servent))?;
    writeln!(out, "threads             {}", run.threads)?;
    writeln!(out, "seed                {}", run.seed)
}

fn table(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    writeln!(out, "{}\n", first.graph)?;
    line(out, ["source", "ttl", "reached", "messages", "duplicates"])?;
    let mut by_ttl: BTreeMap<u8, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let Row {
            source,
            ttl,
            reached,
            messages,
            duplicates,
            ..
        } = row;
        line(
            out,
            [source, &u64::from(*ttl), reached, messages, duplicates],
        )?;
        by_ttl.entry(*ttl).or_default().push(row);
    }
    if by_ttl.len() == rows.len() {
        return Ok(());
    }
    writeln!(out, "\nmean over {} sources", rows.len() / by_ttl.len())?;
    for (ttl, rows) in by_ttl {
        let mean = |count: fn(&Row) -> u64| {
            let sum: u64 = rows.iter().map(|row| count(row)).sum();
            format!("{:.1}", sum as f64 / rows.len() as f64)
        };
        let (reached, messages) = (mean(|row| row.reached), mean(|row| row.messages));
        let duplicates = mean(|row| row.duplicates);
        line(
            out,
            ["", &ttl.to_string(), &reached, &messages, &duplicates],
        )?;
    }
    Ok(())
}

fn line(out: &mut impl Write, cells: [impl std::fmt::Display; 5]) -> io::Result<()> {
    let [source, ttl, reached, messages, duplicates] = cells;
    writeln!(
        out,
        "{source:>10} {ttl:>4} {reached:>12} {messages:>12} {duplicates:>12}"
    )
}

fn csv(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in rows {
        writer.serialize(row).map_err(io_error)?;
    }
    writer.flush()
}

fn json(rows: &[Row], run: &Run, out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        rows: &'a [Row],
        run: &'a Run,
    }
    serde_json::to_writer(&mut *out, &Report { rows, run })?;
    writeln!(out)
}

/// The error below, so that a closed pipe is told from others.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |source, ttl, reached, messages| Row {
            graph: "gnm:n=4,m=5".to_owned(),
            source,
            ttl,
            reached,
            messages,
            duplicates: messages - reached,
        };
        vec![
            row(1, 1, 2, 2),
            row(1, 2, 3, 5),
            row(3, 1, 3, 3),
            row(3, 2, 3, 7),
        ]
    }

    fn run() -> Run {
        Run {
            seconds: 0.5,
            messages: 17,
            messages_per_second: 34,
            peak_bytes: Some(1 << 20),
            bytes_per_servent: None,
            threads: 1,
            seed: 7,
        }
    }

    fn written(format: Format) -> String {
        let mut out = Vec::new();
        write(&rows(), &run(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_the_header_of_the_reference() {
        let csv = written(Format::Csv);
        assert!(csv.starts_with(
            "graph,source,ttl,reached,messages,duplicates\n\"gnm:n=4,m=5\",1,1,2,2,0\n"
        ));
        assert_eq!(csv.lines().count(), 5);
    }

    #[test]
    fn json_holds_rows_and_run() {
        let json = written(Format::Json);
        assert!(json.starts_with(
            r#"{"rows":[{"graph":"gnm:n=4,m=5","source":1,"ttl":1,"reached":2,"messages":2,"duplicates":0},"#
        ));
        assert!(json.ends_with(
            "\"run\":{\"seconds\":0.5,\"messages\":17,\"messages_per_second\":34,\
             \"peak_bytes\":1048576,\"bytes_per_servent\":null,\"threads\":1,\"seed\":7}}\n"
        ));
    }

    #[test]
    fn the_table_ends_with_means() {
        let table = written(Format::Table);
        assert!(table.contains("mean over 2 sources"));
        assert!(
            table.ends_with("   2          3.0          6.0          3.0\n"),
            "{table}"
        );
    }
}

//! The points of a sweep: an experiment whose `[sweep]` lists values for some of its settings is
//! as many experiments as there are combinations of them.
//!
//! A setting is named by its path: `network.topology`, `replicas`, or `variant.flood.ttl` for the
//! variant of that name. The last of them changes fastest.

use toml::{Table, Value};

use super::File;

/// One combination of values.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its number, from 0.
    pub number: usize,
    /// What is set, and to what.
    pub settings: Vec<(String, String)>,
    /// The experiment with these settings.
    pub file: File,
}

/// All points of an experiment: one where nothing is swept.
///
/// # Errors
/// What is wrong with the file, or with what it is at one of its points.
pub fn points(text: &str) -> Result<Vec<Point>, String> {
    let file = File::parse(text)?;
    let Some(swept) = &file.sweep else {
        return Ok(vec![Point {
            number: 0,
            settings: Vec::new(),
            file,
        }]);
    };
    let mut lists = Vec::new();
    collect(swept, "", &mut lists)?;
    let mut combinations = vec![Vec::new()];
    for (path, values) in &lists {
        if combinations.len().saturating_mul(values.len()) > MOST {
            return Err(format!("the sweep has more than {MOST} points"));
        }
        combinations = combinations
            .iter()
            .flat_map(|before| {
                values.iter().map(move |value| {
                    let mut longer = before.clone();
                    longer.push((path.clone(), value.clone()));
                    longer
                })
            })
            .collect();
    }
    let mut table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    table.remove("sweep");
    combinations
        .into_iter()
        .enumerate()
        .map(|(number, combination)| point(&table, number, combination))
        .collect()
}

fn point(table: &Table, number: usize, combination: Vec<(String, Value)>) -> Result<Point, String> {
    let mut root = Value::Table(table.clone());
    let mut settings = Vec::new();
    for (path, value) in combination {
        let shown = match &value {
            Value::String(text) => text.clone(),
            other => serde_json::to_string(other).map_err(|error| error.to_string())?,
        };
        set(&mut root, &path, value)?;
        settings.push((path, shown));
    }
    let in_point = |problem| format!("at point {number} of the sweep: {problem}");
    let file: File = root
        .try_into()
        .map_err(|error: toml::de::Error| in_point(error.message().to_owned()))?;
    file.check().map_err(in_point)?;
    Ok(Point {
        number,
        settings,
        file,
    })
}

/// The lists below a table, each with its path.
fn collect(
    table: &Table,
    above: &str,
    lists: &mut Vec<(String, Vec<Value>)>,
) -> Result<(), String> {
    for (key, value) in table {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            Value::Table(below) => collect(below, &path, lists)?,
            Value::Array(values) if !values.is_empty() => lists.push((path, values.clone())),
            _ => return Err(format!("sweep.{path} is no list of values")),
        }
    }
    Ok(())
}

/// Sets what a path leads to. In a list of tables a step is the name of one.
fn set(root: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let lost = || format!("sweep.{path} leads to no setting");
    let mut here = root;
    let mut steps: Vec<&str> = path.split('.').collect();
    let last = steps.pop().ok_or_else(lost)?;
    for step in steps {
        here = match here {
            Value::Table(table) => table.get_mut(step),
            Value::Array(list) => list
                .iter_mut()
                .find(|item| item.get("name").and_then(Value::as_str) == Some(step)),
            _ => None,
        }
        .ok_or_else(lost)?;
    }
    here.as_table_mut()
        .ok_or_else(lost)?
        .insert(last.to_owned(), value);
    Ok(())
}

/// The most points that a sweep has.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"
        title = "swept"
        [network]
        topology = "grid:w=3,h=3"
        [queries]
        each = 2
        from = "anyone"
        [[variant]]
        name = "flood"
        strategy = "flood"
        ttl = 7
    "#;

    #[test]
    fn every_combination_is_a_point() {
        let swept = "[sweep]\nreplicas = [1, 2]\nvariant.flood.ttl = [3, 4, 5]\n";
        let points = points(&format!("{BASE}\n{swept}")).unwrap();
        let seen: Vec<(u32, u8)> = points
            .iter()
            .map(|point| (point.file.replicas, point.file.variants[0].ttl))
            .collect();
        assert_eq!(seen, [(1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)]);
        let set = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let settings = [set("replicas", "2"), set("variant.flood.ttl", "3")];
        assert_eq!(
            (points[3].number, &points[3].settings[..]),
            (3, &settings[..])
        );
    }

    #[test]
    fn a_file_without_a_sweep_has_one_point() {
        assert_eq!(points(BASE).unwrap().len(), 1);
    }

    #[test]
    fn a_sweep_of_nothing_is_refused() {
        for (swept, complaint) in [
            ("replicas = 3", "sweep.replicas is no list"),
            ("variant.ring.ttl = [3]", "sweep.variant.ring.ttl leads to"),
            (
                "network.wire = [true]",
                "at point 0 of the sweep: unknown field",
            ),
            (
                "variant.flood.ttl = [3, 99]",
                "at point 1 of the sweep: the ttl",
            ),
        ] {
            let error = points(&format!("{BASE}\n[sweep]\n{swept}\n")).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }
}

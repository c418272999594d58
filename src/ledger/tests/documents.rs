//! The documents say what is there.

use rusqlite::Connection;

use crate::ledger::samples::*;
use crate::ledger::{LEDGER_FILE, Ledger};
use crate::model::{Code, Verdict};

const TABLES: &str = include_str!("../../../docs/LEDGER.md");
const REPORTS: &str = include_str!("../../../reports/README.md");

#[test]
fn every_table_and_column_is_described() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), small_run());
    let connection = Connection::open(folder.path().join(LEDGER_FILE)).unwrap();
    let mut select = connection
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_xinfo(t.name) AS c \
             WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'sqlite_%'",
        )
        .unwrap();
    let columns: Vec<(String, String)> = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(columns.len() > 80);
    for (table, column) in columns {
        let heading = format!("## `{table}`");
        let section = TABLES
            .split("\n## ")
            .find(|section| format!("## {section}").starts_with(&heading));
        let section = section.unwrap_or_else(|| panic!("{table} is not described"));
        assert!(
            section.contains(&format!("`{column}`")),
            "{table}.{column} is not described"
        );
    }
}

#[test]
fn the_five_queries_of_the_reports_page_run_and_find_something() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path(), &manifest()).unwrap();
    tell(&ledger, small_run());
    let findings = [finding(Code::WrongOwner, 3)];
    ledger
        .store_judgement(Verdict::Fail, &[], &findings)
        .unwrap();
    ledger.finish().unwrap();
    let connection = Connection::open(folder.path().join(LEDGER_FILE)).unwrap();
    let queries: Vec<&str> = REPORTS
        .split("```sql\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(queries.len(), 5);
    for query in queries {
        let mut select = connection.prepare(query).unwrap();
        let mut rows = select.query([]).unwrap();
        let mut count = 0;
        while rows.next().unwrap().is_some() {
            count += 1;
        }
        assert!(count > 0, "finds nothing: {query}");
    }
}

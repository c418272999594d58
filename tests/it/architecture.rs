//! The house rules that a reader of the source can see: who uses whom, and how long files are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Room → the rooms it may use, from the table in `docs/ARCHITECTURE.md`.
fn allowed_uses() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let room = cells[0].trim_matches('`').to_owned();
        let uses = cells[3]
            .split(',')
            .map(str::trim)
            .filter(|name| *name != "–");
        (room, uses.map(str::to_owned).collect())
    })
    .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The source without its test modules: everything before the first `#[cfg(test)]`.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or(source)
}

/// The room that a file of `src/` belongs to; `None` for the crate's roots.
fn room_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(Path::new(ROOT).join("src")).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    let room = first.trim_end_matches(".rs");
    (room != "main" && room != "lib").then(|| room.to_owned())
}

/// A file that a `#[cfg(test)] mod name;` declares is test code as a whole.
fn is_test_file(file: &Path) -> bool {
    file.components().any(|part| {
        let name = part.as_os_str().to_str().unwrap();
        matches!(name, "tests" | "tests.rs") || name.ends_with("_tests.rs")
    })
}

fn rooms_named_in(source: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for line in source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            named.insert(name);
        }
    }
    named.remove("");
    named
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let allowed = allowed_uses();
    let mut wrong = Vec::new();
    for file in rust_files(&Path::new(ROOT).join("src")) {
        let Some(room) = room_of(&file) else { continue };
        if is_test_file(&file) {
            continue;
        }
        let Some(allowed) = allowed.get(&room) else {
            wrong.push(format!(
                "{}: room `{room}` is not in the table",
                file.display()
            ));
            continue;
        };
        let source = fs::read_to_string(&file).unwrap();
        for used in rooms_named_in(without_tests(&source)) {
            if used != room
                && used != "model"
                && !allowed.contains("all")
                && !allowed.contains(&used)
            {
                wrong.push(format!("{}: `{room}` may not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_and_the_library_list_the_same_rooms_in_the_same_order_of_purity() {
    let library = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    let declared: BTreeSet<String> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    let in_table: BTreeSet<String> = allowed_uses().into_keys().collect();
    assert_eq!(declared, in_table);

    let page = fs::read_to_string(Path::new(ROOT).join("docs/ARCHITECTURE.md")).unwrap();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let declaration = format!("pub mod {};", cells[0].trim_matches('`'));
        let behind_shell = library.contains(&format!("#[cfg(feature = \"shell\")]\n{declaration}"));
        assert_eq!(behind_shell, cells[1] == "no", "{}", cells[0]);
    }
}

#[test]
fn the_lab_is_known_to_the_command_line_only() {
    let users: Vec<PathBuf> = rust_files(&Path::new(ROOT).join("src"))
        .into_iter()
        .filter(|file| room_of(file).is_some_and(|room| room != "lab" && room != "cli"))
        .filter(|file| {
            let source = fs::read_to_string(file).unwrap();
            rooms_named_in(without_tests(&source)).contains("lab")
        })
        .collect();
    assert!(users.is_empty(), "{users:?}");
}

#[test]
fn the_check_of_uses_can_fail() {
    let named =
        rooms_named_in("use crate::lab::Fault;\n// crate::drive\nlet x = crate::stats::y();");
    assert_eq!(
        named,
        BTreeSet::from(["lab".to_owned(), "stats".to_owned()])
    );
}

#[test]
fn vague_rooms_do_not_exist() {
    for file in rust_files(&Path::new(ROOT).join("src")) {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        assert!(
            !["util", "utils", "common", "helpers", "types", "manager"].contains(&stem),
            "{}",
            file.display()
        );
    }
}

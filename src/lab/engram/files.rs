//! Temporary files by the name of the upload, which uploads of one name share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The files that uploads have not read yet.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<HashMap<String, File>>);

#[derive(Debug)]
struct File {
    author: Arc<str>,
    chunks: Arc<Vec<String>>,
    /// Uploads that have written and not read.
    readers: u32,
}

impl Files {
    /// Writes a file; one of this name is replaced.
    pub(super) fn write(&self, name: &str, author: &Arc<str>, chunks: &Arc<Vec<String>>) {
        let mut files = self.lock();
        let readers = files.get(name).map_or(0, |file| file.readers);
        let file = File {
            author: Arc::clone(author),
            chunks: Arc::clone(chunks),
            readers: readers + 1,
        };
        files.insert(name.to_owned(), file);
    }

    /// Reads the file of this name, once for each time it was written, with who wrote it last.
    pub(super) fn read(&self, name: &str) -> Option<(Arc<str>, Arc<Vec<String>>)> {
        let mut files = self.lock();
        let file = files.get_mut(name)?;
        file.readers -= 1;
        let read = (Arc::clone(&file.author), Arc::clone(&file.chunks));
        if file.readers == 0 {
            files.remove(name);
        }
        Some(read)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_bytes_are_read_by_both() {
        let files = Files::default();
        let chunks = |text: &str| Arc::new(vec![text.to_owned()]);
        files.write("notes.txt", &"a".into(), &chunks("of a"));
        files.write("other.txt", &"c".into(), &chunks("of c"));
        files.write("notes.txt", &"b".into(), &chunks("of b"));
        for _ in 0..2 {
            assert_eq!(files.read("notes.txt"), Some(("b".into(), chunks("of b"))));
        }
        assert_eq!(files.read("notes.txt"), None);
        assert_eq!(files.lock().len(), 1);
    }
}

//! Temporary files by the name of the upload, which uploads of one name share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
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
    taken: Taken,
}

/// Has somebody else indexed what was written here?
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<AtomicBool>);

impl Taken {
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What was read, and who wrote it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) author: Arc<str>,
    pub(super) chunks: Arc<Vec<String>>,
    pub(super) taken: Taken,
}

impl Files {
    /// Writes a file; one of this name is replaced.
    pub(super) fn write(&self, name: &str, author: &Arc<str>, chunks: &Arc<Vec<String>>) -> Taken {
        let mut files = self.lock();
        let readers = files.get(name).map_or(0, |file| file.readers);
        let file = File {
            author: Arc::clone(author),
            chunks: Arc::clone(chunks),
            readers: readers + 1,
            taken: Taken::default(),
        };
        let taken = file.taken.clone();
        files.insert(name.to_owned(), file);
        taken
    }

    /// Reads the file of this name, once for each time it was written, with who wrote it last.
    pub(super) fn read(&self, name: &str) -> Option<Read> {
        let mut files = self.lock();
        let file = files.get_mut(name)?;
        file.readers -= 1;
        let read = Read {
            author: Arc::clone(&file.author),
            chunks: Arc::clone(&file.chunks),
            taken: file.taken.clone(),
        };
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
        let taken = files.write("notes.txt", &"b".into(), &chunks("of b"));
        for _ in 0..2 {
            let read = files.read("notes.txt").unwrap();
            assert_eq!((&*read.author, read.chunks), ("b", chunks("of b")));
            read.taken.take();
        }
        assert!(taken.is() && files.read("notes.txt").is_none());
        assert_eq!(files.lock().len(), 1);
    }
}

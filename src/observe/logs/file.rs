//! A log file, followed through rotation.
//!
//! A file that was renamed is read on for a while, since its writer may not have noticed yet,
//! beside the new one of its name. A file that was cut short is read anew.
#![expect(
    clippy::disallowed_methods,
    reason = "the file is looked at again and again by a task of its own"
)]

use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::{Instant, sleep};

use super::error::LogError;
use super::{LAST_WORDS, Outlet, PIECE_BYTES, QUIET, Reading};

/// How often a followed file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a file is read after another one has taken its name.
const ROTATED_READ_FOR: Duration = Duration::from_secs(5);

/// An open file, read up to some place.
struct Open {
    file: File,
    inode: u64,
    read: u64,
    stream: u32,
}

/// Opens the file and follows it in a task of its own.
///
/// # Errors
/// It cannot be opened.
pub(super) async fn start(path: &Path, outlet: Outlet) -> Result<(), LogError> {
    let failed = |source| LogError::Open {
        path: path.to_path_buf(),
        source,
    };
    let mut open = Open::new(path, 0).await.map_err(failed)?;
    if outlet.reading == Reading::Following {
        open.read = open.file.seek(SeekFrom::End(0)).await.map_err(failed)?;
    }
    let path = path.to_path_buf();
    tokio::spawn(async move { follow(&path, open, outlet).await });
    Ok(())
}

impl Open {
    async fn new(path: &Path, stream: u32) -> std::io::Result<Self> {
        let file = File::open(path).await?;
        let inode = file.metadata().await?.ino();
        Ok(Self {
            file,
            inode,
            read: 0,
            stream,
        })
    }

    /// Hands over all that is there; how many bytes that was, or `None` if nobody listens.
    async fn read_on(&mut self, outlet: &Outlet, buffer: &mut [u8]) -> Option<u64> {
        let mut total = 0;
        loop {
            let length = match self.file.read(buffer).await {
                Ok(0) => return Some(total),
                Ok(length) => length,
                Err(error) => {
                    outlet.complain(format!("read a log file: {error}")).await;
                    return None;
                }
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            if !outlet.say(self.stream, bytes).await {
                return None;
            }
            let length = u64::try_from(length).unwrap_or_default();
            self.read += length;
            total += length;
        }
    }
}

async fn follow(path: &PathBuf, mut open: Open, outlet: Outlet) {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut rotated: Vec<(Open, Instant)> = Vec::new();
    let mut ending: Option<Instant> = None;
    let mut heard = Instant::now();
    loop {
        let Some(mut bytes) = open.read_on(&outlet, &mut buffer).await else {
            return;
        };
        if outlet.reading == Reading::Whole {
            return;
        }
        for (old, _) in &mut rotated {
            bytes += old.read_on(&outlet, &mut buffer).await.unwrap_or(0);
        }
        rotated.retain(|(_, until)| Instant::now() < *until);
        if let Some(next) = successor(path, &mut open).await {
            let until = Instant::now() + ROTATED_READ_FOR;
            rotated.push((std::mem::replace(&mut open, next), until));
            continue;
        }
        if bytes > 0 {
            heard = Instant::now();
        }
        if outlet.is_ending() {
            let until = *ending.get_or_insert_with(|| Instant::now() + LAST_WORDS);
            if heard.elapsed() >= QUIET || Instant::now() >= until {
                return;
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The file that has taken the name; a file that was cut short is gone back to its beginning.
async fn successor(path: &PathBuf, open: &mut Open) -> Option<Open> {
    // While a file is being replaced its name may be free.
    let there = tokio::fs::metadata(path).await.ok()?;
    if there.ino() != open.inode {
        return Open::new(path, open.stream.wrapping_add(1)).await.ok();
    }
    if there.len() < open.read && open.file.seek(SeekFrom::Start(0)).await.is_ok() {
        open.read = 0;
    }
    None
}

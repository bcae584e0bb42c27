//! One file, followed through rotation and truncation.

use super::state::{Position, Sending, State};
use anyhow::Context as _;
use std::fs::{File, Metadata};
use std::hash::Hasher as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The most bytes of one piece.
const PIECE_BYTES: usize = 1024 * 1024;
/// A line that is longer is cut.
const MAX_LINE_BYTES: usize = 256 * 1024;
/// The first bytes of a file that tell whether it is the same.
const BEGIN_BYTES: u64 = 1024;

/// Lines to be shipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) time_ns: i64,
    /// The position to write down before they are sent.
    pub(super) before: Position,
    /// The one after they were taken.
    pub(super) after: Position,
}

/// A file under its name, whatever becomes of it.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: File,
    position: Position,
    /// Lines of one piece are a nanosecond apart; the next piece begins after them.
    free_ns: i64,
}

impl Follower {
    /// Opens a file where the state says, or at its beginning or end; `None` where it is not there.
    pub(super) fn open(path: &Path, state: &State, from_beginning: bool) -> anyhow::Result<Option<Self>> {
        let known = state.get(path);
        let old = known.and_then(|position| rotated(path, position));
        let file = match (old, open(path)?) {
            // What was renamed while nobody looked is shipped first.
            (Some(old), _) => old,
            (None, Some(file)) => file,
            (None, None) => return Ok(None),
        };
        let metadata = file.metadata()?;
        let mut follower = Self {
            path: path.to_owned(),
            position: at_beginning(&metadata),
            file,
            free_ns: 0,
        };
        match known {
            Some(position) if is_same(&follower.file, &metadata, position) => follower.position = position.clone(),
            // Another file stands under the name: it is new.
            Some(_) => {}
            None if !from_beginning => {
                follower.position.offset = metadata.len();
                follower.position.begin = begin(&follower.file, metadata.len())?;
            }
            None => {}
        }
        Ok(Some(follower))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How far it is shipped.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// The next lines, read at `now_ns`: whole ones, or with `whole` the rest of the file too.
    pub(super) fn next(&mut self, now_ns: i64, whole: bool) -> anyhow::Result<Option<Piece>> {
        loop {
            let metadata = self.file.metadata()?;
            if !is_same(&self.file, &metadata, &self.position) {
                // Truncated, and perhaps written anew.
                self.position = at_beginning(&metadata);
            }
            let successor = self.successor()?;
            if let Some(piece) = self.read(now_ns, whole || successor.is_some())? {
                return Ok(Some(piece));
            }
            let Some((file, metadata)) = successor else {
                return Ok(None);
            };
            self.position = at_beginning(&metadata);
            self.file = file;
        }
    }

    /// The piece was taken.
    pub(super) fn taken(&mut self, piece: &Piece) {
        self.position = piece.after.clone();
        self.free_ns = piece.time_ns + i64::try_from(piece.lines.len()).unwrap_or_default();
    }

    /// Another file that stands under the name now.
    fn successor(&self) -> anyhow::Result<Option<(File, Metadata)>> {
        let Some(file) = open(&self.path)? else { return Ok(None) };
        let metadata = file.metadata()?;
        let is_other = (metadata.dev(), metadata.ino()) != (self.position.device, self.position.inode);
        Ok(is_other.then_some((file, metadata)))
    }

    /// Lines from the position on. Those that were on their way are read as they were.
    fn read(&mut self, now_ns: i64, to_the_end: bool) -> anyhow::Result<Option<Piece>> {
        let from = self.position.offset;
        let (bytes, time_ns) = match self.position.sending {
            Some(Sending { end, time_ns }) => {
                let length = usize::try_from(end.saturating_sub(from)).unwrap_or(PIECE_BYTES);
                (self.bytes(length)?, time_ns)
            }
            None => {
                let mut bytes = self.bytes(PIECE_BYTES)?;
                let is_full = bytes.len() == PIECE_BYTES;
                match bytes.iter().rposition(|byte| *byte == b'\n') {
                    Some(end) if !to_the_end || is_full => bytes.truncate(end + 1),
                    // A line that is longer than a piece is cut.
                    None if !to_the_end && !is_full => bytes.clear(),
                    _ => {}
                }
                (bytes, now_ns.max(self.free_ns))
            }
        };
        if bytes.is_empty() {
            self.position.sending = None;
            return Ok(None);
        }
        let end = from + bytes.len() as u64;
        let after = Position {
            offset: end,
            begin: begin(&self.file, end)?,
            sending: None,
            ..self.position
        };
        let before = Position {
            offset: from,
            begin: begin(&self.file, from)?,
            sending: Some(Sending { end, time_ns }),
            ..self.position
        };
        let piece = Piece {
            lines: lines(&bytes),
            time_ns,
            before,
            after,
        };
        Ok(Some(piece))
    }

    fn bytes(&self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let read = self
                .file
                .read_at(&mut bytes[filled..], self.position.offset + filled as u64);
            match read.with_context(|| format!("cannot read {}", self.path.display()))? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// Opens a file; `None` where it is not there.
fn open(path: &Path) -> anyhow::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn at_beginning(metadata: &Metadata) -> Position {
    Position {
        device: metadata.dev(),
        inode: metadata.ino(),
        ..Position::default()
    }
}

/// A hash of a file's first bytes, as far as `offset`.
fn begin(file: &File, offset: u64) -> anyhow::Result<(u64, u64)> {
    let length = offset.min(BEGIN_BYTES);
    let mut bytes = vec![0; usize::try_from(length)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok((hash(&bytes), length))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Whether a file is the one of the position, and as long as that at least.
fn is_same(file: &File, metadata: &Metadata, position: &Position) -> bool {
    (metadata.dev(), metadata.ino()) == (position.device, position.inode)
        && metadata.len() >= position.offset
        && begin(file, position.begin.1).is_ok_and(|begin| begin == position.begin)
}

/// The file of a position that stands under another name of the same directory now.
fn rotated(path: &Path, position: &Position) -> Option<File> {
    let is_there = |metadata: &Metadata| (metadata.dev(), metadata.ino()) == (position.device, position.inode);
    if path.metadata().is_ok_and(|metadata| is_there(&metadata)) {
        return None;
    }
    let name = path.file_name()?.to_string_lossy().into_owned();
    for entry in path.parent()?.read_dir().ok()?.flatten() {
        let is_kin = entry.file_name().to_string_lossy().starts_with(&name);
        if is_kin && entry.metadata().is_ok_and(|metadata| is_there(&metadata)) {
            let file = File::open(entry.path()).ok()?;
            let metadata = file.metadata().ok()?;
            return is_same(&file, &metadata, position).then_some(file);
        }
    }
    None
}

/// Lines without their line breaks, byte for byte; empty ones are left out.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let pieces = lines.flat_map(|line| line.chunks(MAX_LINE_BYTES));
    pieces.map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use tempfile::TempDir;

    struct World {
        folder: TempDir,
        path: PathBuf,
        state: PathBuf,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.log");
            let state = folder.path().join("state.json");
            Self { folder, path, state }
        }

        fn append(&self, text: &str) {
            let mut file = File::options().append(true).create(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rename(&self, to: &str) {
            fs::rename(&self.path, self.folder.path().join(to)).unwrap();
        }

        /// As a new process would begin.
        fn start(&self) -> (State, Follower) {
            let state = State::open(&self.state).unwrap();
            let follower = Follower::open(&self.path, &state, true).unwrap().unwrap();
            (state, follower)
        }

        /// Ships everything that is there.
        fn ship(&self, state: &mut State, follower: &mut Follower) -> Vec<String> {
            let mut all = Vec::new();
            while let Some(piece) = follower.next(7, false).unwrap() {
                state.set(&self.path, &piece.before).unwrap();
                state.set(&self.path, &piece.after).unwrap();
                follower.taken(&piece);
                all.extend(piece.lines.iter().map(|line| String::from_utf8(line.clone()).unwrap()));
            }
            all
        }
    }

    #[test]
    fn whole_lines_once_over_restarts() {
        let world = World::new();
        world.append("one\ntwo\nthr");
        let (mut state, mut follower) = world.start();
        assert_eq!(world.ship(&mut state, &mut follower), ["one", "two"]);
        world.append("ee\r\n\nfour\n");
        assert_eq!(world.ship(&mut state, &mut follower), ["three", "four"]);
        world.append("five\n");
        let (mut state, mut follower) = world.start();
        assert_eq!(world.ship(&mut state, &mut follower), ["five"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let world = World::new();
        fs::write(&world.path, b"caf\xe9\r\n\xff\xfe\n").unwrap();
        let (_, mut follower) = world.start();
        let piece = follower.next(7, false).unwrap().unwrap();
        assert_eq!(piece.lines, [b"caf\xe9".to_vec(), b"\xff\xfe".to_vec()]);
    }

    #[test]
    fn a_death_while_sending_sends_the_same_again() {
        let world = World::new();
        world.append("one\ntwo\n");
        let (mut state, mut follower) = world.start();
        let first = follower.next(7, false).unwrap().unwrap();
        state.set(&world.path, &first.before).unwrap();
        // Dead here; meanwhile the file grows.
        world.append("three\n");
        let (mut state, mut follower) = world.start();
        let again = follower.next(99, false).unwrap().unwrap();
        assert_eq!((again.lines.as_slice(), again.time_ns), (first.lines.as_slice(), 7));
        state.set(&world.path, &again.after).unwrap();
        follower.taken(&again);
        assert_eq!(world.ship(&mut state, &mut follower), ["three"]);
    }

    #[test]
    fn rotation_by_renaming() {
        let world = World::new();
        world.append("one\n");
        let (mut state, mut follower) = world.start();
        assert_eq!(world.ship(&mut state, &mut follower), ["one"]);
        world.append("two\nlast words");
        world.rename("app.log.1");
        world.append("new\n");
        assert_eq!(world.ship(&mut state, &mut follower), ["two", "last words", "new"]);
        // Once more while nobody looks.
        world.append("newer\n");
        world.rename("app.log.2");
        world.append("newest\n");
        let (mut state, mut follower) = world.start();
        assert_eq!(world.ship(&mut state, &mut follower), ["newer", "newest"]);
    }

    #[test]
    fn rotation_by_truncating() {
        let world = World::new();
        world.append("first line\n");
        let (mut state, mut follower) = world.start();
        assert_eq!(world.ship(&mut state, &mut follower), ["first line"]);
        fs::write(&world.path, "new\n").unwrap();
        assert_eq!(world.ship(&mut state, &mut follower), ["new"]);
        // Longer than what was there, so that its beginning alone tells.
        fs::write(&world.path, "another, longer line\n").unwrap();
        assert_eq!(world.ship(&mut state, &mut follower), ["another, longer line"]);
    }

    #[test]
    fn long_lines_are_cut_and_the_last_one_can_be_had() {
        let world = World::new();
        world.append(&"x".repeat(PIECE_BYTES + 5));
        let (mut state, mut follower) = world.start();
        let shipped = world.ship(&mut state, &mut follower);
        assert_eq!(shipped.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE_BYTES; 4]);
        let rest = follower.next(7, true).unwrap().unwrap();
        assert_eq!(rest.lines, [b"xxxxx"]);
    }
}

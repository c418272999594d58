//! Bytes into lines, however they are cut on the way.

/// Bytes of a line that are looked at; of a longer one the rest is passed over.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Gathers bytes until a line is whole.
#[derive(Debug, Default)]
pub struct Splitter {
    begun: Vec<u8>,
    cut: u64,
    is_cutting: bool,
}

impl Splitter {
    /// Takes more bytes, and hands over each line that they complete, without its end.
    pub fn take(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&[u8])) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let (end, rest) = bytes.split_at(at);
            self.add(end);
            self.end(line);
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.add(bytes);
    }

    /// Hands over a last line that has no end.
    pub fn end(&mut self, line: &mut dyn FnMut(&[u8])) {
        let whole = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        if !whole.is_empty() {
            line(whole);
        }
        self.begun.clear();
        self.is_cutting = false;
    }

    /// Lines that were longer than is looked at.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.begun.len();
        let fits = bytes.get(..room).unwrap_or(bytes);
        self.begun.extend_from_slice(fits);
        if fits.len() < bytes.len() && !self.is_cutting {
            self.is_cutting = true;
            self.cut += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, u64) {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            splitter.take(piece, &mut take);
        }
        splitter.end(&mut take);
        (lines, splitter.cut())
    }

    #[test]
    fn lines_end_where_they_end() {
        let one_two = vec!["one".to_owned(), "two".to_owned()];
        for pieces in [
            &[b"one\ntwo\n".as_slice()][..],
            &[b"one\r\n\r\ntwo"],
            &[b"on", b"e", b"\ntw", b"o", b"\n"],
        ] {
            assert_eq!(lines(pieces), (one_two.clone(), 0), "{pieces:?}");
        }
    }

    #[test]
    fn an_endless_line_is_cut_once_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        let (lines, cut) = lines(&[&long, &long, b"y\nnext\n"]);
        assert_eq!((lines.len(), cut), (2, 1));
        assert_eq!(lines[0].len(), LINE_BYTES_MAX);
        assert_eq!(lines[1], "next");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r')], 0..40),
            at in 0_usize..40,
        ) {
            let at = at.min(text.len());
            let (front, back) = text.split_at(at);
            prop_assert_eq!(lines(&[&text]), lines(&[front, back]));
        }
    }
}

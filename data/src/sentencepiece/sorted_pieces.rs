//! Pieces in order, in which all the pieces that a text begins with are found.

/// Pieces with their indices in the vocabulary. They are sorted, so that all pieces with the same beginning are
/// neighbours. A trie finds pieces faster, but takes 30 milliseconds to build for a vocabulary of usual size, and
/// a program that translates one sentence would wait for it.
#[derive(Clone, Debug)]
pub(super) struct SortedPieces(Vec<(String, u32)>);

impl SortedPieces {
    pub(super) fn new<'a>(pieces: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut pieces: Vec<(String, u32)> = pieces.map(|(piece, index)| (piece.to_owned(), index)).collect();
        pieces.sort_unstable();
        Self(pieces)
    }

    /// Returns the index and the length in bytes of each piece that `text` begins with, the shortest first.
    pub(super) fn prefixes<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (u32, usize)> + 'a {
        let mut longer = self.0.as_slice();
        let prefixes = text
            .char_indices()
            .map(|(start, character)| &text[..start + character.len_utf8()]);
        let found = prefixes.map_while(move |prefix| {
            longer = &longer[longer.partition_point(|(piece, _)| piece.as_str() < prefix)..];
            longer = &longer[..longer.partition_point(|(piece, _)| piece.starts_with(prefix))];
            let (piece, index) = longer.first()?;
            Some((piece == prefix).then_some((*index, prefix.len())))
        });
        found.flatten()
    }
}

//! The edit distance between the words of a hypothesis and of a reference, without shifts, in a band around the
//! diagonal of their matrix.

/// Half of the number of reference words that are compared with a word of the hypothesis.
const BEAM_WIDTH: usize = 25;

/// The cost of a cell outside the band.
const UNREACHED: u32 = u32::MAX;

/// A step from a hypothesis to its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A word of the hypothesis that is right.
    Keep,
    /// A word of the hypothesis that another takes the place of.
    Substitute,
    /// A word of the reference that the hypothesis lacks.
    Insert,
    /// A word of the hypothesis that is too much.
    Delete,
}

#[derive(Clone, Copy)]
struct Cell {
    cost: u32,
    operation: Operation,
}

/// A row of the matrix: the costs of turning the first words of the hypothesis into the first j words of the reference,
/// for each j in the band.
struct Row {
    /// The j of the first cell.
    start: usize,
    cells: Vec<Cell>,
}

impl Row {
    fn cost(&self, j: usize) -> u32 {
        self.cell(j).map_or(UNREACHED, |cell| cell.cost)
    }

    fn cell(&self, j: usize) -> Option<Cell> {
        let index = j.checked_sub(self.start)?;
        self.cells.get(index).copied()
    }
}

/// The matrix of costs for a hypothesis and a reference. Row i is about the first i words of the hypothesis.
pub(super) struct Matrix<'a> {
    reference: &'a [u32],
    rows: Vec<Row>,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(hypothesis: &[u32], reference: &'a [u32]) -> Self {
        let cells = (0..=reference.len() as u32).map(|cost| Cell {
            cost,
            operation: Operation::Insert,
        });
        let mut matrix = Self {
            reference,
            rows: vec![Row {
                start: 0,
                cells: cells.collect(),
            }],
        };
        for i in 1..=hypothesis.len() {
            let row = matrix.next_row(&matrix.rows[i - 1], hypothesis, i);
            matrix.rows.push(row);
        }
        matrix
    }

    /// Returns the edit distance of the hypothesis.
    pub(super) fn distance(&self) -> u32 {
        self.rows[self.rows.len() - 1].cost(self.reference.len())
    }

    /// Returns the edit distance of another hypothesis, which has as many words as that of the matrix and the same
    /// first `shared` words.
    pub(super) fn distance_of(&self, other: &[u32], shared: usize) -> u32 {
        let mut last = None;
        for i in shared + 1..=other.len() {
            last = Some(self.next_row(last.as_ref().unwrap_or(&self.rows[i - 1]), other, i));
        }
        last.map_or_else(|| self.distance(), |row| row.cost(self.reference.len()))
    }

    /// Returns the row of the first `i` words of the hypothesis, from the row before it.
    fn next_row(&self, before: &Row, hypothesis: &[u32], i: usize) -> Row {
        let width = self.reference.len();
        let length_ratio = width as f64 / hypothesis.len() as f64;
        // So that the bands of two rows overlap where the reference is much longer than the hypothesis.
        let beam_width = if (BEAM_WIDTH as f64) < length_ratio / 2.0 {
            (length_ratio / 2.0 + BEAM_WIDTH as f64).ceil() as usize
        } else {
            BEAM_WIDTH
        };
        let diagonal = (i as f64 * length_ratio).floor() as usize;
        let start = diagonal.saturating_sub(beam_width);
        let end = if i == hypothesis.len() {
            width + 1
        } else {
            (diagonal + beam_width).min(width + 1)
        };
        let mut cells: Vec<Cell> = Vec::with_capacity(end.saturating_sub(start));
        for j in start..end {
            let delete = before.cost(j).saturating_add(1);
            let mut cell = Cell {
                cost: delete,
                operation: Operation::Delete,
            };
            if j > 0 {
                // Of equal costs the first of these counts: keep or substitute, delete, insert.
                let (cost, operation) = if hypothesis[i - 1] == self.reference[j - 1] {
                    (0, Operation::Keep)
                } else {
                    (1, Operation::Substitute)
                };
                let cost = before.cost(j - 1).saturating_add(cost);
                if cost <= delete {
                    cell = Cell { cost, operation };
                }
                let insert = cells.last().map_or(UNREACHED, |cell| cell.cost.saturating_add(1));
                if insert < cell.cost {
                    cell = Cell {
                        cost: insert,
                        operation: Operation::Insert,
                    };
                }
            }
            cells.push(cell);
        }
        Row { start, cells }
    }

    /// Returns the operations that turn the hypothesis into the reference, in the order of the words.
    pub(super) fn operations(&self) -> Vec<Operation> {
        let (mut i, mut j) = (self.rows.len() - 1, self.reference.len());
        let mut operations = Vec::with_capacity(i + j);
        while i > 0 || j > 0 {
            let operation = match self.rows[i].cell(j) {
                _ if i == 0 => Operation::Insert,
                _ if j == 0 => Operation::Delete,
                Some(cell) => cell.operation,
                // A step never leads out of the band, since all cells outside cost more.
                None => Operation::Substitute,
            };
            operations.push(operation);
            if operation != Operation::Insert {
                i -= 1;
            }
            if operation != Operation::Delete {
                j -= 1;
            }
        }
        operations.reverse();
        operations
    }
}

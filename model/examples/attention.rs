//! Scaled dot-product attention by hand: three words, 3×3 matrices of small whole numbers.
//!
//! ```text
//! cargo run --release -p attend-model --example attention
//! ```
//!
//! All numbers up to the scores are exact, so that they can be checked by hand. `tests/worked_example.rs` compares all
//! numbers with a calculation on paper.

use attend_model::{Window, scaled_dot_product_attention};
use attend_view::{AttentionMap, Colours, Terminal};
use burn::tensor::{Device, Tensor};

/// The sentence.
const WORDS: [&str; 3] = ["I", "like", "tea"];
/// The embeddings: one row of 3 numbers per word.
const EMBEDDINGS: Matrix = [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]];
/// The projection to queries: what a word looks for.
const W_Q: Matrix = [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
/// The projection to keys: what a word is found by.
const W_K: Matrix = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]];
/// The projection to values: what a word passes on when it is found.
const W_V: Matrix = [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [1.0, 1.0, 0.0]];

pub(crate) type Matrix = [[f32; 3]; 3];

/// The steps from the embeddings to the output.
pub(crate) struct Stages {
    /// `Q = X W_Q`
    pub(crate) queries: Matrix,
    /// `K = X W_K`
    pub(crate) keys: Matrix,
    /// `V = X W_V`
    pub(crate) values: Matrix,
    /// `Q Kᵀ`: how well each word's query (row) fits each word's key (column)
    pub(crate) scores: Matrix,
    /// `Q Kᵀ / √3`
    pub(crate) scaled: Matrix,
    /// `softmax(Q Kᵀ / √3)`: how much each word (row) attends to each word (column)
    pub(crate) weights: Matrix,
    /// `softmax(Q Kᵀ / √3) V`
    pub(crate) output: Matrix,
}

/// Computes attention from every word to every word or, if `causal`, to itself and earlier words.
pub(crate) fn attend(causal: bool) -> Stages {
    let device = Device::default();
    // One sentence and one head.
    let tensor = |matrix: Matrix| Tensor::<4>::from_data([[matrix]], &device);
    let project = |weights| tensor(EMBEDDINGS).matmul(tensor(weights));
    let (queries, keys, values) = (project(W_Q), project(W_K), project(W_V));
    let scores = queries.clone().matmul(keys.clone().swap_dims(2, 3));
    let hidden = causal.then(|| Window::CAUSAL.mask(3, 3, &device));
    let (output, weights) =
        scaled_dot_product_attention(queries.clone(), keys.clone(), values.clone(), hidden);
    Stages {
        queries: matrix(queries),
        keys: matrix(keys),
        values: matrix(values),
        scaled: matrix(scores.clone() / 3f32.sqrt()),
        scores: matrix(scores),
        weights: matrix(weights),
        output: matrix(output),
    }
}

fn matrix(tensor: Tensor<4>) -> Matrix {
    let values: Vec<f32> = tensor.into_data().iter().collect();
    std::array::from_fn(|row| std::array::from_fn(|column| values[3 * row + column]))
}

/// The labels of the rows and columns of a printed matrix: words or nothing.
#[derive(Clone, Copy, PartialEq)]
enum Labels {
    None,
    Rows,
    Both,
}

/// Returns a matrix as text below its title, labelled with words.
fn table(title: &str, matrix: &Matrix, decimals: usize, labels: Labels) -> String {
    let mut lines = vec![title.to_owned()];
    if labels == Labels::Both {
        lines.push(format!("{:6}{:>8}{:>8}{:>8}", "", WORDS[0], WORDS[1], WORDS[2]));
    }
    for (word, row) in WORDS.iter().zip(matrix) {
        let row: String = row.iter().map(|value| format!("{value:8.decimals$}")).collect();
        let label = if labels == Labels::None { "" } else { word };
        lines.push(format!("{label:>6}{row}"));
    }
    lines.join("\n") + "\n"
}

/// Returns the weights as the heat map that `attend attention` prints, in percent.
fn heat_map(weights: &Matrix) -> String {
    let words: Vec<String> = WORDS.map(str::to_owned).into();
    let map = AttentionMap {
        queries: words.clone(),
        keys: words,
        weights: weights.iter().map(|row| row.to_vec()).collect(),
    };
    let terminal = Terminal {
        columns: 80,
        colours: Colours::None,
        unicode: true,
    };
    terminal.heat_map(&map)
}

/// Returns every step as text, and the weights and the output under a causal mask.
pub(crate) fn report() -> String {
    let (all, causal) = (attend(false), attend(true));
    [
        table("Embeddings X, a row for each word", &EMBEDDINGS, 0, Labels::Rows),
        table("W_Q", &W_Q, 0, Labels::None),
        table("W_K", &W_K, 0, Labels::None),
        table("W_V", &W_V, 0, Labels::None),
        table("Queries Q = X W_Q", &all.queries, 0, Labels::Rows),
        table("Keys K = X W_K", &all.keys, 0, Labels::Rows),
        table("Values V = X W_V", &all.values, 0, Labels::Rows),
        table(
            "Scores Q Kᵀ: the row's query times the column's key",
            &all.scores,
            0,
            Labels::Both,
        ),
        table("Scaled scores Q Kᵀ / √3", &all.scaled, 3, Labels::Both),
        table(
            "Weights softmax(Q Kᵀ / √3): each row sums to 1",
            &all.weights,
            3,
            Labels::Both,
        ),
        heat_map(&all.weights),
        table("Output softmax(Q Kᵀ / √3) V", &all.output, 3, Labels::Rows),
        "With a causal mask, no word sees a later one: those scores become -∞ and their weights 0.\n"
            .to_owned(),
        table("Weights", &causal.weights, 3, Labels::Both),
        heat_map(&causal.weights),
        table("Output", &causal.output, 3, Labels::Rows),
    ]
    .join("\n")
}

pub(crate) fn main() {
    print!("{}", report());
}

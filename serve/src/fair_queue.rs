//! The queue of sentences that wait for a batch, fair to the requests that they belong to.
//!
//! The queue is that of S. J. Golestani, "A Self-Clocked Fair Queueing Scheme for Broadband Applications", 1994, with a
//! request in place of a connection, and tokens in place of bits. Each request has a counter of the tokens that were
//! taken of it, and the request with the smallest counter is next. The counter of a new request begins at the largest
//! counter of all, the clock, and not at 0: otherwise a document would stand still while new requests keep coming.
//!
//! For example, a document of 1,000 sentences waits when a request of one sentence comes. The next batch has that
//! sentence, and is filled with sentences of the document.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// A sentence that waits for a batch.
pub(crate) trait Sentence {
    /// Returns the length by which a batch is as wide as its longest sentence.
    fn length(&self) -> usize;

    /// Returns the number of tokens that are counted for its request when the sentence is taken.
    fn tokens(&self) -> usize;

    /// Returns the maximum number of sentences in a batch of which this sentence is the longest, at least 1.
    fn batch_size(&self) -> usize;

    /// Returns whether both sentences may be in one batch.
    fn shares_batches_with(&self, other: &Self) -> bool;
}

/// The sentences that wait, by request.
#[derive(Debug)]
pub(crate) struct FairQueue<S> {
    /// The requests that have waiting sentences, by their numbers, which are those of their arrival.
    requests: BTreeMap<u64, Waiting<S>>,
    next_number: u64,
    /// The largest counter that a request has had.
    clock: u64,
    /// The number of sentences of all requests.
    sentences: usize,
    /// The number of tokens of all sentences.
    tokens: usize,
}

#[derive(Debug)]
struct Waiting<S> {
    /// The sentences in the order of their lengths, the longest last. Of equals, the first to be translated is last.
    sentences: Vec<S>,
    /// The counter of tokens that were taken.
    taken: u64,
}

impl<S> Default for FairQueue<S> {
    fn default() -> Self {
        Self {
            requests: BTreeMap::new(),
            next_number: 0,
            clock: 0,
            sentences: 0,
            tokens: 0,
        }
    }
}

impl<S: Sentence> FairQueue<S> {
    pub(crate) fn is_empty(&self) -> bool {
        self.sentences == 0
    }

    /// Returns the number of tokens of all sentences that wait.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Adds the sentences of a request. Returns the number by which the request can be [removed](Self::remove).
    pub(crate) fn push(&mut self, mut sentences: Vec<S>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        if !sentences.is_empty() {
            self.sentences += sentences.len();
            self.tokens += sentences.iter().map(S::tokens).sum::<usize>();
            sentences.reverse();
            sentences.sort_by_key(S::length);
            let taken = self.clock;
            self.requests.insert(number, Waiting { sentences, taken });
        }
        number
    }

    /// Removes the sentences of a request that still wait.
    pub(crate) fn remove(&mut self, number: u64) {
        if let Some(Waiting { sentences, .. }) = self.requests.remove(&number) {
            self.sentences -= sentences.len();
            self.tokens -= sentences.iter().map(S::tokens).sum::<usize>();
        }
    }

    /// Takes the sentences of the next batch; none if none wait. If `workers` are idle, the batch has at most its share
    /// of the sentences, so that the others get a batch, too.
    ///
    /// The first sentence of the batch is the longest one of the request that is next. Then each request adds the
    /// longest of its sentences that is no longer than the batch is wide. If it has none, it adds the shortest one that
    /// is longer, as far as the batch then still has room for all of its sentences at the new width.
    pub(crate) fn take(&mut self, workers: usize) -> Vec<S> {
        let share = self.sentences.div_ceil(workers.max(1));
        // Of requests with equal counters, the one with the fewest sentences is next.
        let turn = |(&number, waiting): (&u64, &Waiting<S>)| {
            Reverse((waiting.taken, waiting.sentences.len(), number))
        };
        let mut turns: BinaryHeap<_> = self.requests.iter().map(turn).collect();
        let mut batch: Vec<S> = Vec::new();
        let (mut most, mut width) = (share, 0);
        while batch.len() < most
            && let Some(Reverse((_, _, number))) = turns.pop()
        {
            let waiting = self.requests.get_mut(&number).expect("it has a turn");
            let Some(sentence) = waiting.take(&batch, width) else {
                continue;
            };
            width = width.max(sentence.length());
            most = most.min(sentence.batch_size());
            self.clock = self.clock.max(waiting.taken);
            self.sentences -= 1;
            self.tokens -= sentence.tokens();
            batch.push(sentence);
            if waiting.sentences.is_empty() {
                self.requests.remove(&number);
            } else {
                turns.push(turn((&number, waiting)));
            }
        }
        batch
    }
}

impl<S: Sentence> Waiting<S> {
    /// Takes the sentence that goes best with those of a `batch`, which is as wide as its longest sentence; `None` if no
    /// sentence goes with them.
    fn take(&mut self, batch: &[S], width: usize) -> Option<S> {
        let place = match batch.first() {
            None => self.sentences.len().checked_sub(1)?,
            Some(first) => {
                let fitting = self
                    .sentences
                    .partition_point(|sentence| sentence.length() <= width);
                let (fitting, longer) = self.sentences.split_at(fitting);
                let shares = |sentence: &S| first.shares_batches_with(sentence);
                fitting.iter().rposition(shares).or_else(|| {
                    let place = longer.iter().position(shares)?;
                    let has_room = longer[place].batch_size() > batch.len();
                    has_room.then_some(fitting.len() + place)
                })?
            }
        };
        let sentence = self.sentences.remove(place);
        self.taken += sentence.tokens() as u64;
        Some(sentence)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The tokens that a batch of toy sentences has room for.
    const BATCH_TOKENS: usize = 40;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Toy {
        request: u64,
        place: usize,
        length: usize,
        group: usize,
    }

    impl Sentence for Toy {
        fn length(&self) -> usize {
            self.length
        }

        fn tokens(&self) -> usize {
            self.length
        }

        fn batch_size(&self) -> usize {
            (BATCH_TOKENS / self.length).max(1)
        }

        fn shares_batches_with(&self, other: &Self) -> bool {
            self.group == other.group
        }
    }

    fn push(queue: &mut FairQueue<Toy>, sentences: &[(usize, usize)]) -> u64 {
        let request = queue.next_number;
        let sentences = sentences.iter().enumerate();
        let sentences = sentences.map(|(place, &(length, group))| Toy {
            request,
            place,
            length,
            group,
        });
        let number = queue.push(sentences.collect());
        assert_eq!(number, request);
        number
    }

    #[test]
    fn a_batch_has_the_next_sentence_of_each_request_before_the_second_of_any() {
        let mut queue = FairQueue::default();
        push(&mut queue, &[(10, 0), (10, 0), (10, 0), (10, 0)]);
        push(&mut queue, &[(8, 0)]);
        push(&mut queue, &[(9, 0), (7, 0)]);
        let places = |batch: Vec<Toy>| -> Vec<(u64, usize)> {
            let places = batch.iter().map(|sentence| (sentence.request, sentence.place));
            places.collect()
        };
        // The request of one sentence is the first. A batch as wide as the longest of them has room for four.
        assert_eq!(places(queue.take(1)), [(1, 0), (2, 1), (0, 3), (2, 0)]);
        assert_eq!(places(queue.take(1)), [(0, 0), (0, 1), (0, 2)]);
        assert!(queue.take(1).is_empty() && queue.is_empty());
    }

    #[test]
    fn idle_workers_share_few_sentences() {
        let mut queue = FairQueue::default();
        push(&mut queue, &[(1, 0); 7]);
        let sizes = [3, 2, 1].map(|idle| queue.take(idle).len());
        assert_eq!(sizes, [3, 2, 2]);
    }

    #[test]
    fn a_short_request_does_not_wait_for_a_document() {
        // Its sentence is short, long, or has options of its own.
        for request in [(3, 0), (20, 0), (10, 1)] {
            for taken_before in 0..5 {
                let mut queue = FairQueue::default();
                push(&mut queue, &[(10, 0); 1_000]);
                for _ in 0..taken_before {
                    queue.take(1);
                }
                let number = push(&mut queue, &[request]);
                assert_eq!(queue.take(1)[0].request, number);
            }
        }
    }

    #[test]
    fn a_document_does_not_wait_for_short_requests_that_keep_coming() {
        let mut queue = FairQueue::default();
        let document = push(&mut queue, &[(10, 0); 20]);
        // Eight short requests always wait, two batches of them, so that each sentence of the document takes a bit
        // more than two batches.
        for _ in 0..50 {
            while queue.requests.len() < 9 {
                push(&mut queue, &[(10, 0)]);
            }
            assert_eq!(queue.take(1).len(), 4);
        }
        assert!(!queue.requests.contains_key(&document));
    }

    #[test]
    fn requests_take_turns_by_tokens() {
        let mut queue = FairQueue::default();
        push(&mut queue, &[(2, 0); 1_000]);
        push(&mut queue, &[(10, 1); 1_000]);
        let mut tokens = [0usize; 2];
        for _ in 0..50 {
            for sentence in queue.take(1) {
                tokens[sentence.group] += sentence.length;
            }
            // Neither is more than a batch ahead.
            assert!(tokens[0].abs_diff(tokens[1]) <= BATCH_TOKENS, "{tokens:?}");
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(Vec<(usize, usize)>),
        Take(usize),
        Remove(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            vec((1..60usize, 0..3usize), 0..12).prop_map(Step::Push),
            (0..4usize).prop_map(Step::Take),
            (0..20u64).prop_map(Step::Remove),
        ]
    }

    /// Takes a batch, and checks that its sentences waited and fit together.
    fn take(
        queue: &mut FairQueue<Toy>,
        waiting: &mut BTreeSet<Toy>,
        workers: usize,
    ) -> Result<(), TestCaseError> {
        let share = waiting.len().div_ceil(workers);
        let batch = queue.take(workers);
        prop_assert_eq!(batch.is_empty(), waiting.is_empty());
        if let Some(first) = batch.first() {
            let longest = batch.iter().map(|sentence| sentence.length).max();
            let width = longest.expect("it is not empty");
            prop_assert!(batch.len() <= share && (batch.len() == 1 || batch.len() * width <= BATCH_TOKENS));
            prop_assert!(batch.iter().all(|other| other.group == first.group));
        }
        for sentence in &batch {
            prop_assert!(waiting.remove(sentence), "{:?} did not wait", sentence);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_sentence_is_taken_once_unless_its_request_is_removed(steps in vec(step(), 0..60)) {
            let mut queue = FairQueue::default();
            let mut waiting = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Push(sentences) => {
                        let request = push(&mut queue, &sentences);
                        waiting.extend(sentences.iter().enumerate().map(|(place, &(length, group))| Toy {
                            request, place, length, group,
                        }));
                    }
                    Step::Take(idle) => take(&mut queue, &mut waiting, idle.max(1))?,
                    Step::Remove(number) => {
                        queue.remove(number);
                        waiting.retain(|sentence| sentence.request != number);
                    }
                }
                prop_assert_eq!(queue.tokens(), waiting.iter().map(|sentence| sentence.length).sum::<usize>());
            }
            while !queue.is_empty() {
                take(&mut queue, &mut waiting, 1)?;
            }
            prop_assert!(waiting.is_empty());
        }
    }
}

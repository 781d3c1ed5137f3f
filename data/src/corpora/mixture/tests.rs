//! Which examples an epoch takes.

use super::epoch_numbers;

fn numbers(sizes: &[usize], weights: &[f64], seed: u64, epoch: u64) -> Vec<u32> {
    epoch_numbers(sizes, weights, seed, epoch).collect()
}

#[test]
fn whole_weights_repeat_every_example() {
    assert_eq!(numbers(&[4], &[1.0], 1, 0), [0, 1, 2, 3]);
    assert_eq!(numbers(&[2, 3], &[2.0, 1.0], 1, 0), [0, 0, 1, 1, 2, 3, 4]);
    assert_eq!(numbers(&[0, 2, 0], &[1.0, 3.0, 0.5], 1, 0), [0, 0, 0, 1, 1, 1]);
}

#[test]
fn fractions_draw_a_part_anew_each_epoch() {
    let draw = |seed, epoch| numbers(&[10, 101], &[1.0, 0.5], seed, epoch);
    let drawn = draw(1, 0);
    assert!(
        drawn.is_sorted_by(|a, b| a < b),
        "no example comes twice: {drawn:?}"
    );
    assert_eq!(drawn[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(drawn.len(), 10 + 51);
    assert_eq!(drawn, draw(1, 0));
    assert_ne!(drawn, draw(1, 1));
    assert_ne!(drawn, draw(2, 0));
    // Corpora of the same size do not draw alike.
    let both = numbers(&[100, 100], &[0.5, 0.5], 1, 0);
    let second: Vec<u32> = both[50..].iter().map(|number| number - 100).collect();
    assert_ne!(both[..50], second);

    let more = numbers(&[100], &[2.25], 1, 0);
    let times = |number| more.iter().filter(|other| **other == number).count();
    assert_eq!((0..100).filter(|number| times(*number) == 3).count(), 25);
    assert_eq!((0..100).filter(|number| times(*number) == 2).count(), 75);
}

/// In 1,000 epochs, each example is drawn 300 times on average, with a standard deviation of √(1000 × 0.3 × 0.7) =
/// 14.5.
#[test]
fn every_example_has_the_same_chance() {
    let mut times = [0_u32; 50];
    for epoch in 0..1_000 {
        for number in epoch_numbers(&[50], &[0.3], 7, epoch) {
            times[number as usize] += 1;
        }
    }
    assert_eq!(times.iter().sum::<u32>(), 15_000);
    assert!(
        times.iter().all(|count| count.abs_diff(300) < 5 * 15),
        "{times:?}"
    );
}

//! The network for inference computes what the network for training computes on whole targets: step by step, with
//! packed weights, and after rows are selected.

use attend_model::{
    Decoder, DecoderState, Encoder, Ensemble, InferenceTransformer, Memory, Precision, ReturnedAttention,
    Transformer, TransformerConfig, padding_mask, sinusoids,
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};

use crate::common::{
    PAD, SOURCES, Spread, TARGETS, all_networks, assert_close, batch, model, of_other_toolkits, relatives,
    variants,
};

/// The log-probabilities after each token of whole targets.
fn log_probabilities(
    model: &Transformer,
    sources: &[&[i32]],
    targets: &[&[i32]],
    device: &Device,
) -> Tensor<3> {
    log_softmax(model.forward(batch(sources, device), batch(targets, device)), 2)
}

/// The log-probabilities after one step of each row by its token.
fn step(
    model: &InferenceTransformer,
    tokens: &[i32],
    state: &mut DecoderState,
    device: &Device,
) -> Tensor<2> {
    let next = model.step(Tensor::from_ints(tokens, device), state);
    next.log_probabilities()
}

#[test]
fn a_layer_computes_the_same_with_packed_weights_and_without() {
    let device = Device::default();
    let x = Tensor::<3>::from_data(TensorData::new(sinusoids(6, 16), [1, 6, 16]), &device);
    let hidden = padding_mask(batch(&[SOURCES[1]], &device), PAD);
    for config in all_networks() {
        let encoder = Encoder::new(&config, &device).map(&mut Spread(0.0));
        let (states, _) = encoder.forward(x.clone(), hidden.clone(), ReturnedAttention::None);
        let packed = encoder.pack(Precision::Float32);
        for returned in [ReturnedAttention::None, ReturnedAttention::All] {
            let (of_packed, _) = packed.forward(x.clone(), hidden.clone(), returned);
            assert_close(of_packed, states.clone());
        }

        let decoder = Decoder::new(&config, &device).map(&mut Spread(0.0));
        let memory = Memory {
            states,
            hidden: hidden.clone(),
        };
        let (whole, _) = decoder.forward(x.clone(), &memory, ReturnedAttention::None);
        let packed = decoder.clone().pack(Precision::Float32);
        let (of_packed, _) = packed.forward(x.clone(), &memory, ReturnedAttention::None);
        assert_close(of_packed, whole.clone());
        let (mut state, mut state_of_packed) = (decoder.start(memory.clone()), packed.start(memory));
        for position in 0..6 {
            let x = x.clone().slice_dim(1, position..position + 1);
            let (step, _) = decoder.step(x.clone(), &mut state, ReturnedAttention::All);
            let (step_of_packed, _) = packed.step(x, &mut state_of_packed, ReturnedAttention::None);
            let expected = whole.clone().slice_dim(1, position..position + 1);
            assert_close(step, expected.clone());
            assert_close(step_of_packed, expected);
        }
    }
}

#[test]
fn steps_equal_the_whole_pass() {
    let device = Device::default();
    // Long enough that the tables of keys and values grow.
    let targets: Vec<Vec<i32>> = (0..3)
        .map(|row| (0..40).map(|position| (position * (row + 3)) % 10).collect())
        .collect();
    let targets: Vec<&[i32]> = targets.iter().map(Vec::as_slice).collect();
    for config in all_networks() {
        let config = TransformerConfig {
            max_length: 40,
            ..config
        };
        let model = model(&config, &device);
        let whole = log_probabilities(&model, &SOURCES, &targets, &device);
        let model = InferenceTransformer::new(model, Precision::Float32);
        let mut state = model.start(model.encode(batch(&SOURCES, &device)));
        for position in 0..40 {
            let tokens: Vec<i32> = targets.iter().map(|target| target[position]).collect();
            let next = step(&model, &tokens, &mut state, &device);
            assert_eq!(state.length(), position + 1);
            assert_close(
                next,
                whole.clone().slice_dim(1, position..position + 1).squeeze_dim(1),
            );
        }
    }
}

#[test]
fn given_targets_are_scored_and_attended_as_by_the_whole_pass() {
    let device = Device::default();
    // More positions than are scored together.
    let long: Vec<i32> = (0..100).map(|position| position % 10).collect();
    let targets: [&[i32]; 3] = [&long, &long[3..], &[1, 6, 5]];
    for config in all_networks() {
        let config = TransformerConfig {
            max_length: 100,
            ..config
        };
        let model = model(&config, &device);
        let input = batch(&targets, &device);
        let output = batch(&targets.map(|target| &target[1..]), &device);
        let output = Tensor::cat(vec![output, Tensor::full([3, 1], 2, &device)], 1);
        let expected = log_probabilities(&model, &SOURCES, &targets, &device)
            .gather(2, output.clone().unsqueeze_dim(2))
            .squeeze_dim(2);
        let attention = model.attention_weights(batch(&SOURCES, &device), input.clone());
        let of_first_layer = attention.cross[0].clone().mean_dim(1).squeeze_dim(1);

        let inference = InferenceTransformer::new(model, Precision::Float32);
        let memory = inference.encode(batch(&SOURCES, &device));
        assert_close(inference.score(input.clone(), output, &memory), expected);
        // Of two layers, the first is the second-to-last.
        let alignment = inference.alignment(input.clone(), &memory);
        assert_close(alignment.clone(), of_first_layer);
        let mut state = inference.start(memory);
        for position in 0..100 {
            let tokens = input.clone().slice_dim(1, position..position + 1).squeeze_dim(1);
            let (_, of_step) = inference.step_aligned(tokens, &mut state);
            let of_position = alignment.clone().slice_dim(1, position..position + 1);
            assert_close(of_step, of_position.squeeze_dim(1));
        }
    }
}

#[test]
fn an_ensemble_is_as_sure_as_its_networks_in_the_mean() {
    let device = Device::default();
    let (configs, relatives) = (variants(), relatives());
    // Of other shapes and layers, but one vocabulary.
    let networks = [&configs[0], &configs[3], &configs[6], &relatives[0]];
    let networks = networks.map(|config| model(config, &device));
    let alone = networks
        .clone()
        .map(|network| InferenceTransformer::new(network, Precision::Float32));
    let [first, others @ ..] = networks;
    let ensemble = others
        .into_iter()
        .fold(Ensemble::new(first, Precision::Float32), Ensemble::with);
    let mean = |tensors: Vec<Tensor<2>>| tensors.into_iter().reduce(|a, b| a + b).unwrap() / 4.0;

    let source = batch(&SOURCES, &device);
    let input = batch(&TARGETS, &device);
    let output = batch(&[&[4, 8, 3, 7, 2], &[9, 2], &[6, 5, 2]], &device);
    let memories = ensemble.encode(source.clone());
    let pairs = || alone.iter().zip(&memories);
    let expected = pairs().map(|(model, memory)| model.score(input.clone(), output.clone(), memory).exp());
    assert_close(
        ensemble.score(input.clone(), output.clone(), &memories).exp(),
        mean(expected.collect()),
    );
    let mut states = ensemble.start(memories.clone());
    let mut states_alone: Vec<DecoderState> = pairs()
        .map(|(model, memory)| model.start(memory.clone()))
        .collect();
    for position in 0..3 {
        let tokens: Tensor<1, Int> = input.clone().slice_dim(1, position..position + 1).squeeze_dim(1);
        let of_networks = alone.iter().zip(&mut states_alone);
        let (expected, alignments) = of_networks
            .map(|(model, state)| {
                let (next, alignment) = model.step_aligned(tokens.clone(), state);
                (next.log_probabilities().exp(), alignment)
            })
            .unzip();
        let (next, alignment) = ensemble.step_aligned(tokens.clone(), &mut states);
        assert_close(next.log_probabilities().exp(), mean(expected));
        assert_close(alignment.clone(), mean(alignments));
        let whole = ensemble.alignment(input.clone(), &memories);
        assert_close(
            alignment,
            whole.slice_dim(1, position..position + 1).squeeze_dim(1),
        );
    }
}

#[test]
fn eight_bits_change_probabilities_little() {
    let device = Device::default();
    let targets: [&[i32]; 3] = [&[1, 4, 8], &[1, 9, 6], &[1, 6, 5]];
    for config in all_networks() {
        let model = model(&config, &device);
        let whole = log_probabilities(&model, &SOURCES, &targets, &device);
        let model = InferenceTransformer::new(model, Precision::Int8);
        let mut state = model.start(model.encode(batch(&SOURCES, &device)));
        for position in 0..3 {
            let next = step(
                &model,
                &targets.map(|target| target[position]),
                &mut state,
                &device,
            );
            let expected = whole.clone().slice_dim(1, position..position + 1).squeeze_dim(1);
            let difference: f32 = (next.exp() - expected.exp()).abs().max().into_scalar();
            assert!(difference > 0.0 && difference < 0.02, "{difference}");
        }
    }
}

/// Steps over a shortlist have the logits that steps over the whole vocabulary have for its tokens, and their
/// probabilities sum to 1.
#[test]
fn a_shortlist_has_the_logits_of_its_tokens() {
    let device = Device::default();
    let shortlist = [7, 2, 0, 9];
    let tokens = || Tensor::<1, Int>::from_ints(shortlist, &device);
    for config in all_networks() {
        for precision in [Precision::Float32, Precision::Int8] {
            let network = InferenceTransformer::new(model(&config, &device), precision);
            let output = network.shortlist(tokens());
            let other = network.shortlist(Tensor::from_ints([4, 5], &device));
            let mut states = [(); 3].map(|()| network.start(network.encode(batch(&SOURCES, &device))));
            for position in 0..2 {
                let read = Tensor::from_ints(TARGETS.map(|target| target[position]), &device);
                let whole = network.step(read.clone(), &mut states[0]);
                let [among] = network
                    .step_among(&[(3, &output)], read.clone(), &mut states[1])
                    .try_into()
                    .expect("one part");
                let expected = whole.logits.clone().select(1, tokens());
                let parts = network.step_among(&[(1, &other), (2, &output)], read, &mut states[2]);
                assert_close(parts[0].logits.clone(), whole.logits.slice([0..1, 4..6]));
                assert_close(parts[1].logits.clone(), expected.clone().slice_dim(0, 1..3));
                assert_eq!(among.logits.dims(), [3, 4]);
                assert_close(among.logits.clone(), expected);
                assert_close(
                    among.log_probabilities().exp().sum_dim(1),
                    Tensor::ones([3, 1], &device),
                );
            }
        }
    }
}

#[test]
fn an_ensemble_predicts_the_tokens_of_a_shortlist_together() {
    let device = Device::default();
    let networks = [&variants()[0], &variants()[3]].map(|config| model(config, &device));
    let shortlist = Tensor::<1, Int>::from_ints([7, 2, 0, 9], &device);
    let tokens = Tensor::from_ints(TARGETS.map(|target| target[0]), &device);
    let source = batch(&SOURCES, &device);
    let alone = networks.clone().map(|network| {
        let network = InferenceTransformer::new(network, Precision::Float32);
        let mut state = network.start(network.encode(source.clone()));
        let output = network.shortlist(shortlist.clone());
        let [next] = network
            .step_among(&[(3, &output)], tokens.clone(), &mut state)
            .try_into()
            .expect("one part");
        next.log_probabilities().exp()
    });
    let [first, second] = networks;
    let ensemble = Ensemble::new(first, Precision::Float32).with(second);
    let mut states = ensemble.start(ensemble.encode(source));
    let outputs = ensemble.shortlist(shortlist);
    let next = ensemble.step_among(&[(1, &outputs), (2, &outputs)], tokens, &mut states);
    let next = next.into_iter().map(|part| part.log_probabilities().exp());
    let [one, other] = alone;
    assert_close(Tensor::cat(next.collect(), 0), (one + other) / 2.0);
}

/// Makes padding impossible by a bias of negative infinity, as models of toolkits without padding have it.
struct WithoutPadding(Vec<String>);

impl ModuleMapper for WithoutPadding {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let is_bias = self.0.join(".") == "output_bias";
        param.map(|tensor| {
            let tensor = tensor.inner();
            let tensor = if is_bias {
                tensor.slice_fill(PAD..PAD + 1, f32::NEG_INFINITY)
            } else {
                tensor
            };
            // A weight of its own, apart from the computation of its numbers.
            Tensor::from_inner(tensor).require_grad()
        })
    }
}

#[test]
fn a_token_with_a_bias_of_negative_infinity_has_no_probability() {
    let device = Device::default().autodiff();
    let config = &of_other_toolkits()[0];
    let training = model(config, &device).map(&mut WithoutPadding(Vec::new()));
    let input = |rows: &[&[i32]]| batch(rows, &device);
    let output = input(&[&[4, 8, 3, 7, 2], &[9, 2], &[6, 5, 2]]);
    let loss = training.loss(input(&SOURCES), input(&TARGETS), output, 0.1);
    assert!(loss.clone().into_scalar::<f32>().is_finite());
    let mut gradients = AllFinite(loss.backward(), 0);
    training.visit(&mut gradients);
    assert!(gradients.1 > 50);

    let network = training.valid();
    let device = Device::default();
    let whole = log_probabilities(&network, &SOURCES, &TARGETS, &device);
    for precision in [
        Precision::Float32,
        Precision::BFloat16,
        Precision::Float16,
        Precision::Int8,
    ] {
        if !device.supports_dtype(precision.dtype()) {
            continue;
        }
        let inference = InferenceTransformer::new(network.clone(), precision);
        let mut state = inference.start(inference.encode(batch(&SOURCES, &device)));
        let next = step(&inference, &TARGETS.map(|target| target[0]), &mut state, &device);
        check_impossible(&next, &whole, 0.02);
    }
    let ensemble = Ensemble::new(network.clone(), Precision::Float32).with(network);
    let mut states = ensemble.start(ensemble.encode(batch(&SOURCES, &device)));
    let tokens = Tensor::from_ints(TARGETS.map(|target| target[0]), &device);
    check_impossible(
        &ensemble.step(tokens, &mut states).log_probabilities(),
        &whole,
        1e-5,
    );
}

/// Asserts that padding has no probability, and that all probabilities are those of the first positions of `whole`.
fn check_impossible(next: &Tensor<2>, whole: &Tensor<3>, tolerance: f32) {
    let of_padding = next.clone().slice_dim(1, PAD..PAD + 1);
    assert!(
        of_padding
            .equal_elem(f32::NEG_INFINITY)
            .all()
            .into_scalar::<bool>()
    );
    let expected = whole.clone().slice_dim(1, 0..1).squeeze_dim(1).exp();
    let difference: f32 = (next.clone().exp() - expected).abs().max().into_scalar();
    assert!(difference < tolerance, "{difference}");
}

/// Checks that gradients are numbers, and counts them.
struct AllFinite(Gradients, usize);

impl ModuleVisitor for AllFinite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(&self.0).expect("a gradient");
        assert!(gradient.is_finite().all().into_scalar::<bool>());
        self.1 += 1;
    }
}

#[test]
fn selected_rows_continue_as_if_alone() {
    let device = Device::default();
    let prefixes: [&[i32]; 3] = [&[1, 4, 8], &[1, 9, 6], &[1, 6, 5]];
    for config in all_networks() {
        let model = model(&config, &device);
        let inference = InferenceTransformer::new(model.clone(), Precision::Float32);
        let mut state = inference.start(inference.encode(batch(&SOURCES, &device)));
        for position in 0..3 {
            let tokens = prefixes.map(|prefix| prefix[position]);
            step(&inference, &tokens, &mut state, &device);
        }
        let mut rows: Vec<(&[i32], Vec<i32>)> =
            (0..3).map(|row| (SOURCES[row], prefixes[row].to_vec())).collect();
        // Row 1 is dropped, row 2 doubled, the order changed; then that again; then only the last row is kept.
        let selections = [
            (vec![2, 0, 2], vec![3, 7, 8]),
            (vec![1, 0, 2, 2], vec![5, 2, 9, 1]),
            (vec![2], vec![4]),
        ];
        for (selected, tokens) in selections {
            state.select(Tensor::from_ints(selected.as_slice(), &device));
            rows = selected.iter().map(|&row| rows[row as usize].clone()).collect();
            let next = step(&inference, &tokens, &mut state, &device);
            for (row, ((source, target), token)) in rows.iter_mut().zip(&tokens).enumerate() {
                target.push(*token);
                let alone = log_probabilities(&model, &[source], &[target], &device);
                assert_close(
                    next.clone().slice_dim(0, row..row + 1),
                    alone.slice_dim(1, target.len() - 1..target.len()).squeeze_dim(1),
                );
            }
        }
    }
}

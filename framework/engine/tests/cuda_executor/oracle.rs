//! One device against the oracle in `f64`.

use crate::common::{Random, parameters, random_net, relative_error, resnet};
use crate::{all, group, replicas};
use balpoe_engine::cuda::Storage;
use balpoe_engine::oracle::Oracle;
use balpoe_engine::{BatchNormGroup, CudaReplicas, EngineError, Mode};
use balpoe_net::{Net, NetBuilder, Shape};

/// A network, a batch, and gradients of its outputs.
struct Case {
    net: Net,
    parameters: Vec<Vec<f32>>,
    batch: usize,
    images: Vec<f32>,
    seeds: Vec<Vec<f32>>,
}

impl Case {
    fn new(net: Net, batch: usize, random: &mut Random) -> Self {
        let parameters = parameters(&net, random);
        let images = random.values(batch * net.input_shape().len());
        let lens = net.outputs().iter().map(|output| batch * net.node(output.node).shape.len());
        let seeds = lens.map(|len| random.values(len)).collect();
        Self { net, parameters, batch, images, seeds }
    }

    /// The last output gets no seed.
    fn given<T>(seeds: &[Vec<T>]) -> Vec<Option<&[T]>> {
        let last = seeds.len() - 1;
        seeds.iter().enumerate().map(|(k, seed)| (k != last || k == 0).then_some(&seed[..])).collect()
    }

    fn on(&self, max_batch: usize, norm: BatchNormGroup, storage: Storage) -> Option<CudaReplicas> {
        Some(replicas(&self.net, max_batch, norm, &group(1, storage)?, &self.parameters))
    }

    /// A step and an evaluation. Errors are relative to the largest value of a tensor, or a part of the largest gradient;
    /// `Err` says where one is above the bound.
    fn errors(
        &self,
        executor: &mut CudaReplicas,
        group: Option<usize>,
    ) -> Result<Vec<(String, f64)>, EngineError> {
        executor.forward(&self.images, self.batch, Mode::Train)?;
        let mut oracle = Oracle::<f64>::new(&self.net, &self.parameters);
        oracle.group = group;
        let wide = |values: &Vec<f32>| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let images = wide(&self.images);
        oracle.forward(&images, true);
        let mut errors = Vec::new();
        for (k, output) in self.net.outputs().iter().enumerate() {
            let error = relative_error(executor.output(k), oracle.output(k), 1e-3);
            errors.push((format!("output {}", output.name), error));
        }
        let seeds: Vec<Vec<f64>> = self.seeds.iter().map(wide).collect();
        let (gradients, _) = oracle.backward(&Self::given(&seeds));
        executor.backward(&Self::given(&self.seeds))?;
        let largest = gradients.iter().flatten().fold(0f64, |largest, value| largest.max(value.abs()));
        for (i, parameter) in self.net.parameters().iter().enumerate() {
            let error = relative_error(&executor.gradient(i)?, &gradients[i], 0.01 * largest);
            errors.push((parameter.name.clone(), error));
        }
        for (i, buffer) in self.net.buffers().iter().enumerate() {
            let error = relative_error(&executor.buffer(i)?, &oracle.buffers[i], 1e-2);
            errors.push((buffer.name.clone(), error));
        }
        executor.forward(&self.images, self.batch, Mode::Evaluate)?;
        oracle.forward(&images, false);
        for (k, output) in self.net.outputs().iter().enumerate() {
            let error = relative_error(executor.output(k), oracle.output(k), 1e-3);
            errors.push((format!("output {} in evaluation", output.name), error));
        }
        Ok(errors)
    }

    fn check(&self, executor: &mut CudaReplicas, group: Option<usize>, bound: f64) {
        for (what, error) in self.errors(executor, group).unwrap() {
            assert!(error <= bound, "{what}: {error:e}\n{}", self.net);
        }
    }
}

#[test]
fn random_networks_agree_with_the_oracle() {
    let mut checked = 0;
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let (height, width) = (1 + random.below(9), 1 + random.below(9));
        let batch = 1 + random.below(5);
        let channels = [1, 3, 17][random.below(3)];
        let operations = 1 + random.below(13);
        let net = random_net(Shape::new(height, width, channels), operations, &mut random).unwrap();
        let case = Case::new(net, batch, &mut random);
        let Some(mut executor) = case.on(batch + 1, BatchNormGroup::All, Storage::F32) else { return };
        match case.errors(&mut executor, None) {
            Err(EngineError::OneValuePerChannel { .. }) => continue,
            errors => {
                for (what, error) in errors.unwrap() {
                    assert!(error <= 2e-4, "seed {seed}, {what}: {error:e}\n{}", case.net);
                }
            }
        }
        checked += 1;
    }
    assert!(checked > 80, "only {checked} networks could be trained");
}

#[test]
fn batch_norm_groups_have_statistics_of_their_own() {
    let net = resnet(Shape::new(13, 12, 3), [16, 20, 32], 1, 2, 10).unwrap();
    let case = Case::new(net, 7, &mut Random::new(2));
    for size in [3, 7, 100] {
        let Some(mut executor) = case.on(8, BatchNormGroup::Images(size), Storage::F32) else { return };
        case.check(&mut executor, Some(size), 2e-4);
    }
}

#[test]
fn passes_do_not_depend_on_what_ran_before() {
    let case = |batch| Case::new(crate::network(), batch, &mut Random::new(3));
    let (small, large) = (case(3), case(8));
    let Some(mut executor) = small.on(8, BatchNormGroup::All, Storage::F32) else { return };
    let step = |case: &Case, executor: &mut CudaReplicas| {
        executor.forward(&case.images, case.batch, Mode::Train).unwrap();
        let outputs = all(4, |k| executor.output(k).to_vec());
        executor.backward(&Case::given(&case.seeds)).unwrap();
        (outputs, all(case.net.parameters().len(), |i| executor.gradient(i).unwrap()))
    };
    let first = step(&small, &mut executor);
    let other = step(&large, &mut executor);
    executor.forward(&small.images, 3, Mode::Evaluate).unwrap();
    assert!(step(&small, &mut executor) == first);
    assert!(step(&large, &mut executor) == other);
}

/// The bound for bf16: each of about ten passes keeps 8 bits of what it writes, and a few activations change sides at zero; 0.12 of a
/// gradient's largest value was seen.
const BF16: f64 = 0.25;

#[test]
fn bf16_is_near() {
    let net = resnet(Shape::new(12, 12, 3), [16, 20, 32], 1, 2, 10).unwrap();
    let case = Case::new(net, 16, &mut Random::new(4));
    let Some(mut executor) = case.on(16, BatchNormGroup::All, Storage::Bf16) else { return };
    case.check(&mut executor, None, BF16);
}

#[test]
fn parameters_that_no_output_depends_on_get_zero_gradients() {
    let mut net = NetBuilder::new(Shape::new(4, 4, 3));
    let x = net.input();
    net.conv(x, "unused", balpoe_net::Conv::new(4, 3)).unwrap();
    let y = net.conv(x, "used", balpoe_net::Conv::new(4, 3)).unwrap();
    net.parameter("free", &[5], balpoe_net::Init::Constant(1.0)).unwrap();
    net.output("y", y).unwrap();
    let case = Case::new(net.finish().unwrap(), 2, &mut Random::new(5));
    for storage in [Storage::F32, Storage::Bf16] {
        let Some(mut executor) = case.on(2, BatchNormGroup::All, storage) else { return };
        executor.set_gradient(2, &[3.0; 5]).unwrap();
        executor.forward(&case.images, 2, Mode::Train).unwrap();
        executor.backward(&Case::given(&case.seeds)).unwrap();
        assert!(executor.gradient(0).unwrap().iter().all(|&value| value == 0.0));
        assert!(executor.gradient(1).unwrap().iter().any(|&value| value != 0.0));
        assert_eq!(executor.gradient(2).unwrap(), [0.0; 5]);
    }
}
